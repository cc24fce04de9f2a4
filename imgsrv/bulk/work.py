"""Convert one picture from its place to its target.

A picture is written to a temporary file beside its target and renamed when it is whole.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.imaging.process import process_into


@dataclass(frozen=True, slots=True)
class Conversion:
    """Source and target of one picture; None for standard input or output."""

    source: Path | None
    target: Path | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do with every picture.

    parts: further files by name, such as a watermark.  overwrites: whether a target that exists is replaced.
    """

    pipeline: Pipeline
    output: Output
    limits: Limits
    parts: Mapping[str, bytes] = field(default_factory=dict)
    overwrites: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one conversion: its size in pixels and its length in bytes, or the message of the error.

    is_broken: it shows only what was there of a broken picture.  format: of the result.  version: of the source that
    was read, as `version_of` gives it.  seconds: that the conversion took.
    """

    conversion: Conversion
    size: Size = (0, 0)
    length: int = 0
    error: str | None = None
    is_broken: bool = False
    format: str = ""
    version: str = ""
    seconds: float = 0.0


def convert(conversion: Conversion, recipe: Recipe) -> Outcome:
    """Convert one picture in this process.  The outcome holds the message if the picture or a file cannot be used."""
    began = time.monotonic()
    try:
        data, version = _read(conversion.source)
        with _written_whole(conversion.target, own_mark(os.getpid()), overwrites=recipe.overwrites) as file:
            report = process_into(file, data, recipe.pipeline, recipe.output, recipe.limits, recipe.parts)
            length = file.seek(0, os.SEEK_END)
    except ImgsrvError as error:
        reason = str(error)
    except FileExistsError:
        reason = f"{conversion.target} exists, and --no-overwrite is given"
    except OSError as error:
        reason = error.strerror or str(error)
    except MemoryError:
        reason = "there is not enough memory"
    else:
        seconds = time.monotonic() - began
        return Outcome(
            conversion, report.size, length, None, report.is_broken, report.format, version=version, seconds=seconds
        )
    return Outcome(conversion, error=reason, seconds=time.monotonic() - began)


def own_mark(pid: int | None) -> str:
    """The mark of the temporary files of a process on this machine."""
    return str(pid)


def remove_part(target: Path, mark: str) -> None:
    """Delete the temporary file that a dead process with this mark has left."""
    _part(target, mark).unlink(missing_ok=True)


def name_of(place: Path | None) -> str:
    """The name of a place in a manifest: its path from the root, so that a later run in another folder finds it."""
    if place is None:
        return "-"
    return os.path.abspath(place)  # noqa: PTH100  Path has no such method that leaves links as they are


def version_of(facts: os.stat_result) -> str:
    """What differs when a file has changed: its size in bytes and its time in nanoseconds."""
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def _read(source: Path | None) -> tuple[bytes, str]:
    """The bytes of a picture file and their version.  Raises OSError."""
    if source is None:
        return sys.stdin.buffer.read(), ""
    with source.open("rb") as file:
        facts = os.fstat(file.fileno())
        return file.read(), version_of(facts)


@contextlib.contextmanager
def _written_whole(target: Path | None, mark: str, *, overwrites: bool) -> Iterator[BinaryIO]:
    """Yield a file.  Its content becomes the target if the block succeeds, and is deleted if not.

    Raises FileExistsError if the target exists and is not to be replaced.
    """
    if target is None:
        # Output to a pipe cannot be undone, so nothing is written before the picture is whole.
        file = io.BytesIO()
        yield file
        sys.stdout.buffer.write(file.getbuffer())
        sys.stdout.buffer.flush()
        return
    if not overwrites and target.exists():
        raise FileExistsError(target)
    part = _part(target, mark)
    try:
        with part.open("wb+") as opened:
            yield opened
        if overwrites:
            part.replace(target)
        else:
            # Unlike a rename, a link never replaces a file that somebody else has made meanwhile.
            target.hardlink_to(part)
            part.unlink()
    except BaseException:
        # The file does not exist if opening it has failed.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _part(target: Path, mark: str) -> Path:
    """Return the temporary file for a target."""
    return target.with_name(f".{target.name}.{mark}.part")
