"""Affine and perspective transforms, interpolated bicubically with premultiplied alpha."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.canvas import mode_with
from imgsrv.imaging.pixels.strips import premultiplied
from imgsrv.imaging.pixels.working_frame import Pixels, steps_of

MAX_WARPED_SIDE = 32_766
"""OpenCV's warps count the pixels of a side in 16 bits."""

Transform = NDArray[np.float64]
"""(2, 2) for an affine transform, (3, 3) for a perspective one; it maps positions (x, y) in pixels."""


def warp_affine(frame: Frame, matrix: Transform, size: Size, background: Colour) -> Frame:
    """The frame with the pixel at p moved to `matrix × p`, on a canvas of `size`.

    matrix: (2, 2), relative to the middles of the frame and of the canvas.  background: what surrounds the frame.
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
            borderValue=[steps_of(pixels) * level for level in _weighted(background)[: pixels.shape[2]]],
        )
        return np.asarray(result, pixels.dtype)

    return premultiplied(frame, warped, mode)


def warp_perspective(frame: Frame, matrix: Transform, size: Size) -> Frame:
    """The frame transformed by a (3, 3) matrix to `size`; beyond its edges the outermost pixels are repeated."""

    def warped(pixels: Pixels) -> Pixels:
        result = cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(result, pixels.dtype)

    return premultiplied(frame, warped)


def _weighted(colour: Colour) -> tuple[float, ...]:
    """The colour premultiplied."""
    weight = colour.alpha / 255
    return colour.red * weight, colour.green * weight, colour.blue * weight, float(colour.alpha)
