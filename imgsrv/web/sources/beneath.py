"""Open a file below a folder, and never one outside of it, however its name is written and whatever links lie there.

The kernel does it in one call where it can (`openat2`, Linux 5.6): it follows links that stay below the folder.  Where
it cannot, because it is older or a sandbox forbids the call, the path is walked folder by folder and follows no link.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

OPENAT2 = 437
"""The number of the system call, the same on all architectures of Linux but alpha."""

RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH, RESOLVE_CACHED = 0x02, 0x08, 0x20

OPEN_HOW = struct.Struct("=QQQ")
"""Flags, mode, and how the path is resolved (`struct open_how`)."""

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Without waiting: the opening of a fifo would wait for its writer."""

MOST_TRIES = 8
"""The kernel gives EAGAIN if a folder is renamed while it walks."""

_libc = ctypes.CDLL(None, use_errno=True)


def open_beneath(folder: int, path: str, *, only_cached: bool = False) -> int:
    """A descriptor of the file at a path below a folder.

    path: relative, with no part that is `..`.  only_cached: raise BlockingIOError if the disk would be asked.
    Raises OSError: EXDEV or ELOOP for a path that leaves the folder.
    """
    how = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
    for _ in range(MOST_TRIES):
        try:
            return _openat2(folder, path, how | RESOLVE_CACHED if only_cached else how)
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EPERM) or (only_cached and error.errno == errno.EINVAL):
                # A kernel before 5.6 or a sandbox; a kernel before 5.12 knows no cached opening.
                return _walk(folder, path)
            if only_cached or error.errno != errno.EAGAIN:
                raise
    return _walk(folder, path)


def _openat2(folder: int, path: str, how: int) -> int:
    given = OPEN_HOW.pack(FLAGS, 0, how)
    name = os.fsencode(path)
    found: int = _libc.syscall(OPENAT2, folder, name, given, len(given))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return found


def _walk(folder: int, path: str) -> int:
    """The same, folder by folder; a link is an error (ELOOP, or ENOTDIR for a link in the middle)."""
    *folders, name = [part for part in path.split("/") if part not in ("", ".")] or ["."]
    here = folder
    try:
        for part in folders:
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            if here != folder:
                os.close(here)
            here = inner
        return os.open(name, FLAGS | os.O_NOFOLLOW, dir_fd=here)
    finally:
        if here != folder:
            os.close(here)
