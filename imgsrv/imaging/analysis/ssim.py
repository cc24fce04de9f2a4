"""Structural similarity of two pictures, after Wang, Bovik, Sheikh and Simoncelli (IEEE TIP 13(4), 2004)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.composite import flatten

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, in pixels."""

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

MIDDLE_GREY = Colour(128, 128, 128)
"""Background on which transparent pictures are compared."""

Luma = NDArray[np.float32]


def luma(frame: Frame) -> Luma:
    """(H, W): the luma of a frame."""
    if frame.mode in ("RGBA", "PA", "LA", "P"):
        frame = flatten(frame.convert("RGBA"), MIDDLE_GREY)
    return np.asarray(frame.convert("L"), np.float32)


def ssim(one: Luma, other: Luma) -> float:
    """The mean similarity over all windows inside the pictures; 1 for equal pictures.

    Both arrays have the same shape.  For pictures smaller than a window it is the mean over all pixels.
    """
    means = _blurred(one), _blurred(other)
    products = means[0] * means[1]
    squares = means[0] * means[0], means[1] * means[1]
    variances = _blurred(one * one) - squares[0], _blurred(other * other) - squares[1]
    covariance = _blurred(one * other) - products
    similarity = ((2 * products + C1) * (2 * covariance + C2)) / (
        (squares[0] + squares[1] + C1) * (variances[0] + variances[1] + C2)
    )
    edge = WINDOW // 2
    height, width = similarity.shape
    inside = similarity[edge : height - edge, edge : width - edge] if min(height, width) > 2 * edge else similarity
    return float(inside.mean(dtype=np.float64))


def _blurred(values: Luma) -> Luma:
    return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT), np.float32)
