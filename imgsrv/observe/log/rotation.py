"""Rotation: a log file that is large or old enough gets another name, and those that are too many go.

Only renaming is done here; whoever writes opens the name anew, and what nobody writes to any more is compressed by
`observe/log/compress`, in a process of its own.  A renamed file is called as its log file with the time behind it,
`imgsrv.log.20261125-101500-000000`, so that names sort as the files were written, and is never renamed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from pathlib import Path

from imgsrv.observe.log.sink import LogFile, is_in_use

STAMP = "%Y%m%d-%H%M%S-%f"
NAMED_SO = re.compile(r"\.(\d{8}-\d{6}-\d{6})(\.gz)?", re.ASCII)

FIRST_LINE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a log file is rotated, and how many rotated ones are kept; 0 is never, and all."""

    max_bytes: int = 0
    max_age_s: float = 0
    keep: int = 0


def rotated_files(path: Path) -> list[Path]:
    """The rotated files of a log file, oldest first.  Of one that is there compressed and not, it is the latter."""
    found: dict[str, Path] = {}
    for file in sorted(path.parent.glob(f"{path.name}.*"), reverse=True):
        named = NAMED_SO.fullmatch(file.name.removeprefix(path.name))
        if named is not None and _is_time(named[1]):
            found[str(file).removesuffix(".gz")] = file
    return [found[name] for name in sorted(found)]


class Rotator:
    """Rotates one log file."""

    def __init__(self, sink: LogFile, rotation: Rotation) -> None:
        self._sink, self._rotation, self.path = sink, rotation, sink.path
        self._began_at = _first_time(sink.path) or datetime.now(UTC)

    def rotate_if_due(self) -> int | None:
        """Rename the file if it is due; its size then.  Raises OSError."""
        size = os.fstat(self._sink.descriptor).st_size
        age_s = (datetime.now(UTC) - self._began_at).total_seconds()
        is_large = 0 < self._rotation.max_bytes <= size
        is_old = 0 < self._rotation.max_age_s <= age_s
        if not self._sink.is_regular or not (is_large or is_old):
            return None
        self._began_at = datetime.now(UTC)
        if size == 0:
            return None
        self.path.rename(self._next_name())
        return size

    def delete_surplus(self) -> None:
        """Delete the oldest rotated files where there are more than are kept, if nobody writes.  Raises OSError."""
        files = rotated_files(self.path)
        for file in files[: -self._rotation.keep] if self._rotation.keep else []:
            if file.suffix != ".gz" and is_in_use(file):
                continue
            name = str(file).removesuffix(".gz")
            for each in (Path(name), Path(f"{name}.gz"), Path(f"{name}.gz.part")):
                each.unlink(missing_ok=True)

    def next_to_compress(self) -> Path | None:
        """The oldest rotated file that is not compressed and that nobody writes to."""
        for file in rotated_files(self.path):
            with contextlib.suppress(OSError):
                if file.suffix != ".gz" and not is_in_use(file):
                    return file
        return None

    def _next_name(self) -> Path:
        """Behind all others, also where the clock was put back."""
        at = datetime.now(UTC)
        if files := rotated_files(self.path):
            stamp = files[-1].name.removesuffix(".gz").removeprefix(f"{self.path.name}.")
            at = max(at, datetime.strptime(stamp, STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1))
        return self.path.with_name(f"{self.path.name}.{at.strftime(STAMP)}")


def _is_time(stamp: str) -> bool:
    """Or somebody else gave the file its name; behind one of the last year there might be no other."""
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).year < MAXYEAR
    except ValueError:
        return False


def _first_time(path: Path) -> datetime | None:
    """When the first record of a log was written, if it says so: a restart makes no file younger."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OverflowError), path.open("rb") as file:
        # Another program's log may be there; a time without a zone is the machine's.
        return datetime.fromisoformat(json.loads(file.readline(FIRST_LINE_BYTES))["timestamp"]).astimezone(UTC)
    return None
