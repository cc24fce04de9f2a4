"""Operations that cover parts of a picture: redacted boxes, and a gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from imgsrv.errors import NoFaceFound, OperationDoesNotFit
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import BLACK, OPAQUE, TRANSPARENT, Colour, ColourParameter, Unit
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.operations.detail.filters import blur
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.composite import composite
from imgsrv.imaging.pixels.faces import PixelBox, face_boxes, looks, pixels_looked_at
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.strips import through_rows
from imgsrv.imaging.pixels.working_frame import Pixels, blank, frame_of, steps_of

DARK = Colour(0, 0, 0, 192)
"""Dark enough as a background of white letters."""

MOST_BOXES = 100

BOX_NUMBERS = 4

CELLS = 6
"""Cells along the shorter side of a pixelated box: too few to recognise a face or a letter."""

BLUR_SHARE = 0.25
"""Standard deviation of the blur of a box, as a fraction of its shorter side."""

ONE_BOX = "[0-9]{1,5};[0-9]{1,5};[1-9][0-9]{0,4};[1-9][0-9]{0,4}"

Mode = Literal["fill", "blur", "pixelate"]


def _parse_boxes(text: Any) -> tuple[PixelBox, ...]:
    if not isinstance(text, str):
        return text  # type: ignore[no-any-return]  # parsed already
    allowed = f"left;top;width;height in whole pixels, for at most {MOST_BOXES} boxes one after another"
    try:
        numbers = [int(word) for word in text.split(";")]
    except ValueError as error:
        raise ValueError(allowed) from error
    boxes = tuple(zip(*[iter(numbers)] * BOX_NUMBERS, strict=False))
    is_whole = len(numbers) == BOX_NUMBERS * len(boxes) and 1 <= len(boxes) <= MOST_BOXES
    if not is_whole or min(numbers) < 0 or any(min(box[2:]) < 1 for box in boxes):
        raise ValueError(allowed)
    return boxes


def _print_boxes(boxes: tuple[PixelBox, ...]) -> str:
    return ";".join(str(number) for box in boxes for number in box)


Boxes = Annotated[
    tuple[PixelBox, ...],
    BeforeValidator(_parse_boxes),
    PlainSerializer(_print_boxes, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "format": "boxes",
            "pattern": f"^{ONE_BOX}(;{ONE_BOX})*$",
            "examples": ["10;20;100;50"],
        }
    ),
]


def _check_redact(*, boxes: tuple[PixelBox, ...] | None, faces: bool, required: bool) -> None:
    if boxes is None and not faces:
        raise ValueError("boxes or faces=true is needed; give one or both of them")
    if required and not faces:
        raise ValueError("required=true asks for a face, and faces=true looks for one; give both, or none of them")


def _boxes_inside(before: Size, *, boxes: tuple[PixelBox, ...] | None) -> Size:
    for left, top, width, height in boxes or ():
        if left + width > before[0] or top + height > before[1]:
            reason = (
                f"the box {width}×{height} at left={left}, top={top} does not lie inside the picture of "
                f"{before[0]}×{before[1]}"
            )
            raise OperationDoesNotFit("redact", reason)
    return before


FILL_WORK, PIXELATE_WORK = 0.1, 0.3
"""Work of a pixel of a box, where a pixel of a blurred box is 1."""


FACES = 10_000_000
"""Work of one look for faces, which takes the same time in every picture: 14 to 35 ms."""


def _redact_work(before: Size, _after: Size, *, boxes: tuple[PixelBox, ...] | None, mode: Mode, faces: bool) -> float:
    """The boxes, of which those of faces may cover the whole picture, and the looks of the detector."""
    for_each = {"fill": FILL_WORK, "blur": 1, "pixelate": PIXELATE_WORK}[mode]
    area = sum(width * height for _left, _top, width, height in boxes or ())
    found = for_each * pixels(before) + FACES * looks(before) + pixels_looked_at(before) if faces else 0
    return pixels(before) * FILL_WORK + for_each * area + found


def _survey_redact(
    frames: Sequence[Frame], _source: Source, *, faces: bool, margin: float, required: bool
) -> tuple[PixelBox, ...]:
    """The boxes of the faces of all frames."""
    found = face_boxes(frames, margin) if faces else ()
    if required and not found:
        raise NoFaceFound("redact")
    return found


@operation(
    size=_boxes_inside,
    check=_check_redact,
    survey=_survey_redact,
    keeps_depth=always,
    work=_redact_work,
    weighed_with="boxes=0;0;600;600,mode=blur",
)
def redact(
    frame: Frame,
    found: tuple[PixelBox, ...],
    *,
    boxes: Annotated[
        Boxes | None, Field(description="Boxes to redact, each left;top;width;height in pixels, separated by ;.")
    ] = None,
    mode: Annotated[Mode, Field(description="How to redact; only `fill` certainly leaves nothing.")] = "fill",
    colour: Annotated[ColourParameter, Field(description="Colour of `fill`; its alpha is ignored.")] = BLACK,
    faces: Annotated[bool, Field(description="Redact every face that is found.")] = False,
    margin: Annotated[
        Unit, Field(description="How far beyond a face its box reaches at each side, as a fraction of the face.")
    ] = 0.3,
    required: Annotated[
        bool, Field(description="Refuse a picture in which no face is found, in place of leaving it as it is.")
    ] = False,
) -> Frame:
    """Make boxes or faces unreadable: fill them with a colour, blur them beyond recognition, or pixelate them.

    With `faces=true` it covers what a detector takes for a face, in all frames of an animation wherever it is found in
    one.  A detector misses faces: those that are small, turned to the side, upside down or half covered.  Let somebody
    look at the result before it is published.
    """
    result = frame.convert("RGB") if frame.mode == "L" and mode == "fill" else frame.copy()
    for left, top, width, height in (*(boxes or ()), *found):
        result.paste(_unreadable(result, (left, top, width, height), mode, colour), (left, top))
    return result


def _unreadable(frame: Frame, box: PixelBox, mode: Mode, colour: Colour) -> Frame:
    """What covers a box of a frame."""
    left, top, width, height = box
    if mode == "fill":
        return blank(frame, frame.mode, (width, height), (*colour[:3], 255)[: len(frame.getbands())])
    part = frame.crop((left, top, left + width, top + height))
    if mode == "blur":
        return blur(part, sigma=min(100.0, max(2.0, min(width, height) * BLUR_SHARE)))
    cell = max(1.0, min(width, height) / CELLS)
    small = resample(part, (math.ceil(width / cell), math.ceil(height / cell)), kernel="box")
    return resample(small, part.size, kernel="nearest")


@operation(keeps_depth=always)
def gradient(
    frame: Frame,
    *,
    start: Annotated[ColourParameter, Field(description="Colour at the beginning.")] = TRANSPARENT,
    end: Annotated[ColourParameter, Field(description="Colour at the end.")] = DARK,
    angle: Annotated[
        float,
        Field(ge=-360, le=360, description="Direction, clockwise: 0 is from top to bottom, 90 from right to left."),
    ] = 0.0,
) -> Frame:
    """Put a linear gradient between two colours over the picture, from one edge to the other, premultiplied."""
    width, height = frame.size
    along_x, along_y = -math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * np.float32(along_x)
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) * np.float32(along_y)
    reach = (width * abs(along_x) + height * abs(along_y)) / 2
    # A table of all steps that the frame can show, instead of a colour for every pixel.
    ramp = _ramp(start, end, 255 * steps_of(frame))
    half = np.float32((len(ramp) - 1) / 2)

    def covered(strip: Frame, rows: slice) -> Frame:
        steps = np.rint((x[None, :] + y[rows, None]) * np.float32(half / reach) + half).clip(0, 2 * half)
        return composite(strip, frame_of(ramp[steps.astype(ramp.dtype)]))

    return through_rows(frame, covered)


def _ramp(start: Colour, end: Colour, most: int) -> Pixels:
    """(most + 1, 4): colours from one to the other, mixed with premultiplied alpha; `most` is white."""
    share = np.linspace(0, 1, most + 1)[:, None]
    first, last = np.array(start, np.float64), np.array(end, np.float64)
    alpha = first[3] * (1 - share) + last[3] * share
    weighted = first[:3] * first[3] * (1 - share) + last[:3] * last[3] * share
    colours = weighted / np.maximum(alpha, 1e-9)
    levels = np.hstack([colours, alpha]) * (most / 255)
    return np.asarray(np.rint(levels).clip(0, most), np.uint8 if most == OPAQUE else np.uint16)
