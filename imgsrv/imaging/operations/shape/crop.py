"""Operations that cut a part out, at full resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import AspectParameter, Colour, ColourParameter, Length, Offset
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.placement import CropGravity, FocusX, FocusY, check_focus, corner, place

TOP = 255

STRIP = 64
"""Rows or columns that are compared with a colour at once."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, as Pillow counts them."""


def _pixels(length: float | None, side: int) -> int | None:
    """Pixels of a length that is a fraction of the side where it is below 1."""
    if length is None or length >= 1:
        return None if length is None else int(length)
    return max(1, math.floor(length * side + 0.5))


def _offset(offset: float, side: int) -> int:
    return int(offset) if isinstance(offset, int) else math.floor(offset * side + 0.5)


def _part_size(before: Size, arguments: Any) -> Size:
    """The size of the part, which may be larger than the picture where it is given in pixels."""
    width, height = _pixels(arguments.width, before[0]), _pixels(arguments.height, before[1])
    if arguments.aspect is None:
        return width or before[0], height or before[1]
    ratio = arguments.aspect.ratio
    if width is not None:
        return width, _nearest(width / ratio, before[1])
    if height is not None:
        return _nearest(height * ratio, before[0]), height
    most_width, most_height = min(before[0], before[1] * ratio), min(before[1], before[0] / ratio)
    return _nearest(most_width, before[0]), _nearest(most_height, before[1])


def _nearest(length: float, side: int) -> int:
    """Whole pixels of a length; what is longer than the side by less than a pixel is the side."""
    return side if side < length < side + 1 else max(1, math.floor(length + 0.5))


def _check_crop(arguments: Any) -> None:
    given = [arguments.width, arguments.height, arguments.aspect]
    if given.count(None) == len(given):
        raise ValueError("width, height or aspect is needed; give one or two of them")
    if None not in given:
        raise ValueError("width, height and aspect say too much together; leave one of them out")
    check_focus(arguments)


def _cropped_size(before: Size, arguments: Any) -> Size:
    size = _part_size(before, arguments)
    left, top = (
        0 if given is None else _offset(given, side)
        for given, side in zip((arguments.left, arguments.top), before, strict=True)
    )
    if left + size[0] > before[0] or top + size[1] > before[1]:
        reason = (
            f"the box {size[0]}×{size[1]} at left={left}, top={top} does not lie "
            f"inside the picture of {before[0]}×{before[1]}"
        )
        raise OperationDoesNotFit("crop", reason)
    return size


def _survey_crop(frames: Sequence[Frame], source: Source, arguments: Any) -> Box:
    size = _part_size(source.size, arguments)
    left, top = corner(source.size, size, place(frames, source, size, arguments))
    if arguments.left is not None:
        left = _offset(arguments.left, source.size[0])
    if arguments.top is not None:
        top = _offset(arguments.top, source.size[1])
    return left, top, left + size[0], top + size[1]


@operation(
    size=_cropped_size,
    check=_check_crop,
    survey=_survey_crop,
    # What attracts is looked for in 8 bits.
    keeps_depth=lambda given: given.gravity != "smart",
)
def crop(
    frame: Frame,
    box: Box,
    *,
    width: Annotated[
        Length | None, Field(description="Width of the part in pixels, or below 1 as a fraction of the picture's.")
    ] = None,
    height: Annotated[
        Length | None, Field(description="Height of the part in pixels, or below 1 as a fraction of the picture's.")
    ] = None,
    left: Annotated[
        Offset | None, Field(description="Left edge in pixels or as a fraction; by `gravity` if not given.")
    ] = None,
    top: Annotated[
        Offset | None, Field(description="Top edge in pixels or as a fraction; by `gravity` if not given.")
    ] = None,
    gravity: Annotated[
        CropGravity,
        Field(description="Where the part lies when its edges are not given; `smart` is where it attracts most."),
    ] = "center",
    aspect: Annotated[
        AspectParameter | None, Field(description="Shape of the part; alone it gives the largest part of that shape.")
    ] = None,
    focus_x: FocusX = None,
    focus_y: FocusY = None,
) -> Frame:
    """Cut out a part, in pixels or fractions of the upright picture.

    A side that is not given is the picture's own, or follows from `aspect`.
    """
    return frame.crop(box)


