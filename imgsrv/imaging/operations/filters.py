"""Operations that mix each pixel with its neighbours."""

from __future__ import annotations

import math
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from imgsrv.imaging.arrays import Pixels, premultiplied, through_array
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.registry import operation

SHRUNK_SIGMA = 4.0
"""A Gaussian at least this wide can be applied to a picture shrunk by a whole factor, with no difference to be seen."""

Sigma = Annotated[float, Field(ge=0.3, le=100)]
"""Standard deviation of a Gaussian in pixels; below 0.3 it changes nothing that 8 bits can show."""


@operation()
def blur(
    frame: Frame,
    *,
    sigma: Annotated[Sigma, Field(description="Standard deviation of the Gaussian, in pixels.")],
) -> Frame:
    """Blur with a Gaussian; edges are continued, alpha is premultiplied."""
    return premultiplied(frame, lambda pixels: _gaussian(pixels, sigma))


@operation()
def sharpen(
    frame: Frame,
    *,
    amount: Annotated[float, Field(ge=0, le=10, description="1 doubles local contrast.")] = 1.0,
    sigma: Annotated[Sigma, Field(description="Size of the details to bring out, in pixels.")] = 1.0,
) -> Frame:
    """Sharpen by adding back what a blur removes: `out = in + amount × (in − blur(in, sigma))`.

    Alpha is kept unchanged; the blur is premultiplied, so that hidden colours do not come out.
    """
    blurred = np.asarray(blur(frame, sigma=sigma))

    def sharpened(pixels: Pixels) -> Pixels:
        result = np.asarray(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0), np.uint8)
        if frame.mode == "RGBA":
            result[..., 3] = pixels[..., 3]
        return result

    return through_array(frame, sharpened)


def _gaussian(pixels: Pixels, sigma: float) -> Pixels:
    """The pixels blurred; a wide Gaussian is applied to a smaller picture, as precise at a cost that does not grow."""
    factor = int(sigma / SHRUNK_SIGMA)
    if factor < 2:  # noqa: PLR2004  a factor of 1 does not shrink
        return _blurred(pixels, sigma)
    height, width = pixels.shape[:2]
    # One cell of continued edge on each side, so that the edge of the small picture continues as this one's does.
    right, below = factor + -width % factor, factor + -height % factor
    padded = cv2.copyMakeBorder(pixels, factor, below, factor, right, cv2.BORDER_REPLICATE)
    size = padded.shape[1] // factor, padded.shape[0] // factor
    small = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
    # Variances add up: what shrinking (a box) and enlarging (a triangle) blur is left out of the Gaussian.
    rest = math.sqrt(sigma**2 - (factor**2 - 1) / 12 - factor**2 / 6) / factor
    large = cv2.resize(_blurred(np.asarray(small, np.uint8), rest), padded.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[factor : factor + height, factor : factor + width], np.uint8)


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)
