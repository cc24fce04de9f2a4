"""Operations that cut out a part at full resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, TypedDict, Unpack

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Aspect, AspectParameter, Colour, ColourParameter, Length, Offset
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.levels import TOP
from imgsrv.imaging.pixels.placement import (
    LOOKING,
    CropGravity,
    FocusX,
    FocusY,
    check_focus,
    position_of_part,
    top_left,
)
from imgsrv.imaging.pixels.working_frame import shallow

STRIP = 64
"""Rows or columns that are compared with a colour at once."""

LOOK, FACES = 12, 125_000_000
"""Work of looking at a pixel, and of looking for faces, in pixels that are only cut out: 1 to 3 ns, and 14 to 35 ms."""

Edges = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels, as Pillow counts them."""


class _Part(TypedDict):
    """The parameters of crop that decide the size of the part."""

    width: Length | None
    height: Length | None
    aspect: Aspect | None


def _pixels(length: float | None, side: int) -> int | None:
    """A length in whole pixels; below 1 it is a fraction of the side."""
    if length is None or length >= 1:
        return None if length is None else int(length)
    return max(1, math.floor(length * side + 0.5))


def _offset(offset: float, side: int) -> int:
    return int(offset) if isinstance(offset, int) else math.floor(offset * side + 0.5)


def _part_size(before: Size, **part: Unpack[_Part]) -> Size:
    """The size of the part; it can be larger than the picture where it is given in pixels."""
    width, height = _pixels(part["width"], before[0]), _pixels(part["height"], before[1])
    if part["aspect"] is None:
        return width or before[0], height or before[1]
    ratio = part["aspect"].ratio
    if width is not None:
        return width, _nearest(width / ratio, before[1])
    if height is not None:
        return _nearest(height * ratio, before[0]), height
    most_width, most_height = min(before[0], before[1] * ratio), min(before[1], before[0] / ratio)
    return _nearest(most_width, before[0]), _nearest(most_height, before[1])


def _nearest(length: float, side: int) -> int:
    """A length rounded to whole pixels; one that exceeds the side by less than a pixel becomes the side."""
    return side if side < length < side + 1 else max(1, math.floor(length + 0.5))


def _check_crop(*, gravity: CropGravity, focus_x: float | None, focus_y: float | None, **part: Unpack[_Part]) -> None:
    given = [part["width"], part["height"], part["aspect"]]
    if given.count(None) == len(given):
        raise ValueError("width, height or aspect is needed; give one or two of them")
    if None not in given:
        raise ValueError("width, height and aspect say too much together; leave one of them out")
    check_focus(gravity, focus_x, focus_y)


def _cropped_size(before: Size, *, left: Offset | None, top: Offset | None, **part: Unpack[_Part]) -> Size:
    size = _part_size(before, **part)
    first, upper = (
        0 if given is None else _offset(given, side) for given, side in zip((left, top), before, strict=True)
    )
    if first + size[0] > before[0] or upper + size[1] > before[1]:
        reason = (
            f"the box {size[0]}×{size[1]} at left={first}, top={upper} does not lie "
            f"inside the picture of {before[0]}×{before[1]}"
        )
        raise OperationDoesNotFit("crop", reason)
    return size


def _survey_crop(
    frames: Sequence[Frame],
    source: Source,
    *,
    left: Offset | None,
    top: Offset | None,
    gravity: CropGravity,
    focus_x: float | None,
    focus_y: float | None,
    **part: Unpack[_Part],
) -> Edges:
    size = _part_size(source.size, **part)
    used = gravity if gravity not in LOOKING or _looks(gravity, left, top) else "center"
    position = position_of_part(frames, source, size, gravity=used, focus_x=focus_x, focus_y=focus_y)
    first, upper = top_left(source.size, size, position)
    if left is not None:
        first = _offset(left, source.size[0])
    if top is not None:
        upper = _offset(top, source.size[1])
    return first, upper, first + size[0], upper + size[1]


def _looks(gravity: CropGravity, left: Offset | None, top: Offset | None) -> bool:
    """Whether the pixels decide where the part lies: at least one of its edges is not given."""
    return gravity in LOOKING and (left is None or top is None)


def _crop_work(before: Size, after: Size, *, gravity: CropGravity, left: Offset | None, top: Offset | None) -> float:
    look = LOOK * pixels(before) + (FACES if gravity == "face" else 0) if _looks(gravity, left, top) else 0
    return max(pixels(before), pixels(after)) + look


