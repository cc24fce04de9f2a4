"""What became of each input, as JSON lines: one record for each picture, written when its result is there.

A run begins with a record of its own, which says with what the pictures are converted.  A manifest that exists is gone
on with: pictures that are done and have not changed since are passed over.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from imgsrv import __version__
from imgsrv.bulk.known import DONE, FAILED, RUN, SKIPPED, Known, read_manifest
from imgsrv.bulk.places import name_of
from imgsrv.bulk.work import Conversion, Outcome, Recipe
from imgsrv.errors import BadArgument
from imgsrv.printable import printable


class Manifest:
    """A manifest that this run writes to.  known: from runs before.  notes: what has been mended, for the user."""

    def __init__(self, path: Path, recipe: Recipe) -> None:
        """Open the manifest and read what it knows, or begin a new one.

        Raises BadArgument if it cannot be written, another run writes it, it is no manifest or one of another recipe.
        """
        self._path, self.notes = path, list[str]()
        try:
            self._file: BinaryIO = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", 0)
        except OSError as error:
            raise BadArgument(f"the manifest {path} cannot be written: {error.strerror}") from error
        try:
            self.known = self._open(recipe_row(recipe))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def record(self, outcome: Outcome) -> None:
        """Write what became of a picture.  Raises BadArgument if the disk takes no more."""
        row: dict[str, Any] = {"status": DONE if outcome.error is None else FAILED, **_names(outcome.conversion)}
        if outcome.error is None:
            width, height = outcome.size
            row |= {"format": outcome.format, "width": width, "height": height, "bytes": outcome.length}
            row |= {"version": outcome.version} | ({"broken": True} if outcome.is_broken else {})
        else:
            row["error"] = outcome.error
        row |= {"seconds": round(outcome.seconds, 4), "at": _now()}
        places = {"node": outcome.node, "lost": outcome.lost}
        self._write(row | {name: value for name, value in places.items() if value})

    def skip(self, conversion: Conversion) -> None:
        """Write that the result existed, unless the manifest says so or who made it."""
        if not self.known.is_settled(conversion):
            self._write({"status": SKIPPED, **_names(conversion), "at": _now()})

    def close(self) -> None:
        """Write everything to the disk.  The lock ends with the file."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _open(self, of_run: dict[str, Any]) -> Known:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadArgument(
                f"another run writes the manifest {self._path}; wait for its end, or name another manifest"
            ) from error
        known = read_manifest(self._path, of_run)
        if known.torn:
            self._file.truncate(known.end)
            self.notes.append(
                f"{printable(str(self._path))}: the last line had no end, as after a crash; its {known.torn} bytes are "
                "removed, and its picture is converted again"
            )
        self._file.seek(known.end)
        self._write(of_run)
        return known

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        try:
            # A single write: a process that is killed leaves the whole line or none.  A full disk may tear it.
            if self._file.write(line) != len(line):
                raise BadArgument(f"the manifest {self._path} cannot be written: the disk is full")
        except OSError as error:
            raise BadArgument(f"the manifest {self._path} cannot be written: {error.strerror}") from error


def recipe_row(recipe: Recipe) -> dict[str, Any]:
    """The record of a run.  recipe: a digest of all that the results depend on."""
    parts = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(recipe.parts.items())}
    made_with = {
        "pipeline": str(recipe.pipeline),
        "output": recipe.output.model_dump(mode="json", exclude_defaults=True),
        "parts": parts,
    }
    digest = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()
    return {"status": RUN, "imgsrv": __version__, "recipe": digest, **made_with, "at": _now()}


def _names(conversion: Conversion) -> dict[str, str]:
    return {"source": name_of(conversion.source), "target": name_of(conversion.target)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
