"""Reading a log back: its last records, through rotated files, and those to come, across rotation."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from imgsrv.observe.log.rotation import rotated_files

BLOCK_BYTES = 65_536

QUIET_S = 3.0
"""A file that has been renamed is read on for so long after its last record: some process may still write to it."""

Identity = tuple[int, int]


class Reader:
    """One file, read on as it grows.  start: where reading begins; None for its end."""

    def __init__(self, file: Path, start: int | None = 0) -> None:
        self._file = file.open("rb")
        self._end = self._size() if start is None else start
        self._file.seek(self._end)
        self._rest = b""
        self._read_at = time.monotonic()

    @property
    def identity(self) -> Identity:
        """What stays when it is renamed, and is no other file's as long as it is open here."""
        return _identity(os.fstat(self._file.fileno()))

    @property
    def is_quiet(self) -> bool:
        """Nothing has come for a while."""
        return time.monotonic() - self._read_at > QUIET_S

    def lines(self) -> Iterator[bytes]:
        """The whole lines that have come since."""
        if self._size() < self._file.tell():
            # Somebody has truncated it; the end of what was there has nothing to do with what comes.
            self._file.seek(0)
            self._rest = b""
        while data := self._file.read(BLOCK_BYTES):
            self._read_at = time.monotonic()
            *whole, self._rest = (self._rest + data).split(b"\n")
            yield from whole

    def backwards(self) -> Iterator[bytes]:
        """The lines before the place where reading began, the last one first."""
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
        """Let go of the file."""
        self._file.close()

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size


class LogReader:
    """A log as it is now and grows from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: dict[Identity, Reader] = {}
        # The current file first: were it renamed in between, it would be among the others and be known.
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
        """Let go of the files."""
        for reader in self._readers.values():
            reader.close()

    @property
    def is_there(self) -> bool:
        """Whether there is anything of it."""
        return bool(self._readers or self._compressed)

    def backwards(self) -> Iterator[bytes]:
        """All lines that were there, the last one first."""
        for reader in self._last_first:
            yield from reader.backwards()
        for file in reversed(self._compressed):
            # One that has gone meanwhile was the oldest, of which too many were kept.
            with contextlib.suppress(FileNotFoundError):
                yield from _backwards_in(file)

    def news(self) -> Iterator[bytes]:
        """The lines that have come since it was last asked."""
        present = [self._find(file, 0) for file in (*self._plain_files(), self._path)]
        for identity, reader in list(self._readers.items()):
            yield from reader.lines()
            if identity not in present and reader.is_quiet:
                reader.close()
                del self._readers[identity]

    def _plain_files(self) -> list[Path]:
        """The rotated ones that are not compressed; a compressed one was read when it was none."""
        return [file for file in rotated_files(self._path) if file.suffix != ".gz"]

    def _find(self, file: Path, start: int | None) -> Identity | None:
        """Make sure that a file is read."""
        try:
            identity = _identity(file.stat())
            if identity not in self._readers:
                self._readers[identity] = Reader(file, start)
        except FileNotFoundError:
            # Renamed or compressed at this moment: it is found under its name the next time.
            return None
        return identity


def _backwards_in(compressed: Path) -> Iterator[bytes]:
    """The lines of a compressed file, the last one first: unpacked on disk, for it may be larger than the memory.

    Of one that is broken, those before the fault.
    """
    with tempfile.NamedTemporaryFile() as unpacked:
        with gzip.open(compressed) as packed, contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):
            # Not more at once than is there, or what comes before a fault would be lost with it.
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
