"""Colours that cannot be seen, before an operation that keeps alpha mixes them with those that can.

Premultiplying gives the mean of what is visible; that is right for a blur, which mixes alpha as well.  A median, the
difference of neighbours or a kernel whose weights add up to nothing need a colour in every place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.model.parameter_types import OPAQUE
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.opencv import cv2
from imgsrv.imaging.pixels.strips import Pixels, bands, is_large, through_rows, through_strips, with_alpha_of

FAR_WEIGHT = 0.01
"""What the mean of the whole frame weighs beside neighbours, of which the faintest weighs 1 and an opaque one 255."""

TINY = 1e-9
"""Less than the mean alpha of any frame in which something can be seen."""

MOST_REACH = 500
"""Farther neighbours are left to the mean of the whole frame; sums of so many fit into 32 bits."""

FINE_REACH = 16
"""Pixels of the smaller copy of a frame from which far neighbours are taken."""

Means = NDArray[np.float32]
"""(4,): premultiplied red, green, blue and alpha."""


def through_visible(frame: Frame, reach: int, function: Callable[[Frame], Frame]) -> Frame:
    """The frame after a function of its visible colours, beside its alpha; `reach` rows above and below count."""
    if frame.mode != "RGBA":
        return through_strips(frame, function, reach)
    everywhere = _mean(frame) if is_large(frame) else None

    def strip(part: Frame) -> Frame:
        return with_alpha_of(part, function(visible_colours(part, reach, everywhere)))

    return through_strips(frame, strip, 2 * reach)


def visible_luma(frame: Frame, reach: int) -> Frame:
    """The luma of the visible colours; what a large frame hides is told from a smaller copy, for a wide reach."""
    if frame.mode == "L":
        return frame
    if frame.mode == "RGB" or not is_large(frame):
        return visible_colours(frame, reach).convert("L")
    factor = max(1, reach // FINE_REACH)
    # Pillow's reduce() premultiplies.
    small = visible_colours(frame.reduce(factor), -(-reach // factor)).convert("L")

    def laid(strip: Frame, rows: slice) -> Frame:
        box = (0, rows.start / factor, frame.width / factor, rows.stop / factor)
        behind = small.resize(strip.size, Image.Resampling.BILINEAR, box=box)
        behind.paste(strip.convert("L"), mask=strip.getchannel("A"))
        return behind

    return through_rows(frame, laid)


def visible_colours(frame: Frame, reach: int, everywhere: Means | None = None) -> Frame:
    """The colours without alpha, hidden ones replaced by the mean of those that are seen around them.

    It is the frame laid over the premultiplied mean of the square that reaches `reach` pixels to each side, or of
    the whole frame where nothing is seen in that square.  everywhere: that mean, if the frame is part of a larger one.
    """
    if frame.mode != "RGBA":
        return frame
    if frame.getchannel("A").getextrema() == (OPAQUE, OPAQUE):
        return frame.convert("RGB")
    reach = min(reach, MOST_REACH)
    width, height = frame.size
    # Pillow's mode RGBa is RGBA premultiplied.
    seen = np.frombuffer(frame.convert("RGBa").tobytes(), np.uint8).reshape(height, width, 4)
    far = np.asarray(cv2.mean(seen), np.float32) if everywhere is None else everywhere
    result = np.empty((height, width, 3), np.uint8)
    for rows in bands(height, width, least=4 * reach):
        top = max(0, rows.start - reach)
        laid = _laid_over_neighbours(seen[top : rows.stop + reach], reach, far)
        result[rows] = laid[rows.start - top : rows.stop - top]
    return Image.fromarray(result)


def _mean(frame: Frame) -> Means:
    """The premultiplied mean of a large frame."""
    total = np.zeros(4)
    for rows in bands(frame.height, frame.width):
        strip = np.asarray(frame.crop((0, rows.start, frame.width, rows.stop)))
        total += np.multiply(cv2.mean(cv2.cvtColor(strip, cv2.COLOR_RGBA2mRGBA)), len(strip))
    return np.asarray(total / frame.height, np.float32)


def _laid_over_neighbours(weighted: Pixels, reach: int, everywhere: Means) -> Pixels:
    side = 2 * reach + 1
    # Nothing lies outside of the picture, and nothing weighs nothing.
    sums = cv2.boxFilter(weighted, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    far = everywhere * np.float32(FAR_WEIGHT / max(everywhere[3], TINY))
    *colours, alpha = cv2.split(weighted)
    *around, weight = cv2.split(sums)
    hidden = cv2.divide(cv2.bitwise_not(alpha), weight + np.float32(FAR_WEIGHT), dtype=cv2.CV_32F)
    return np.asarray(
        cv2.merge(
            [
                cv2.add(colour, cv2.multiply(mean + further, hidden), dtype=cv2.CV_8U)
                for colour, mean, further in zip(colours, around, far, strict=False)
            ]
        ),
        np.uint8,
    )
