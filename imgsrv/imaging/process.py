"""The product as one pure function: picture bytes, a pipeline and an output in, picture bytes out."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from imgsrv.imaging.codecs.auto_format import Offers, came_as_drawing, choose
from imgsrv.imaging.codecs.decode import decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.jpeg_fast_path import write
from imgsrv.imaging.model.limits import NO_PARTS, Data, Limits, Size
from imgsrv.imaging.model.pillow_limit import pillow_limit_lifted
from imgsrv.imaging.pipelines.cost import check_job
from imgsrv.imaging.pipelines.decode_plan import plan_planes, plan_result, result_format
from imgsrv.imaging.pipelines.drawing import on_drawing
from imgsrv.imaging.pipelines.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Report:
    """Format and size of the result, and the seconds of each step.  pixels: of the input, over all its frames."""

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


@pillow_limit_lifted()
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
    pipeline = on_drawing(header.form, pipeline)
    check_job(header, data, [(output, pipeline)], limits, parts, offers)
    name = result_format(header, output)
    if (fast := plan_planes(header, output, pipeline, limits)) and (planes := fast.decode(data)):
        decoded = clock()
        planes = fast.resample(planes)
        done = clock()
        write(planes, output, file)
        return Report(name, fast.after, math.prod(header.size), decoded - started, done - decoded, clock() - done)
    plan = plan_result(header, output, pipeline)
    picture = decode(header, plan, limits)
    decoded = clock()
    was_drawing = output.format == "auto" and came_as_drawing(picture)
    own, pixels = header.format, header.size[0] * header.size[1] * len(picture.frames)
    # Only the pipeline holds the decoded picture, so that its memory is free after the first step.
    pictures = [picture]
    del header, picture
    result = pipeline.run(pictures.pop(), limits, parts)
    if output.format == "auto":
        name, output = choose(result, own, offers, output, was_drawing=was_drawing)
    done = clock()
    encode(result, name, output, file)
    return Report(name, result.size, pixels, decoded - started, done - decoded, clock() - done)
