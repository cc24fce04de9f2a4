"""Reads a manifest: what is known of each source from runs before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from imgsrv.bulk.places import name_of
from imgsrv.bulk.there import There
from imgsrv.bulk.work import Conversion
from imgsrv.errors import BadArgument
from imgsrv.printable import printable

LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is read: paths have at most 4 KiB each, and messages are as short."""

DONE, FAILED, SKIPPED, RUN = "done", "failed", "skipped", "run"
"""What a record says.  A skipped picture is one whose result existed before the run."""

OPENING = b'{"status": "'
"""The first bytes of each line.  A file that does not begin so is no manifest, and is left as it is."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a source: how it ended, with what target, of which version and with how many bytes."""

    status: str
    target: str
    version: str
    length: int


@dataclass(slots=True)
class Known:
    """What a manifest says.  end: bytes of the lines that are whole.  torn: bytes of a last line without an end."""

    records: dict[str, Record] = field(default_factory=dict)
    end: int = 0
    torn: int = 0

    def is_done(self, conversion: Conversion, there: There) -> bool:
        """Whether this picture has been converted, has not changed since, and its result is there in full length."""
        record = self.records.get(name_of(conversion.source))
        if conversion.target is None or record is None or record.status != DONE:
            return False
        return (
            record.target == name_of(conversion.target)
            and record.version == there.version(conversion)
            and record.length == there.length(conversion.target)
        )

    def is_settled(self, conversion: Conversion) -> bool:
        """Whether the manifest says that the result is there: made by a run, or found by one."""
        record = self.records.get(name_of(conversion.source))
        return record is not None and record.status in (DONE, SKIPPED)


def read_manifest(path: Path, made_with: dict[str, Any]) -> Known:
    """Read a manifest; nothing is known if there is none.

    made_with: the record of a run with the recipe of today.  The last record of a source is valid.
    Raises BadArgument if the file is no manifest, has a broken line in its middle, or is of another recipe.
    """
    known = Known()
    try:
        with path.open("rb") as file:
            for number, line in _lines(file, known):
                _take(path, number, line, made_with, known)
    except FileNotFoundError:
        return known
    except OSError as error:
        raise BadArgument(f"the manifest {path} cannot be read: {error.strerror}") from error
    if known.torn and not known.records and not known.end:
        with path.open("rb") as file:
            if file.read(len(OPENING)) != OPENING[: known.torn]:
                raise BadArgument(_fault(path, 1))
    return known


def _lines(file: BinaryIO, known: Known) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines with their numbers; note the last line if it has no end."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            known.torn = len(line)
            return
        yield number, line
        known.end += len(line)


def _take(path: Path, number: int, line: bytes, made_with: dict[str, Any], known: Known) -> None:
    row = _row(path, number, line)
    if row["status"] != RUN:
        known.records[row["source"]] = Record(
            *(row["status"], row["target"], row.get("version", "")), length=row.get("bytes", 0)
        )
    elif row["recipe"] != made_with["recipe"]:
        raise BadArgument(
            f"the manifest {path} is of another recipe: {_words(row)} (line {number}), and this run has "
            f"{_words(made_with)}; name another manifest, or give the same pipeline and options"
        )


def _row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadArgument(_fault(path, number)) from error
    says_run = isinstance(row, dict) and row.get("status") == RUN
    wanted = ("status", "recipe") if says_run else ("status", "source", "target")
    if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in wanted):
        raise BadArgument(f"{_fault(path, number)}; it needs {', '.join(wanted)}")
    return row


def _fault(path: Path, number: int) -> str:
    return f"line {number} of {printable(str(path))} is no record of a manifest; name another file, or mend the line"


def _words(row: dict[str, Any]) -> str:
    """The recipe of a run for a message."""
    options, parts = row.get("output"), row.get("parts")
    values = [f"{name}={value}" for name, value in options.items()] if isinstance(options, dict) else []
    return " ".join([repr(row.get("pipeline", "")), *values, *(parts if isinstance(parts, dict) else ())])
