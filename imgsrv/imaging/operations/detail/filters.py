"""Operations that blur and sharpen."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.strips import (
    STRIP_PIXELS,
    assembled,
    is_large,
    premultiplied,
    through_rows,
    through_strips,
    unweighted,
    weighted,
)
from imgsrv.imaging.pixels.working_frame import Pixels, frame_of, steps_of

SHRUNK_SIGMA = 4.0
"""A Gaussian of n times this sigma is applied to a picture shrunk by n."""

HALF_SIGMA = 4.0
"""From this sigma on a Gaussian is applied at half size: at 50 dB of the exact one for noise, 56 for photographs."""

EXACT_HALF_SIGMA = 6.0
"""The same for sharpening, which amplifies the error: 54 dB for noise and for hard edges."""

Sigma = Annotated[float, Field(ge=0.3, le=100)]
"""Standard deviation of a Gaussian in pixels; below 0.3 it changes nothing that 8 bits can show."""


BoxRadius = Annotated[int, Field(ge=1, le=500)]


def _sigma_or_radius(*, sigma: float | None, radius: int | None) -> None:
    if (sigma is None) == (radius is None):
        raise ValueError("give sigma for a Gaussian or radius for a box")


def _blur_work(before: Size, _after: Size, *, radius: int | None) -> float:
    # A wide box needs longer sums, and repeats more rows for each strip.
    return pixels(before) * (1 + (radius or 0) / 250)


@operation(check=_sigma_or_radius, keeps_depth=always, work=_blur_work, weighed_with="sigma=3.9")
def blur(
    frame: Frame,
    *,
    sigma: Annotated[Sigma | None, Field(description="Standard deviation of the Gaussian, in pixels.")] = None,
    radius: Annotated[BoxRadius | None, Field(description="Radius of a box blur in pixels, instead of sigma.")] = None,
) -> Frame:
    """Blur with a Gaussian or with a box; edge pixels are repeated, alpha is premultiplied."""
    if sigma is not None:
        return _soft(frame, sigma, HALF_SIGMA)
    reach = radius or 0
    side = 2 * reach + 1

    def mean(pixels: Pixels) -> Pixels:
        return np.asarray(cv2.blur(pixels, (side, side), borderType=cv2.BORDER_REPLICATE), pixels.dtype)

    return through_strips(frame, lambda strip: premultiplied(strip, mean), reach)


DIRECT_LENGTH = 11
"""Longest movement that OpenCV computes without Fourier transforms."""


def _motion_work(before: Size, _after: Size, *, length: int) -> float:
    # Beyond that length OpenCV uses Fourier transforms, with tiles that grow with the kernel.
    return pixels(before) * (1 if length <= DIRECT_LENGTH else 2 + length / 4)


@operation(keeps_depth=always, work=_motion_work, weighed_with="length=100")
def motionblur(
    frame: Frame,
    *,
    length: Annotated[int, Field(ge=2, le=200, description="Length of the movement in pixels.", examples=[20])],
    angle: Annotated[
        float, Field(ge=-360, le=360, description="Direction, clockwise: 0 is along rows, 90 along columns.")
    ] = 0,
) -> Frame:
    """Blur along a line, as if the camera had moved.

    Each pixel becomes the mean of `length` points one pixel apart on a line through it, interpolated bilinearly.  Edge
    pixels are repeated, alpha is premultiplied.
    """
    kernel = _line(length, math.radians(angle))

    def moved(pixels: Pixels) -> Pixels:
        return np.asarray(cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REPLICATE), pixels.dtype)

    # Not in strips: OpenCV applies large kernels by Fourier transforms, which take 1.5 times as long in strips.
    return premultiplied(frame, moved)


def _line(length: int, angle: float) -> NDArray[np.float64]:
    """The kernel of a line: each point is spread over its four neighbours; both sides of the kernel are odd."""
    along = np.arange(length) - (length - 1) / 2
    # Rounded, because a line along rows would otherwise extend 1e-15 into the next rows.
    x, y = (np.round(along * part, 9) for part in (math.cos(angle), math.sin(angle)))
    half_width, half_height = (int(np.ceil(np.abs(part).max())) for part in (x, y))
    # One more row and column, for neighbours with weight 0.
    kernel = np.zeros((2 * half_height + 2, 2 * half_width + 2))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for below in (0, 1):
            weight = (1 - np.abs(x - left - right)) * (1 - np.abs(y - top - below))
            np.add.at(kernel, (top + half_height + below, left + half_width + right), weight / length)
    return kernel[:-1, :-1]


Amount = Annotated[float, Field(ge=0, le=10, description="1 doubles local contrast.")]


@operation(keeps_depth=always, keeps_gain=True)
def sharpen(
    frame: Frame,
    *,
    amount: Amount = 1.0,
    sigma: Annotated[Sigma, Field(description="Size of the details to sharpen, in pixels.")] = 1.0,
) -> Frame:
    """Sharpen by adding back what a blur removes: `out = in + amount × (in − blur(in, sigma))`.

    Alpha is kept unchanged; the blur is premultiplied, so that hidden colours do not appear.
    """
    return _sharpened(frame, amount, sigma, 0)


@operation(keeps_depth=always, keeps_gain=True)
def unsharp(
    frame: Frame,
    *,
    amount: Amount = 1.0,
    radius: Annotated[Sigma, Field(description="Standard deviation of the blur, in pixels.")] = 2.0,
    threshold: Annotated[
        int, Field(ge=0, le=255, description="Largest difference in levels that is left unchanged.")
    ] = 3,
) -> Frame:
    """Sharpen as `sharpen` does, but only differences of more than `threshold` levels, so that noise is not amplified.

    This is the unsharp mask of Pillow and of image editors: `out = in + amount × (in − blur(in, radius))` for each
    channel where `|in − blur| > threshold`, else `in`.  Alpha is kept unchanged.
    """
    return _sharpened(frame, amount, radius, threshold)


def _sharpened(frame: Frame, amount: float, sigma: float, threshold: int) -> Frame:
    blurred = _soft(frame, sigma, EXACT_HALF_SIGMA)

    def sharpened(strip: Frame, rows: slice) -> Frame:
        pixels = np.asarray(strip)
        soft = np.asarray(blurred if strip is frame else blurred.crop((0, rows.start, frame.width, rows.stop)))
        result = np.asarray(cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0), pixels.dtype)
        if threshold:
            most = threshold * steps_of(pixels)
            _, is_small = cv2.threshold(cv2.absdiff(pixels, soft), most, 255, cv2.THRESH_BINARY_INV)
            cv2.copyTo(pixels, is_small.astype(np.uint8, copy=False), result)
        if frame.mode == "RGBA":
            result[..., 3] = pixels[..., 3]
        return frame_of(result)

    return through_rows(frame, sharpened, into=blurred)


def _soft(frame: Frame, sigma: float, half_from: float) -> Frame:
    """The blurred frame.  half_from: sigma from which the blur is computed at half size or less."""
    if sigma >= half_from:
        return _soft_wide(frame, sigma)
    # OpenCV's kernel has a radius of three sigma.
    return through_strips(
        frame, lambda strip: premultiplied(strip, lambda pixels: _blurred(pixels, sigma)), math.ceil(3 * sigma) + 1
    )


def _soft_wide(frame: Frame, sigma: float) -> Frame:
    """The frame blurred at a smaller size; the cost does not grow with sigma."""
    factor = max(2, int(sigma / SHRUNK_SIGMA))
    cells = _cells(frame, factor)
    # Variances add up: those of shrinking (a box) and of enlarging (a triangle) are subtracted from the Gaussian's.
    small = _blurred(_shrunk(frame, factor, cells), math.sqrt(sigma**2 - (factor**2 - 1) / 12 - factor**2 / 6) / factor)
    size = small.shape[1] * factor, frame.height

    def enlarged(rows: slice) -> Frame:
        # One more cell above and below, for the interpolation.
        part = small[rows.start // factor : -(-rows.stop // factor) + 2]
        large = cv2.resize(part, (size[0], len(part) * factor), interpolation=cv2.INTER_LINEAR)
        inside = large[factor : factor + rows.stop - rows.start, factor : factor + frame.width]
        return unweighted(np.ascontiguousarray(inside, small.dtype))

    tops = range(0, frame.height, cells * factor)
    return assembled(frame, [slice(top, min(top + cells * factor, frame.height)) for top in tops], enlarged)


def _cells(frame: Frame, factor: int) -> int:
    """Rows of cells that are processed at once."""
    return max(2, STRIP_PIXELS // (frame.width * factor)) if is_large(frame) else frame.height


def _shrunk(frame: Frame, factor: int, cells: int) -> Pixels:
    """The mean of each cell of factor × factor pixels, weighted by alpha.

    One cell of repeated edge pixels is added on each side, so that the edge of the small picture is that of this one.
    """
    width, height = frame.size
    right = factor + -width % factor
    down = 2 - -height // factor
    parts = []
    for first in range(0, down, cells):
        top, bottom = (first - 1) * factor, (min(first + cells, down) - 1) * factor
        start, stop = min(max(0, top), height - 1), max(1, min(height, bottom))
        part = weighted(frame.crop((0, start, width, stop)), frame.mode)
        over = max(0, min(-top, bottom - top - len(part)))
        under = bottom - top - len(part) - over
        padded = cv2.copyMakeBorder(part, over, under, factor, right, cv2.BORDER_REPLICATE)
        size = padded.shape[1] // factor, padded.shape[0] // factor
        parts.append(cv2.resize(padded, size, interpolation=cv2.INTER_AREA))
    return np.concatenate(parts)


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    # OpenCV takes this by itself for 8 bits; for 16 it would take a kernel of four sigma.
    side = round(6 * sigma + 1) | 1
    return np.asarray(cv2.GaussianBlur(pixels, (side, side), sigma, borderType=cv2.BORDER_REPLICATE), pixels.dtype)
