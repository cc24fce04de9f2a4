"""Operations that rotate, mirror and shear."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.number_lists import CornersParameter, Curve
from imgsrv.imaging.model.parameter_types import TRANSPARENT, Colour, ColourParameter, Side
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.orientation import SIDEWAYS, upright
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.warp import MAX_WARPED_SIDE, Transform, warp_affine, warp_perspective

QUARTER_TURN, HALF_TURN, FULL_TURN = 90, 180, 360

Degrees = Annotated[float, Field(ge=-360, le=360)]
Slant = Annotated[float, Field(ge=-80, le=80, examples=[15])]

LEAST_DETERMINANT = 0.05
"""Least area that a shear may leave, as a fraction of the picture's."""

_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def _check_warp(name: str, before: Size, after: Size) -> Size:
    """The size `after`.  Raises OperationDoesNotFit for sides that are too long for OpenCV's warps."""
    if max(*before, *after) > MAX_WARPED_SIDE:
        reason = (
            f"it makes {after[0]}×{after[1]} of {before[0]}×{before[1]}, and no side may be longer than "
            f"{MAX_WARPED_SIDE} pixels before or after; only rotate by multiples of 90 degrees has no such limit"
        )
        raise OperationDoesNotFit(name, reason)
    return after


def _bounds(before: Size, matrix: Transform) -> Size:
    """The size of the canvas that holds the whole transformed picture."""
    width, height = np.abs(matrix) @ before
    return math.ceil(width - 1e-6), math.ceil(height - 1e-6)


def _rotation(degrees: float) -> Transform:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def _is_exact(*, degrees: float) -> bool:
    return degrees % QUARTER_TURN == 0


def _rotated_size(before: Size, *, degrees: float) -> Size:
    if _is_exact(degrees=degrees):
        return before if degrees % HALF_TURN == 0 else before[::-1]
    return _check_warp("rotate", before, _bounds(before, _rotation(degrees % FULL_TURN)))


def _rotate_work(before: Size, after: Size, *, degrees: float) -> float:
    return pixels(before) * 0.2 if _is_exact(degrees=degrees) else pixels(after)


def _rotate_adds_alpha(*, degrees: float, background: Colour) -> bool:
    return not background.is_opaque and not _is_exact(degrees=degrees)


@operation(
    size=_rotated_size, keeps_depth=always, work=_rotate_work, adds_alpha=_rotate_adds_alpha, is_scale_free=_is_exact
)
def rotate(
    frame: Frame,
    *,
    degrees: Annotated[Degrees, Field(description="Angle, clockwise.")],
    background: Annotated[
        ColourParameter, Field(description="Colour of the corners outside the picture.")
    ] = TRANSPARENT,
) -> Frame:
    """Rotate clockwise by any angle; the canvas grows so that nothing is cut off.

    Quarter turns move pixels exactly.  Other angles are interpolated bicubically with premultiplied alpha.
    """
    turn = degrees % FULL_TURN
    if turn == 0:
        return frame
    if turn in _QUARTERS:
        return frame.transpose(_QUARTERS[int(turn)])
    matrix = _rotation(turn)
    return warp_affine(frame, matrix, _bounds(frame.size, matrix), background)


@operation(keeps_depth=always, is_scale_free=always)
def flip(frame: Frame) -> Frame:
    """Mirror top to bottom."""
    return frame.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@operation(keeps_depth=always, is_scale_free=always)
def flop(frame: Frame) -> Frame:
    """Mirror left to right."""
    return frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _upright_size(before: Size, *, value: int) -> Size:
    return before[::-1] if value in SIDEWAYS else before


@operation(size=_upright_size, keeps_depth=always, is_scale_free=always)
def orient(
    frame: Frame,
    *,
    value: Annotated[
        int, Field(ge=1, le=8, description="EXIF orientation: 1 is upright, 3 turns by 180 degrees, 6 and 8 by 90.")
    ],
) -> Frame:
    """Rotate and mirror a picture as an EXIF orientation asks for.

    The orientation in a picture's own EXIF is applied when it is decoded; this is for pictures that have lost it.
    """
    return upright(frame, value)


def _sheared(x: float, y: float) -> Transform:
    return np.array([[1, math.tan(math.radians(x))], [math.tan(math.radians(y)), 1]])


