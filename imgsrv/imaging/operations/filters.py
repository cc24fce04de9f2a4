"""Operations that mix each pixel with its neighbours."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from imgsrv.imaging.arrays import Pixels, beside_alpha, premultiplied, through_array
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.registry import operation

Sigma = Annotated[float, Field(ge=0.3, le=100)]
"""Standard deviation of a Gaussian in pixels; below 0.3 it changes nothing that 8 bits can show."""


def _gaussian(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


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

    Alpha is kept unchanged.
    """

    def sharpened(pixels: Pixels) -> Pixels:
        blurred = _gaussian(pixels, sigma)
        return np.asarray(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0), np.uint8)

    return beside_alpha(frame, lambda colours: through_array(colours, sharpened))
