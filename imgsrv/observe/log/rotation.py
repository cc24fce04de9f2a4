"""Rotation: rename a log file that is large or old enough, and delete the rotated files that are too many.

Each process that writes opens the file of the old name again.  When no process writes to a renamed file any more,
`observe/log/compress` compresses it in its own process.  The name of a rotated file is the name of the log file and the
time, `imgsrv.log.20261125-101500-000000`: names sort by age, and a rotated file is never renamed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from imgsrv.observe.log.sink import LogFile, is_in_use
from imgsrv.trusted_paths import steady

STAMP = "%Y%m%d-%H%M%S-%f"
ROTATED_NAME = re.compile(r"\.(\d{8}-\d{6}-\d{6})(\.gz)?", re.ASCII)

FIRST_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Rotation:
    """When to rotate a log file, and how many rotated files to keep.  0: never by this limit; keep all."""

    max_bytes: int = 0
    max_age_s: float = 0
    keep: int = 0


def rotated_files(path: Path) -> list[Path]:
    """Return the rotated files of a log file, oldest first; the plain file where a compressed one exists beside it."""
    found: dict[str, Path] = {}
    for file in sorted(path.parent.glob(f"{path.name}.*"), reverse=True):
        named = ROTATED_NAME.fullmatch(file.name.removeprefix(path.name))
        if named is not None and _is_time(named[1]) and _is_plain(file):
            found[str(file).removesuffix(".gz")] = file
    return [found[name] for name in sorted(found)]


class Rotator:
    """Rotates one log file and deletes the surplus."""

    def __init__(self, sink: LogFile, rotation: Rotation) -> None:
        self._sink, self._rotation, self.path = sink, rotation, sink.path
        self._began_at = _first_time(sink.path) or datetime.now(UTC)

    def rotate_if_due(self) -> int | None:
        """Rename the file if it is due; return its size in bytes if it was.  Raises OSError."""
        size = os.fstat(self._sink.descriptor).st_size
        age_s = (datetime.now(UTC) - self._began_at).total_seconds()
        is_large = 0 < self._rotation.max_bytes <= size
        is_old = 0 < self._rotation.max_age_s <= age_s
        if not self._sink.is_regular or not (is_large or is_old):
            return None
        self._began_at = datetime.now(UTC)
        if size == 0:
            return None
        with steady(self.path.parent) as folder:
            (folder / self.path.name).rename(folder / self._next_name())
        return size

    def delete_surplus(self) -> None:
        """Delete the oldest rotated files beyond `keep` unless a process still writes to them.  Raises OSError."""
        with steady(self.path.parent) as folder:
            files = rotated_files(folder / self.path.name)
            for file in files[: -self._rotation.keep] if self._rotation.keep else []:
                if file.suffix != ".gz" and is_in_use(file):
                    continue
                name = str(file).removesuffix(".gz")
                for each in (Path(name), Path(f"{name}.gz"), Path(f"{name}.gz.part")):
                    each.unlink(missing_ok=True)

    def next_to_compress(self) -> Path | None:
        """Return the oldest rotated file that is not compressed and that no process writes to, if there is one."""
        for file in rotated_files(self.path):
            with contextlib.suppress(OSError):
                if file.suffix != ".gz" and not is_in_use(file):
                    return file
        return None

    def _next_name(self) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        at = datetime.now(UTC)
        if files := rotated_files(self.path):
            stamp = files[-1].name.removesuffix(".gz").removeprefix(f"{self.path.name}.")
            at = max(at, datetime.strptime(stamp, STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1))
        return f"{self.path.name}.{at.strftime(STAMP)}"


def _is_time(stamp: str) -> bool:
    """True for a valid time before the year 9999; a file with another name is not ours.

    No name could follow one of the year 9999.
    """
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).year < MAXYEAR
    except ValueError:
        return False


def _is_plain(file: Path) -> bool:
    """False for a link or a pipe, which somebody else has given such a name; to read a pipe could take for ever."""
    with contextlib.suppress(OSError):
        return stat.S_ISREG(file.lstat().st_mode)
    return False


def _first_time(path: Path) -> datetime | None:
    """Return the time of the first record in a log, if it has one.  So a restart does not reset the age of the file."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OverflowError), _opened(path) as file:
        # The file may be the log of another program.  A time without a zone is local time.
        return datetime.fromisoformat(json.loads(file.readline(FIRST_LINE_BYTES))["timestamp"]).astimezone(UTC)
    return None


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting for a pipe.  Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW), "rb")