def _survey_trim(frames: Sequence[Frame], _source: Source, arguments: Any) -> Box:
    """What is left of all frames together; everything where they are of one colour."""
    first = frames[0].crop((0, 0, 1, 1)).convert("RGBA")
    colour = arguments.colour or Colour(*first.getpixel((0, 0)))  # type: ignore[misc]  # four of RGBA
    found = [box for frame in frames if (box := _differing(frame, colour, arguments.threshold)) is not None]
    width, height = frames[0].size
    if not found:
        return 0, 0, width, height
    edges = np.array(found)
    margin = arguments.margin
    left, top = np.maximum(edges[:, :2].min(axis=0) - margin, 0)
    right, bottom = np.minimum(edges[:, 2:].max(axis=0) + margin, (width, height))
    return int(left), int(top), int(right), int(bottom)


def _differing(frame: Frame, colour: Colour, threshold: int) -> Box | None:
    """The box of all pixels of which a channel, premultiplied, differs by more than the threshold.

    Looked for from each edge inwards, so that what lies inside of the box is not looked at.
    """

    def found(left: int, top: int, right: int, bottom: int) -> Box | None:
        part = _differing_in(frame.crop((left, top, right, bottom)), colour, threshold)
        return part and (left + part[0], top + part[1], left + part[2], top + part[3])

    width, height = frame.size
    rows = [(top, min(top + STRIP, height)) for top in range(0, height, STRIP)]
    first = next((box for top, end in rows if (box := found(0, top, width, end))), None)
    if first is None:
        return None
    last = next(box for top, end in reversed(rows) if (box := found(0, top, width, end)))
    top, bottom = first[1], last[3]
    columns = [(left, min(left + STRIP, width)) for left in range(0, width, STRIP)]
    left = next(box[0] for start, end in columns if (box := found(start, top, end, bottom)))
    right = next(box[2] for start, end in reversed(columns) if (box := found(start, top, end, bottom)))
    return left, top, right, bottom


def _differing_in(frame: Frame, colour: Colour, threshold: int) -> Box | None:
    weight = colour.alpha / TOP
    ground = (*(round(level * weight) for level in colour[:3]), colour.alpha)
    shown = frame if frame.mode == "RGB" else frame.convert("RGB")
    if frame.mode == "RGBA" or not colour.is_opaque:
        weighted = frame.convert("RGBA").convert("RGBa")
        # Its bytes as plain channels, which Pillow can compare.
        shown = Image.frombuffer("RGBA", frame.size, weighted.tobytes(), "raw", "RGBA", 0, 1)
    distance = ImageChops.difference(shown, Image.new(shown.mode, frame.size, ground[: len(shown.mode)]))
    table = [TOP * (level > threshold) for level in range(TOP + 1)]
    return distance.point(table * len(shown.mode)).getbbox(alpha_only=False)


@operation(survey=_survey_trim)
def trim(
    frame: Frame,
    box: Box,
    *,
    threshold: Annotated[
        int, Field(ge=0, le=254, description="How far a channel may be from the colour, 0 to 255.")
    ] = 10,
    colour: Annotated[
        ColourParameter | None, Field(description="What is cut off; the colour of the top left pixel if not given.")
    ] = None,
    margin: Annotated[int, Field(ge=0, le=10_000, description="Pixels of it that are kept around the rest.")] = 0,
) -> Frame:
    """Cut off the edges that are of one colour, or transparent.

    All frames of an animation are cut alike.  A picture of one colour stays as it is.
    """
    return frame.crop(box)