def _is_in_fractions(*, width: Length | None, height: Length | None, left: Offset | None, top: Offset | None) -> bool:
    lengths = all(length is None or length < 1 for length in (width, height))
    return lengths and all(offset is None or offset == 0 or isinstance(offset, float) for offset in (left, top))


@operation(
    size=_cropped_size,
    check=_check_crop,
    survey=_survey_crop,
    work=_crop_work,
    keeps_depth=always,
    is_scale_free=_is_in_fractions,
)
def crop(
    frame: Frame,
    edges: Edges,
    *,
    width: Annotated[
        Length | None, Field(description="Width of the part in pixels, or below 1 as a fraction of the picture's.")
    ] = None,
    height: Annotated[
        Length | None, Field(description="Height of the part in pixels, or below 1 as a fraction of the picture's.")
    ] = None,
    left: Annotated[
        Offset | None, Field(description="Left edge in pixels or as a fraction; `gravity` decides if not given.")
    ] = None,
    top: Annotated[
        Offset | None, Field(description="Top edge in pixels or as a fraction; `gravity` decides if not given.")
    ] = None,
    gravity: Annotated[
        CropGravity,
        Field(
            description="Where the part lies if its edges are not given; `smart` is the most salient part, `face` that "
            "with the faces."
        ),
    ] = "center",
    aspect: Annotated[
        AspectParameter | None, Field(description="Aspect ratio of the part; alone it gives the largest such part.")
    ] = None,
    focus_x: FocusX = None,
    focus_y: FocusY = None,
) -> Frame:
    """Cut out a part, given in pixels or in fractions of the upright picture.

    A side that is not given follows from `aspect`, or else is that of the picture.
    """
    return frame.crop(edges)


def _survey_trim(
    frames: Sequence[Frame], _source: Source, *, threshold: int, colour: Colour | None, margin: int
) -> Edges:
    """The part to keep of all frames together; the whole frame where all are of one colour."""
    first = shallow(frames[0].crop((0, 0, 1, 1))).convert("RGBA")
    ground = colour or Colour(*first.getpixel((0, 0)))  # type: ignore[misc]  # four channels of RGBA
    found = [part for frame in frames if (part := _differing(frame, ground, threshold)) is not None]
    width, height = frames[0].size
    if not found:
        return 0, 0, width, height
    edges = np.array(found)
    left, top = np.maximum(edges[:, :2].min(axis=0) - margin, 0)
    right, bottom = np.minimum(edges[:, 2:].max(axis=0) + margin, (width, height))
    return int(left), int(top), int(right), int(bottom)


def _differing(frame: Frame, colour: Colour, threshold: int) -> Edges | None:
    """The box around all pixels with a premultiplied channel that differs by more than the threshold.

    The search goes from each edge inwards, and does not read the pixels inside the box.
    """

    def found(left: int, top: int, right: int, bottom: int) -> Edges | None:
        part = _differing_in(shallow(frame.crop((left, top, right, bottom))), colour, threshold)
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


def _differing_in(frame: Frame, colour: Colour, threshold: int) -> Edges | None:
    weight = colour.alpha / TOP
    ground = (*(round(level * weight) for level in colour[:3]), colour.alpha)
    shown = frame if frame.mode == "RGB" else frame.convert("RGB")
    if frame.mode == "RGBA" or not colour.is_opaque:
        weighted = frame.convert("RGBA").convert("RGBa")
        # The same bytes as a mode of plain channels, which Pillow can compare.
        shown = Image.frombuffer("RGBA", frame.size, weighted.tobytes(), "raw", "RGBA", 0, 1)
    distance = ImageChops.difference(shown, Image.new(shown.mode, frame.size, ground[: len(shown.mode)]))
    table = [TOP * (level > threshold) for level in range(TOP + 1)]
    return distance.point(table * len(shown.mode)).getbbox(alpha_only=False)


def _has_no_margin(*, margin: int) -> bool:
    return not margin


@operation(survey=_survey_trim, keeps_depth=always, is_scale_free=_has_no_margin)
def trim(
    frame: Frame,
    edges: Edges,
    *,
    threshold: Annotated[
        int, Field(ge=0, le=254, description="Largest difference of a channel from the colour, in levels.")
    ] = 10,
    colour: Annotated[
        ColourParameter | None, Field(description="Colour that is cut off; that of the top left pixel if not given.")
    ] = None,
    margin: Annotated[int, Field(ge=0, le=10_000, description="Pixels of that colour to keep on each side.")] = 0,
) -> Frame:
    """Cut off edges that have one colour or are transparent.

    All frames of an animation are cut alike.  A picture of one colour stays as it is.
    """
    return frame.crop(edges)
