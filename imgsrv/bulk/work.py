"""Convert one picture from its place to its target."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from imgsrv.bulk.buckets import BucketRefused
from imgsrv.bulk.places import Blob, Place, read, written_whole
from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import SAME, Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.formats import SUFFIXES
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.imaging.process import process_into

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What every further picture would meet, too."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Source and target of one picture; None for standard input or output.

    format: of the result, where neither the recipe nor the content of the picture gives it.
    version: of an object, as its listing has it; empty for files, which are looked at when it is asked for.
    """

    source: Place | None
    target: Place | None
    format: str | None = None
    version: str = ""


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

    def output_of(self, conversion: Conversion) -> Output:
        """How the result of a picture is written: in the format of the conversion, if that names one."""
        return self.output.model_copy(update={"format": conversion.format}) if conversion.format else self.output


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one conversion: its size in pixels and its length in bytes, or the message of the error.

    is_broken: it shows only what was there of a broken picture.  format: of the result.  version: of the source that
    was read.  seconds: that the conversion took.  stops: no further picture could be written.
    node: of a cluster, where it was converted.  lost: the names of those that had it before and were lost.
    """

    conversion: Conversion
    size: Size = (0, 0)
    length: int = 0
    error: str | None = None
    is_broken: bool = False
    format: str = ""
    version: str = ""
    seconds: float = 0.0
    stops: bool = False
    node: str = ""
    lost: str = ""


def convert(conversion: Conversion, recipe: Recipe, mark: str = "") -> Outcome:
    """Convert one picture in this process.  The outcome holds the message if the picture or a file cannot be used.

    mark: of the temporary file; that of this process if it is empty.
    """
    began, stops, has_read = time.monotonic(), False, False
    output = recipe.output_of(conversion)
    try:
        data, version = read(conversion.source)
        has_read = True
        with written_whole(
            conversion.target,
            mark or own_mark(os.getpid()),
            _media_type(conversion.target, output),
            overwrites=recipe.overwrites,
        ) as file:
            report = process_into(file, data, recipe.pipeline, output, recipe.limits, recipe.parts)
            length = file.seek(0, os.SEEK_END)
    except ImgsrvError as error:
        reason = str(error)
    except FileExistsError:
        reason = f"{conversion.target} exists, and --no-overwrite is given"
    except OSError as error:
        reason = error.strerror or str(error)
        stops = has_read and (error.errno in FULL or isinstance(error, BucketRefused))
    except MemoryError:
        reason = "there is not enough memory"
    else:
        seconds = time.monotonic() - began
        return Outcome(
            conversion, report.size, length, None, report.is_broken, report.format, version=version, seconds=seconds
        )
    return Outcome(conversion, error=reason, seconds=time.monotonic() - began, stops=stops)


def own_mark(pid: int | None) -> str:
    """The mark of the temporary files of a process on this machine."""
    return str(pid)


def _media_type(target: Place | None, output: Output) -> str:
    """The type of an object: of the format that is asked for, else by its name; empty if that gives none."""
    if not isinstance(target, Blob):
        return ""
    named = None if output.format == SAME else output.format
    name = named or SUFFIXES.get(target.file.suffix.lower())
    return media_type_of(name) if name else ""
