"""The product as one pure function: picture bytes, a pipeline and an output in, picture bytes out."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import BinaryIO

from imgsrv.imaging.codecs.auto_format import Offers, came_as_drawing, choose
from imgsrv.imaging.codecs.decode import Header, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS, holds_frames
from imgsrv.imaging.formats import DEEP, written_as
from imgsrv.imaging.jpeg_fast_path import find_way, write
from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.pipelines.decode_plan import DecodePlan, plan_decode, plan_glimpse
from imgsrv.imaging.pipelines.pipeline import Pipeline

NO_PARTS: Mapping[str, Data] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Report:
    """What came out, and the seconds it took.  pixels: of the input, over all its frames."""

    format: str
    size: Size
    pixels: int
    decode_s: float
    operations_s: float
    encode_s: float


def process(
    data: Data, pipeline: Pipeline, output: Output, limits: Limits, parts: Mapping[str, Data] = NO_PARTS
) -> bytes:
    """The bytes of the picture after the pipeline.

    parts: the further parts of the upload that steps work with.  Raises MissingPart, UnsupportedFormat and
    BadPicture's children.
    """
    file = io.BytesIO()
    process_into(file, data, pipeline, output, limits, parts)
    return file.getvalue()


def process_into(
    file: BinaryIO,
    data: Data,
    pipeline: Pipeline,
    output: Output,
    limits: Limits,
    parts: Mapping[str, Data] = NO_PARTS,
    clock: Callable[[], float] = time.monotonic,
    *,
    offers: Offers = (),
) -> Report:
    """As `process`, but written into a file, which for a real one saves every copy in memory.

    offers: what `format=auto` may be.
    """
    started = clock()
    header = read_header(data, limits, output.index)
    name = result_format(header, output)
    if (way := find_way(header, name, pipeline, output, limits)) and (planes := way.decode(data)):
        decoded = clock()
        planes = way.resample(planes)
        done = clock()
        write(planes, output, file)
        return Report(name, way.after, math.prod(header.size), decoded - started, done - decoded, clock() - done)
    plan = plan_for(header, output, pipeline)
    picture = decode(header, plan, limits)
    decoded = clock()
    was_drawing = output.format == "auto" and came_as_drawing(picture)
    own, pixels = header.format, header.size[0] * header.size[1] * len(picture.frames)
    # Nobody but the pipeline holds what was decoded, which it lets go of behind the first step.
    pictures = [picture]
    del header, picture
    result = pipeline.run(pictures.pop(), limits, parts)
    if output.format == "auto":
        name, output = choose(result, own, offers, output, was_drawing=was_drawing)
    done = clock()
    encode(result, name, output, file)
    return Report(name, result.size, pixels, decoded - started, done - decoded, clock() - done)


def plan_for(header: Header, output: Output, pipeline: Pipeline) -> DecodePlan:
    """What has to be decoded for the result; every frame for one that may be animated."""
    name = result_format(header, output)
    if name in PLACEHOLDERS and not pipeline.steps:
        return plan_glimpse(header.size, is_jpeg=header.format == "jpeg")
    is_animated = output.format == "auto" or holds_frames(name)
    plan = plan_decode(pipeline, header.size, header.format, holds_frames=is_animated)
    is_deep = name in DEEP and output.format != "auto" and output.colours is None and pipeline.keeps_depth
    return replace(plan, icc=output.icc, is_deep=is_deep)


def result_format(header: Header, output: Output) -> str:
    """The format that was asked for, or that of the input; which it stays for `auto`, only pixels can tell."""
    if output.format not in (None, "auto"):
        return output.format
    return written_as(header.format)
