"""Operations that blur and sharpen."""

from __future__ import annotations

import math
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imgsrv.imaging.arrays import Pixels, premultiplied, through_array
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.registry import operation

SHRUNK_SIGMA = 4.0
"""A Gaussian of so many times this width can be applied to a picture shrunk by as much."""

HALF_SIGMA = 4.0
"""A Gaussian at least this wide can be applied at half the size: 50 dB of itself for noise, 56 for photographs."""

EXACT_HALF_SIGMA = 6.0
"""The same where differences to the blur are made larger: 54 dB for noise and for hard edges."""

Sigma = Annotated[float, Field(ge=0.3, le=100)]
"""Standard deviation of a Gaussian in pixels; below 0.3 it changes nothing that 8 bits can show."""


BoxRadius = Annotated[int, Field(ge=1, le=500)]


def _sigma_or_radius(arguments: Any) -> None:
    if (arguments.sigma is None) == (arguments.radius is None):
        raise ValueError("give sigma for a Gaussian or radius for a box")


@operation(check=_sigma_or_radius)
def blur(
    frame: Frame,
    *,
    sigma: Annotated[Sigma | None, Field(description="Standard deviation of the Gaussian, in pixels.")] = None,
    radius: Annotated[
        BoxRadius | None, Field(description="Instead: the mean of a square that reaches so many pixels each way.")
    ] = None,
) -> Frame:
    """Blur with a Gaussian, or with a box; edges are continued, alpha is premultiplied."""
    if sigma is not None:
        return _soft(frame, sigma, HALF_SIGMA)
    side = 2 * (radius or 0) + 1
    return premultiplied(
        frame, lambda pixels: np.asarray(cv2.blur(pixels, (side, side), borderType=cv2.BORDER_REPLICATE), np.uint8)
    )


@operation()
def motionblur(
    frame: Frame,
    *,
    length: Annotated[int, Field(ge=2, le=200, description="How far everything moved, in pixels.", examples=[20])],
    angle: Annotated[
        float, Field(ge=-360, le=360, description="Direction, clockwise: 0 along rows, 90 along columns.")
    ] = 0,
) -> Frame:
    """Blur along a line, as if the camera had moved.

    The mean of `length` points one pixel apart on a line through the pixel, each read with bilinear
    interpolation.  Edges are continued, alpha is premultiplied.
    """
    kernel = _line(length, math.radians(angle))

    def moved(pixels: Pixels) -> Pixels:
        return np.asarray(cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)

    return premultiplied(frame, moved)


def _line(length: int, angle: float) -> NDArray[np.float64]:
    """The weights of a line's points, each shared out to four neighbours, in the least odd rectangle for them."""
    along = np.arange(length) - (length - 1) / 2
    # Without the rounding, a line along rows would reach 1e-15 into the next ones.
    x, y = (np.round(along * part, 9) for part in (math.cos(angle), math.sin(angle)))
    half_width, half_height = (int(np.ceil(np.abs(part).max())) for part in (x, y))
    # One more row and column for neighbours of weight 0.
    kernel = np.zeros((2 * half_height + 2, 2 * half_width + 2))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for below in (0, 1):
            weight = (1 - np.abs(x - left - right)) * (1 - np.abs(y - top - below))
            np.add.at(kernel, (top + half_height + below, left + half_width + right), weight / length)
    return kernel[:-1, :-1]


Amount = Annotated[float, Field(ge=0, le=10, description="1 doubles local contrast.")]


@operation()
def sharpen(
    frame: Frame,
    *,
    amount: Amount = 1.0,
    sigma: Annotated[Sigma, Field(description="Size of the details to bring out, in pixels.")] = 1.0,
) -> Frame:
    """Sharpen by adding back what a blur removes: `out = in + amount × (in − blur(in, sigma))`.

    Alpha is kept unchanged; the blur is premultiplied, so that hidden colours do not come out.
    """
    return _sharpened(frame, amount, sigma, 0)


@operation()
def unsharp(
    frame: Frame,
    *,
    amount: Amount = 1.0,
    radius: Annotated[Sigma, Field(description="Standard deviation of the blur, in pixels.")] = 2.0,
    threshold: Annotated[
        int, Field(ge=0, le=255, description="Differences up to so many levels stay as they are.")
    ] = 3,
) -> Frame:
    """Sharpen as `sharpen` does, but only where the blur changes more than `threshold` levels, so that noise stays.

    The unsharp mask of Pillow and of image editors: `out = in + amount × (in − blur(in, radius))` where
    `|in − blur| > threshold`, for each channel, else `in`.  Alpha is kept unchanged.
    """
    return _sharpened(frame, amount, radius, threshold)


def _sharpened(frame: Frame, amount: float, sigma: float, threshold: int) -> Frame:
    blurred = np.asarray(_soft(frame, sigma, EXACT_HALF_SIGMA))

    def sharpened(pixels: Pixels) -> Pixels:
        result = np.asarray(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0), np.uint8)
        if threshold:
            _, is_small = cv2.threshold(cv2.absdiff(pixels, blurred), threshold, 255, cv2.THRESH_BINARY_INV)
            cv2.copyTo(pixels, is_small, result)
        if frame.mode == "RGBA":
            result[..., 3] = pixels[..., 3]
        return result

    return through_array(frame, sharpened)


def _soft(frame: Frame, sigma: float, half_from: float) -> Frame:
    """The frame blurred, from a width on at half its size or less."""
    return premultiplied(frame, lambda pixels: _gaussian(pixels, sigma, half_from))


def _gaussian(pixels: Pixels, sigma: float, half_from: float) -> Pixels:
    """The pixels blurred; a wide Gaussian is applied to a smaller picture, as precise at a cost that does not grow."""
    if sigma < half_from:
        return _blurred(pixels, sigma)
    factor = max(2, int(sigma / SHRUNK_SIGMA))
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
