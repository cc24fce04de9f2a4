"""The product as one pure function: picture bytes, a pipeline and an output in, picture bytes out."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from imgsrv.imaging.codecs.auto_format import Offers, came_as_drawing, choose
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.gain_map import decode_all
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.turbojpeg import Planes
from imgsrv.imaging.codecs.what_is_there import as_far_as_it_goes
from imgsrv.imaging.formats import jpeg
from imgsrv.imaging.jpeg_fast_path import PlanesPlan, Way, usual_way, write
from imgsrv.imaging.model.limits import NO_PARTS, Data, Limits, Size
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.model.pillow_limit import pillow_limit_lifted
from imgsrv.imaging.pipelines.cost import check_job
from imgsrv.imaging.pipelines.decode_plan import is_chosen, offers_for, plan_planes, plan_result, result_format
from imgsrv.imaging.pipelines.drawing import on_drawing
from imgsrv.imaging.pipelines.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Report:
    """Format and size of the result, and the seconds of each step.

    pixels: of the input, over all its frames.  is_broken: the result shows only what was there of a broken picture.
    way: how a JPEG was decoded, by a name of `jpeg_fast_path`; empty for other formats.  refusal: why imgsrv's own
    decoder refused it.  reason: why it has this format, where that was chosen.
    """

    format: str
    size: Size
    pixels: int
    decode_s: float
    operations_s: float
    encode_s: float
    is_broken: bool = False
    way: str = ""
    refusal: str = ""
    reason: str = ""


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

    def read(data: Data) -> _Read:
        return _read(data, pipeline, output, limits, parts, offers)

    found, is_broken = as_far_as_it_goes(data, output.broken, read)
    decoded, reason = clock(), ""
    if found.planes:
        plan, planes = found.planes.pop()
        planes = plan.resample(planes)
        done = clock()
        write(planes, output.settings_for(jpeg.FORMAT), file)
        name, size = found.name, plan.after
    else:
        # Only the pipeline holds the decoded picture, so that its memory is free after the first step.
        picture = found.pipeline.run(found.pictures.pop(), limits, parts)
        name, size = found.name, picture.size
        if found.is_open:
            offers = offers_for(output, offers)
            name, output, reason = choose(picture, found.own, offers, output, was_drawing=found.was_drawing)
        done = clock()
        encode(picture, name, output, file)
    seconds = decoded - started, done - decoded, clock() - done
    return Report(name, size, found.pixels, *seconds, is_broken, found.way.name, found.way.refusal, reason)


@dataclass(frozen=True, slots=True)
class _Read:
    """The decoded part of a picture: either the planes of a JPEG, with the plan for them, or the picture.

    name: format of the result, if it is not chosen by the pixels (`is_open`).  own: that of the input.
    pipeline: fit for the input.  way: of a JPEG.
    """

    name: str
    own: str
    pipeline: Pipeline
    pixels: int
    way: Way
    planes: list[tuple[PlanesPlan, Planes]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    is_open: bool = False
    was_drawing: bool = False


def _read(
    data: Data, pipeline: Pipeline, output: Output, limits: Limits, parts: Mapping[str, Data], offers: Offers
) -> _Read:
    with output.naming_its_frame():
        header = read_header(data, limits, output.index)
    pipeline = on_drawing(header.form, pipeline)
    check_job(header, data, [(output, pipeline)], limits, parts, offers)
    name, own, pixels = result_format(header, output), header.format, math.prod(header.size)
    way = usual_way(own)
    if fast := plan_planes(header, output, pipeline, limits):
        planes, way = fast.decode(data)
        if planes is not None:
            return _Read(name, own, pipeline, pixels, way, planes=[(fast, planes)])
    picture = decode_all(header, plan_result(header, output, pipeline), limits)
    is_open = is_chosen(header, output)
    pixels *= len(picture.frames)
    return _Read(name, own, pipeline, pixels, way, [], [picture], is_open, is_open and came_as_drawing(picture))