def _check_shear(*, x: float, y: float) -> None:
    if x == y == 0:
        raise ValueError("x or y is needed; give one of them or both")
    if abs(np.linalg.det(_sheared(x, y))) < LEAST_DETERMINANT:
        raise ValueError(f"x={x:g} and y={y:g} together flatten the picture to a line")


def _sheared_size(before: Size, *, x: float, y: float) -> Size:
    return _check_warp("shear", before, _bounds(before, _sheared(x, y)))


def _shear_adds_alpha(*, background: Colour) -> bool:
    return not background.is_opaque


@operation(size=_sheared_size, check=_check_shear, keeps_depth=always, adds_alpha=_shear_adds_alpha)
def shear(
    frame: Frame,
    *,
    x: Annotated[
        Slant, Field(description="Angle by which vertical lines lean to the left at their top, in degrees.")
    ] = 0.0,
    y: Annotated[Slant, Field(description="Angle by which horizontal lines fall to the right, in degrees.")] = 0.0,
    background: Annotated[
        ColourParameter, Field(description="Colour of the corners outside the picture.")
    ] = TRANSPARENT,
) -> Frame:
    """Shear into a parallelogram; the canvas grows so that nothing is cut off.

    A pixel at (x, y) moves to `x + y × tan(x°), y + x × tan(y°)`, interpolated bicubically with premultiplied alpha.
    """
    matrix = _sheared(x, y)
    return warp_affine(frame, matrix, _bounds(frame.size, matrix), background)


def _own_size(before: Size, corners: Curve) -> tuple[float, float]:
    """Width and height of the part: of two opposite sides the longer one, in pixels of the picture."""
    points = np.multiply(corners.points, before)
    top, right, bottom, left = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    return max(top, bottom), max(left, right)


def _straightened_size(before: Size, *, corners: Curve, width: int | None, height: int | None) -> Size:
    """The given size; a side that is not given keeps the proportions of the part."""
    own = _own_size(before, corners)
    across, down = width, height
    if across is None:
        across = max(1, round(own[0] * (down / own[1] if down else 1)))
    if down is None:
        down = max(1, round(own[1] * (width / own[0] if width else 1)))
    return _check_warp("perspective", before, (across, down))


def _sampled_size(before: Size, corners: Curve, after: Size) -> Size:
    """The size to warp to: that of the part where `after` is smaller, so that no pixel is skipped."""
    own = _own_size(before, corners)
    if after[0] >= round(own[0]) and after[1] >= round(own[1]):
        return after
    # The sides of a thin diagonal part span more pixels than the part has; it takes no more than the picture.
    shrink = min(1.0, math.sqrt(before[0] * before[1] / (own[0] * own[1])), MAX_WARPED_SIDE / max(own))
    return max(1, round(own[0] * shrink)), max(1, round(own[1] * shrink))


def _perspective_work(before: Size, after: Size, *, corners: Curve) -> float:
    return pixels(before) * 0.1 + pixels(_sampled_size(before, corners, after)) + pixels(after)


@operation(size=_straightened_size, keeps_depth=always, work=_perspective_work)
def perspective(
    frame: Frame,
    *,
    corners: Annotated[
        CornersParameter, Field(description="Corners of the part, as fractions of the picture's width and height.")
    ],
    width: Annotated[
        Side | None, Field(description="Width of the result; that of the part if neither side is given.")
    ] = None,
    height: Annotated[
        Side | None, Field(description="Height of the result; with one side given, the other follows in proportion.")
    ] = None,
) -> Frame:
    """Straighten a part with four corners into a rectangle, such as a page photographed from the side.

    The corners go from top left to top right, bottom right and bottom left.  Pixels are interpolated bicubically with
    premultiplied alpha.
    """
    size = _straightened_size(frame.size, corners=corners, width=width, height=height)
    sampled = _sampled_size(frame.size, corners, size)
    # The corners are given between pixels; OpenCV counts from the middles of pixels, half a pixel further.
    part = np.multiply(corners.points, frame.size) - 0.5
    target = np.multiply([(0, 0), (1, 0), (1, 1), (0, 1)], sampled) - 0.5
    matrix = cv2.getPerspectiveTransform(part.astype(np.float32), target.astype(np.float32))
    return resample(warp_perspective(frame, np.asarray(matrix, np.float64), sampled), size, kernel="bicubic")
