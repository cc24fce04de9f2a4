"""How much is in the folder of a cache: two numbers in a file of it, which every worker changes under a lock.

A worker that dies between its entry and the count leaves the count wrong; each eviction counts anew what is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

NUMBERS = struct.Struct("<qq")
"""Bytes and entries."""

COUNT_AT, EVICT_AT = 0, 1 << 40
"""The bytes of the file whose locks guard the numbers, and the eviction."""

PATIENCE_S = 0.2
"""A stopped process may hold the lock; then a change is left out, and the next eviction counts it."""


class UsageFile:
    """The numbers of one folder, as one process sees them.

    Locks are those of the process (fcntl), so that its death releases them; between its threads a lock of its own
    stands.  Such locks end with any close of the file, so it is opened once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._threads = threading.Lock()

    def add(self, size: int, entries: int) -> tuple[int, int]:
        """Change the numbers; gives the new ones.  Raises OSError."""
        with self._threads:
            file = self._open()
            with _locked(file, COUNT_AT):
                before_size, before_entries = _read(file)
                now = max(0, before_size + size), max(0, before_entries + entries)
                os.pwrite(file, NUMBERS.pack(*now), 0)
        return now

    def read(self) -> tuple[int, int]:
        """The numbers.  Raises OSError."""
        with self._threads:
            return _read(self._open())

    @contextlib.contextmanager
    def evicting(self) -> Iterator[bool]:
        """Hold the right to evict for the block; False if another process has it."""
        with self._threads:
            file = self._open()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, EVICT_AT)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_UN, 1, EVICT_AT)

    def close(self) -> None:
        """Close the file."""
        with self._threads:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _open(self) -> int:
        """The file; a new one if it is gone with its folder.

        Root, who runs a command, gives it to the owner of the folder: its workers have to write there.
        """
        if self._file is not None:
            if os.fstat(self._file).st_nlink:
                return self._file
            os.close(self._file)
            self._file = None
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._file = os.open(self._path, flags)
        except FileNotFoundError:
            self._file = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            if not os.geteuid():
                folder = self._path.parent.stat()
                os.fchown(self._file, folder.st_uid, folder.st_gid)
        return self._file


def _read(file: int) -> tuple[int, int]:
    data = os.pread(file, NUMBERS.size, 0)
    size, entries = NUMBERS.unpack(data) if len(data) == NUMBERS.size else (0, 0)
    return (size, entries) if size >= 0 and entries >= 0 else (0, 0)


@contextlib.contextmanager
def _locked(file: int, at: int) -> Iterator[None]:
    """Hold the lock for the block.  Raises OSError if it is not free soon."""
    due = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except OSError:
            if time.monotonic() > due:
                raise
            time.sleep(0.001)
        else:
            break
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, at)
