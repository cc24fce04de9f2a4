"""Operations that turn, mirror and slant."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.number_lists import CornersParameter, Curve
from imgsrv.imaging.model.parameter_types import TRANSPARENT, ColourParameter, Side
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.orientation import SIDEWAYS, upright
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.warp import MAX_WARPED_SIDE, Matrix, warp_affine, warp_perspective

QUARTER_TURN, HALF_TURN, FULL_TURN = 90, 180, 360

Degrees = Annotated[float, Field(ge=-360, le=360)]
Slant = Annotated[float, Field(ge=-80, le=80, examples=[15])]

LEAST_DETERMINANT = 0.05
"""Of a shear: below it nearly nothing is left of the picture's area."""

_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def _check_warp(name: str, before: Size, after: Size) -> Size:
    """The size after; raises OperationDoesNotFit for sides that are too long to be moved by fractions of pixels."""
    if max(*before, *after) > MAX_WARPED_SIDE:
        reason = (
            f"it makes {after[0]}×{after[1]} of {before[0]}×{before[1]}, and no side may be longer than "
            f"{MAX_WARPED_SIDE} pixels before or after; only rotate by multiples of 90 degrees has no such limit"
        )
        raise OperationDoesNotFit(name, reason)
    return after


def _bounds(before: Size, matrix: Matrix) -> Size:
    """The canvas that holds the whole picture after the matrix."""
    width, height = np.abs(matrix) @ before
    return math.ceil(width - 1e-6), math.ceil(height - 1e-6)


def _rotation(degrees: float) -> Matrix:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _rotated_size(before: Size, arguments: Any) -> Size:
    degrees = arguments.degrees % FULL_TURN
    if degrees % QUARTER_TURN == 0:
        return before if degrees % HALF_TURN == 0 else before[::-1]
    return _check_warp("rotate", before, _bounds(before, _rotation(degrees)))


@operation(size=_rotated_size, keeps_depth=lambda given: given.degrees % QUARTER_TURN == 0)
def rotate(
    frame: Frame,
    *,
    degrees: Annotated[Degrees, Field(description="Angle, clockwise.")],
    background: Annotated[ColourParameter, Field(description="Colour of the corners that open.")] = TRANSPARENT,
) -> Frame:
    """Turn clockwise by any angle; the canvas grows so that nothing is cut off.

    Quarter turns move pixels exactly; other angles are sampled bicubically with premultiplied alpha.
    """
    turn = degrees % FULL_TURN
    if turn == 0:
        return frame
    if turn in _QUARTERS:
        return frame.transpose(_QUARTERS[int(turn)])
    matrix = _rotation(turn)
    return warp_affine(frame, matrix, _bounds(frame.size, matrix), background)


@operation(keeps_depth=lambda _arguments: True)
def flip(frame: Frame) -> Frame:
    """Mirror top to bottom."""
    return frame.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@operation(keeps_depth=lambda _arguments: True)
def flop(frame: Frame) -> Frame:
    """Mirror left to right."""
    return frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


@operation(
    size=lambda before, arguments: before[::-1] if arguments.value in SIDEWAYS else before,
    keeps_depth=lambda _arguments: True,
)
def orient(
    frame: Frame,
    *,
    value: Annotated[
        int, Field(ge=1, le=8, description="1 changes nothing, 3 turns round, 6 and 8 turn by 90 degrees.")
    ],
) -> Frame:
    """Turn and mirror as the EXIF orientation of that number asks for.

    What a picture's own EXIF says is done when it is decoded; this is for pictures that have lost theirs.
    """
    return upright(frame, value)


def _slanted(x: float, y: float) -> Matrix:
    return np.array([[1, math.tan(math.radians(x))], [math.tan(math.radians(y)), 1]])


def _check_shear(arguments: Any) -> None:
    if arguments.x == arguments.y == 0:
        raise ValueError("x or y is needed; give one of them or both")
    if abs(np.linalg.det(_slanted(arguments.x, arguments.y))) < LEAST_DETERMINANT:
        raise ValueError(f"x={arguments.x:g} and y={arguments.y:g} together flatten the picture to a line")


@operation(
    size=lambda before, given: _check_warp("shear", before, _bounds(before, _slanted(given.x, given.y))),
    check=_check_shear,
)
def shear(
    frame: Frame,
    *,
    x: Annotated[Slant, Field(description="How far upright lines lean to the left at their top, in degrees.")] = 0.0,
    y: Annotated[Slant, Field(description="How far level lines fall to the right, in degrees.")] = 0.0,
    background: Annotated[ColourParameter, Field(description="Colour of the corners that open.")] = TRANSPARENT,
) -> Frame:
    """Slant to a parallelogram: `x + y × tan(x°), y + x × tan(y°)`; the canvas grows so that nothing is cut off.

    Sampled bicubically with premultiplied alpha.
    """
    matrix = _slanted(x, y)
    return warp_affine(frame, matrix, _bounds(frame.size, matrix), background)


def _own_size(before: Size, corners: Curve) -> tuple[float, float]:
    """The longer of two opposite sides of the part, in pixels of the picture."""
    points = np.multiply(corners.points, before)
    top, right, bottom, left = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    return max(top, bottom), max(left, right)


def _straightened_size(before: Size, arguments: Any) -> Size:
    """What is given; a side that is not keeps the proportions of the part."""
    own = _own_size(before, arguments.corners)
    across, down = arguments.width, arguments.height
    if across is None:
        across = max(1, round(own[0] * (down / own[1] if down else 1)))
    if down is None:
        down = max(1, round(own[1] * (arguments.width / own[0] if arguments.width else 1)))
    return _check_warp("perspective", before, (across, down))


def _sampled_size(before: Size, corners: Curve, after: Size) -> Size:
    """The size at which each pixel of the part is looked at, where `after` is smaller than the part itself."""
    own = _own_size(before, corners)
    if after[0] >= round(own[0]) and after[1] >= round(own[1]):
        return after
    # A thin part from corner to corner is longer on all sides than it is large.
    shrink = min(1.0, math.sqrt(before[0] * before[1] / (own[0] * own[1])), MAX_WARPED_SIDE / max(own))
    return max(1, round(own[0] * shrink)), max(1, round(own[1] * shrink))


@operation(size=_straightened_size)
def perspective(
    frame: Frame,
    *,
    corners: Annotated[
        CornersParameter, Field(description="Where the corners of the part are, as fractions of width and height.")
    ],
    width: Annotated[
        Side | None, Field(description="Width of the result; as wide as the part if neither is given.")
    ] = None,
    height: Annotated[
        Side | None, Field(description="Height of the result; one side alone keeps the part's proportions.")
    ] = None,
) -> Frame:
    """Make a part with four corners a rectangle: a page or a screen that was photographed from the side.

    Corners are top left, top right, bottom right, bottom left.  Sampled bicubically with premultiplied alpha.
    """
    size = _straightened_size(frame.size, _Straightening(corners, width, height))
    sampled = _sampled_size(frame.size, corners, size)
    # The edges of pixels lie half a pixel beside their middles.
    part = np.multiply(corners.points, frame.size) - 0.5
    target = np.multiply([(0, 0), (1, 0), (1, 1), (0, 1)], sampled) - 0.5
    matrix = cv2.getPerspectiveTransform(part.astype(np.float32), target.astype(np.float32))
    return resample(warp_perspective(frame, np.asarray(matrix, np.float64), sampled), size, kernel="bicubic")


class _Straightening:
    """What `_straightened_size` reads of the arguments of perspective."""

    def __init__(self, corners: Any, width: int | None, height: int | None) -> None:
        self.corners, self.width, self.height = corners, width, height
