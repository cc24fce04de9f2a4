"""Read a log: its last records, also in rotated files, and new records as they come, also across a rotation."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from imgsrv.observe.log.rotation import rotated_files

BLOCK_BYTES = 65_536

QUIET_S = 3.0
"""A renamed file is read until it has been quiet for this time, because a process may still write to it."""

Identity = tuple[int, int]


class Reader:
    """Reader of one file that may grow.  start: offset at which reading begins; None for the end."""

    def __init__(self, file: Path, start: int | None = 0) -> None:
        self._file = file.open("rb")
        self._end = self._size() if start is None else start
        self._file.seek(self._end)
        self._rest = b""
        self._read_at = time.monotonic()

    @property
    def identity(self) -> Identity:
        """Device and inode: they survive a rename, and no other file has them while this one is open."""
        return _identity(os.fstat(self._file.fileno()))

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come for QUIET_S seconds."""
        return time.monotonic() - self._read_at > QUIET_S

    def lines(self) -> Iterator[bytes]:
        """Yield the whole lines that have come since the last call."""
        if self._size() < self._file.tell():
            # The file was truncated: the unfinished line in `_rest` does not belong to the new content.
            self._file.seek(0)
            self._rest = b""
        while data := self._file.read(BLOCK_BYTES):
            self._read_at = time.monotonic()
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole

    def backwards(self) -> Iterator[bytes]:
        """Yield the lines before the place where reading began, the last one first."""
        end, rest = self._end, b""
        while end > 0:
            start = max(0, end - BLOCK_BYTES)
            first, *whole = (os.pread(self._file.fileno(), end - start, start) + rest).split(b"\n")
            yield from (line for line in reversed(whole) if line)
            # The first piece may be the end of a line that begins in an earlier block.
            end, rest = start, first + b"\n" if whole else first
        if rest.strip():
            yield rest.rstrip(b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size


class LogReader:
    """Reader of a log with its rotated files: the lines that it has, and those to come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: dict[Identity, Reader] = {}
        # Open the current file first: if it is renamed now, it is found among the rotated ones and recognized.
        self._find(path, None)
        for file in reversed(self._plain_files()):
            self._find(file, None)
        self._last_first = list(self._readers.values())
        self._compressed = [file for file in rotated_files(path) if file.suffix == ".gz"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers.values():
            reader.close()

    @property
    def is_there(self) -> bool:
        """Whether any file of the log exists."""
        return bool(self._readers or self._compressed)

    def backwards(self) -> Iterator[bytes]:
        """Yield all lines that the log had when it was opened, the last one first."""
        for reader in self._last_first:
            yield from reader.backwards()
        for file in reversed(self._compressed):
            # A file that has disappeared was the oldest one; rotation has deleted it.
            with contextlib.suppress(FileNotFoundError):
                yield from _backwards_in(file)

    def news(self) -> Iterator[bytes]:
        """Yield the lines that have come since the last call."""
        present = [self._find(file, 0) for file in (*self._plain_files(), self._path)]
        for identity, reader in list(self._readers.items()):
            yield from reader.lines()
            if identity not in present and reader.is_quiet:
                reader.close()
                del self._readers[identity]

    def _plain_files(self) -> list[Path]:
        """Return the rotated files that are not compressed.  A compressed file was read before its compression."""
        return [file for file in rotated_files(self._path) if file.suffix != ".gz"]

    def _find(self, file: Path, start: int | None) -> Identity | None:
        """Open a file unless it is open; return its identity, or None if it is gone."""
        try:
            identity = _identity(file.stat())
            if identity not in self._readers:
                self._readers[identity] = Reader(file, start)
        except FileNotFoundError:
            # It is renamed or compressed at this moment; the next call finds it under its new name.
            return None
        return identity


def record_of(line: bytes) -> dict[str, Any] | None:
    """The record that a line holds; None for a line that is no record."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _backwards_in(compressed: Path) -> Iterator[bytes]:
    """Yield the lines of a compressed file, the last one first.  A broken file gives the lines before the fault.

    The file is unpacked on disk, because it may be larger than the memory.
    """
    with tempfile.NamedTemporaryFile() as unpacked:
        with gzip.open(compressed) as packed, contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):
            # `read1` returns what is unpacked so far; `read` would lose the bytes before a fault.
            while data := packed.read1(BLOCK_BYTES):
                unpacked.write(data)
        unpacked.flush()
        reader = Reader(Path(unpacked.name), None)
        try:
            yield from reader.backwards()
        finally:
            reader.close()


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
