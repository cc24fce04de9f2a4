"""Operations that move pixels: size, shape and direction."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.arrays import Pixels, premultiplied
from imgsrv.imaging.canvas import mode_with
from imgsrv.imaging.limits import Size
from imgsrv.imaging.parameters import TRANSPARENT, ColourParameter
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.registry import operation

MAX_TURNED_SIDE = 32_766
"""OpenCV counts the pixels of a side in 16 bits while it turns by any angle."""

QUARTER_TURN, HALF_TURN, FULL_TURN = 90, 180, 360


def _rotated_size(before: Size, arguments: Any) -> Size:
    degrees = arguments.degrees % FULL_TURN
    if degrees % HALF_TURN == 0:
        return before
    if degrees % QUARTER_TURN == 0:
        return before[1], before[0]
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    width, height = before
    after = math.ceil(width * cosine + height * sine - 1e-6), math.ceil(width * sine + height * cosine - 1e-6)
    if max(*before, *after) > MAX_TURNED_SIDE:
        reason = (
            f"turning {width}×{height} by {arguments.degrees:g} degrees makes {after[0]}×{after[1]}, and no side may "
            f"be longer than {MAX_TURNED_SIDE} pixels before or after; only multiples of 90 degrees have no such limit"
        )
        raise OperationDoesNotFit("rotate", reason)
    return after


_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@operation(size=_rotated_size)
def rotate(
    frame: Frame,
    *,
    degrees: Annotated[float, Field(ge=-360, le=360, description="Angle, clockwise.")],
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
    mode = mode_with(frame, background)
    size = _rotated_size(frame.size, _Turn(degrees))
    # Negative: OpenCV counts angles counter-clockwise.
    centre = ((frame.width - 1) / 2, (frame.height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, -degrees, 1.0), np.float64)
    matrix[:, 2] += np.subtract(size, frame.size, dtype=np.float64) / 2
    weighted = np.array(background, np.float64)
    weighted[:3] *= background.alpha / 255

    def turned(pixels: Pixels) -> Pixels:
        return cv2.warpAffine(  # type: ignore[return-value]  # OpenCV types every array as a union
            pixels,
            matrix,
            size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=tuple(weighted[: pixels.shape[2]]),
        )

    return premultiplied(frame.convert(mode), turned)


class _Turn:
    """What `_rotated_size` reads of the arguments of rotate."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


@operation()
def flip(frame: Frame) -> Frame:
    """Mirror top to bottom."""
    return frame.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@operation()
def flop(frame: Frame) -> Frame:
    """Mirror left to right."""
    return frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
