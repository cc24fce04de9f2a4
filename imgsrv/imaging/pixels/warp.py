"""Moving pixels to places between pixels: by any affine or perspective matrix, bicubically."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.canvas import mode_with
from imgsrv.imaging.pixels.strips import Pixels, premultiplied

MAX_WARPED_SIDE = 32_766
"""OpenCV counts the pixels of a side in 16 bits while it moves them."""

Matrix = NDArray[np.float64]


def warp_affine(frame: Frame, matrix: Matrix, size: Size, background: Colour) -> Frame:
    """The frame with pixel p at `matrix × p`, on a canvas of `size`; alpha is premultiplied for the while.

    matrix: (2, 2), about the middles of the frame and of the canvas.
    """
    middle, target = (np.subtract(sides, 1) / 2 for sides in (frame.size, size))
    moved = np.column_stack([matrix, target - matrix @ middle])
    mode = mode_with(frame, background)

    def warped(pixels: Pixels) -> Pixels:
        result = cv2.warpAffine(
            pixels,
            moved,
            size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_weighted(background)[: pixels.shape[2]],
        )
        return np.asarray(result, np.uint8)

    return premultiplied(frame, warped, mode)


def warp_perspective(frame: Frame, matrix: Matrix, size: Size) -> Frame:
    """The frame through a (3, 3) matrix between positions of pixels; beyond its edges it is continued."""

    def warped(pixels: Pixels) -> Pixels:
        result = cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(result, np.uint8)

    return premultiplied(frame, warped)


def _weighted(colour: Colour) -> tuple[float, ...]:
    """The colour premultiplied."""
    weight = colour.alpha / 255
    return colour.red * weight, colour.green * weight, colour.blue * weight, float(colour.alpha)
