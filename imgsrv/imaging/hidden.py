"""Colours that cannot be seen, before an operation that keeps alpha mixes them with those that can.

Premultiplying gives the mean of what is visible; that is right for a blur, which mixes alpha as well.  A median, the
difference of neighbours or a kernel whose weights add up to nothing need a colour in every place.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.arrays import Pixels, bands
from imgsrv.imaging.picture import Frame

OPAQUE = 255

LEAST_WEIGHT = 1e-3
"""Of neighbours, in opaque pixels; one of alpha 1 weighs four times as much."""

Floats = NDArray[np.float32]


def visible_colours(frame: Frame, reach: int) -> Frame:
    """The colours without alpha, hidden ones replaced by the mean of those that are seen around them.

    It is the frame laid over the premultiplied mean of the square that reaches `reach` pixels to each side, or of
    the whole frame where nothing is seen in that square.
    """
    if frame.mode != "RGBA":
        return frame
    if frame.getchannel("A").getextrema() == (OPAQUE, OPAQUE):
        return frame.convert("RGB")
    pixels = np.asarray(frame)
    height, width = pixels.shape[:2]
    everywhere = _visible_mean(pixels)
    result = np.empty((height, width, 3), np.uint8)
    for rows in bands(height, width):
        top = max(0, rows.start - reach)
        laid = _laid_over_neighbours(pixels[top : rows.stop + reach], reach, everywhere)
        result[rows] = laid[rows.start - top : rows.stop - top]
    return Image.fromarray(result)


def _visible_mean(pixels: Pixels) -> Floats:
    """The mean colour of what can be seen, (3,); black if that is nothing."""
    total = np.zeros(4)
    for rows in bands(*pixels.shape[:2]):
        total += _weighted(pixels[rows]).sum(axis=(0, 1), dtype=np.float64)
    return np.asarray(total[:3] / max(total[3], LEAST_WEIGHT), np.float32)


def _laid_over_neighbours(pixels: Pixels, reach: int, otherwise: Floats) -> Pixels:
    weighted = _weighted(pixels)
    # Nothing lies outside of the picture, and nothing weighs nothing.
    around = cv2.boxFilter(weighted, -1, (2 * reach + 1,) * 2, normalize=False, borderType=cv2.BORDER_CONSTANT)
    weight = around[..., 3:]
    mean = np.where(weight > LEAST_WEIGHT, around[..., :3] / np.maximum(weight, LEAST_WEIGHT), otherwise)
    laid = weighted[..., :3] + (1 - weighted[..., 3:]) * mean
    return np.asarray(np.rint(laid).clip(0, 255), np.uint8)


def _weighted(pixels: Pixels) -> Floats:
    """Colours from 0 to 255 weighted by alpha, and alpha from 0 to 1, (H, W, 4)."""
    weighted = pixels.astype(np.float32)
    weighted[..., 3] /= OPAQUE
    weighted[..., :3] *= weighted[..., 3:]
    return weighted
