"""Operations that convolve a picture with a square kernel."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.number_lists import KernelParameter, Numbers
from imgsrv.imaging.model.parameter_types import Factor
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.strips import bands, through_array
from imgsrv.imaging.pixels.visible_colours import through_visible
from imgsrv.imaging.pixels.working_frame import Pixels, steps_of

MID_GREY = 128

NO_SUM = 1e-6
"""A smaller sum of weights is a rounding error of 0."""

# Sobel's weights, divided by their sum on one side so that a step of one level gives 1.
ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
DOWN = ACROSS.T


def _convolve_work(before: Size, _after: Size, *, kernel: Numbers) -> float:
    return pixels(before) * len(kernel.values) / 9


@operation(keeps_depth=always, work=_convolve_work)
def convolve(
    frame: Frame,
    *,
    kernel: Annotated[KernelParameter, Field(description="Weights, row by row from the top.")],
    scale: Annotated[
        float | None,
        Field(ge=0.001, le=100_000, description="Divisor of the sum; the sum of the weights if not given."),
    ] = None,
    offset: Annotated[float, Field(ge=-255, le=255, description="Levels that are added at the end.")] = 0,
) -> Frame:
    """Apply a kernel of your own to every pixel's neighbours: `out = Σ weight × in / scale + offset`.

    The kernel is applied as it is written, without rotation, with its middle on the pixel.  Without `scale`, weights
    that add up to 0 are divided by 1.  Edge pixels are repeated, alpha is kept unchanged, and hidden colours are
    replaced by the visible ones around them.
    """
    side = math.isqrt(len(kernel.values))
    weights = np.reshape(kernel.values, (side, side))
    total = float(weights.sum())
    scaled = weights / (scale or (total if abs(total) > NO_SUM else 1))
    return through_visible(frame, side // 2, lambda colours: _convolved(colours, scaled, offset))


@operation(keeps_depth=always)
def emboss(
    frame: Frame,
    *,
    angle: Annotated[
        float, Field(ge=-360, le=360, description="Direction of the light, clockwise: 0 is from the top.")
    ] = -45,
    amount: Annotated[Factor, Field(description="Height of the relief, in levels for a step of one level.")] = 2,
) -> Frame:
    """Show the luma as a grey relief lit from one side; bright parts are high.

    `out = 128 + amount × (cos(angle) × Gy − sin(angle) × Gx)` with Sobel's slopes divided by 4: Gx to the right, Gy
    downwards.  Alpha is kept unchanged, and its edges give no slope.
    """
    along_y, along_x = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    slope = amount * (along_x * ACROSS + along_y * DOWN)
    return through_visible(frame, 1, lambda colours: _convolved(colours.convert("L"), slope, MID_GREY))


@operation(keeps_depth=always)
def edges(
    frame: Frame,
    *,
    amount: Annotated[Factor, Field(description="Brightness of the lines, in levels for a step of one level.")] = 2,
) -> Frame:
    """Show edges of the luma, white on black: `out = amount × √(Gx² + Gy²)` with Sobel's slopes divided by 4.

    The result is grey.  Alpha is kept unchanged, and its edges are not shown.
    Source: Gonzalez & Woods, Digital Image Processing (2018), 10.2.
    """

    def steepness(pixels: Pixels) -> Pixels:
        # The slopes of 8 bits fit into 16.
        kind = cv2.CV_16S if pixels.dtype == np.uint8 else cv2.CV_32F
        across, down = (
            cv2.Sobel(pixels, kind, *order, scale=1, borderType=cv2.BORDER_REPLICATE) for order in ((1, 0), (0, 1))
        )
        result = np.empty_like(pixels)
        for rows in bands(*pixels.shape):
            steep = cv2.magnitude(across[rows].astype(np.float32), down[rows].astype(np.float32))
            if kind == cv2.CV_16S:
                result[rows] = cv2.convertScaleAbs(steep, alpha=amount / 4)
            else:
                result[rows] = cv2.addWeighted(steep, amount / 4, steep, 0, 0, dtype=cv2.CV_16U)
        return result

    return through_visible(frame, 1, lambda colours: through_array(colours.convert("L"), steepness))


def _convolved(frame: Frame, weights: NDArray[np.float64], offset: float) -> Frame:
    """The weighted sum of each pixel's neighbours, plus the offset, clipped."""

    def convolved(pixels: Pixels) -> Pixels:
        delta = offset * steps_of(pixels)
        summed = cv2.filter2D(pixels, -1, weights, delta=delta, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(summed, pixels.dtype)

    return through_array(frame, convolved)
