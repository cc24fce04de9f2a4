"""Memory that a process shares with its children, and that a child can be left to read only.

A child inherits the mapping of its parent, with the right to write.  `restrict` maps the same memory over it without
that right, except for the pages that the child owns.  The file may not change its size: whoever truncated it would end
every process that reads beyond its end.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os

PAGE = mmap.PAGESIZE

PRIVATE = 0o600
"""Mode of the file: /proc lets a process open a memory file again, and its first mode is 0777."""

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

MAP_FIXED = 0x10
"""linux/mman.h; the module mmap does not have it."""

MAP_FAILED = ctypes.c_void_p(-1).value


class SharedMemory:
    """Cells of 64 bits in a memory file.  file: of a memory that exists; None for a new one.  size: in bytes."""

    def __init__(self, size: int, file: int | None = None) -> None:
        if file is None:
            file = os.memfd_create("board", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.fchmod(file, PRIVATE)
            os.ftruncate(file, size)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEALS)
        self.file = file
        self._map = mmap.mmap(file, 0)
        self.cells = memoryview(self._map).cast("Q")

    def restrict(self, start: int = 0, size: int = 0) -> None:
        """In a child: give up the right to write, except to `size` bytes from `start`; both are whole pages.

        The file is closed.  A later write elsewhere ends the process with SIGSEGV.  Raises OSError.
        """
        at = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        # Protection alone could be taken back; a mapping of a file that is open for reading only could not.
        read_only = os.open(f"/proc/self/fd/{self.file}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _map_over(at, len(self._map), mmap.PROT_READ, read_only, 0)
            if size:
                _map_over(at + start, size, mmap.PROT_READ | mmap.PROT_WRITE, self.file, start)
        finally:
            os.close(read_only)
            os.close(self.file)


def whole_pages(size: int) -> int:
    """Round a size in bytes up to whole pages."""
    return -(-size // PAGE) * PAGE


def _map_over(at: int, size: int, rights: int, file: int, offset: int) -> None:
    """Map a part of a file at an address, in the place of what is mapped there."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    arguments = (ctypes.c_void_p(at), ctypes.c_size_t(size), rights, mmap.MAP_SHARED | MAP_FIXED, file)
    if libc.mmap(*arguments, ctypes.c_long(offset)) == MAP_FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
