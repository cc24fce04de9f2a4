"""Replaces hidden colours by visible ones, before an operation that keeps alpha mixes them.

Premultiplying gives the mean of visible colours; that is right for a blur, which mixes alpha as well.  A median, a
difference of neighbours, or a kernel with weights that add up to 0 needs a colour in every pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.parameter_types import OPAQUE
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.strips import bands, is_large, through_rows, through_strips, weighted, with_alpha_of
from imgsrv.imaging.pixels.working_frame import DEPTHS, Pixels, WorkingFrame, frame_of, premultiplied_pixels, shallow

FAR_WEIGHT = 0.01
"""Weight of the mean of the whole frame; the faintest neighbour weighs 1 and an opaque one 255."""

TINY = 1e-9
"""Less than the mean alpha of any frame with a visible pixel."""

MOST_RADIUS = 500
"""Largest radius of neighbours; their sums fit into 32 bits.  Beyond it the mean of the whole frame counts."""

FINE_RADIUS = 16
"""Radius, in pixels of a smaller copy of the frame, within which far neighbours are averaged."""

Means = NDArray[np.float32]
"""(4,): premultiplied red, green, blue and alpha."""


def through_visible(frame: Frame, radius: int, function: Callable[[Frame], Frame]) -> Frame:
    """The frame with a function applied to its visible colours; alpha is kept unchanged.

    radius: rows above and below a pixel that the function reads.
    """
    if frame.mode != "RGBA":
        return through_strips(frame, function, radius)
    everywhere = _mean(frame) if is_large(frame) else None

    def strip(part: Frame) -> Frame:
        return with_alpha_of(part, function(visible_colours(part, radius, everywhere)))

    return through_strips(frame, strip, 2 * radius)


def visible_luma(frame: Frame, radius: int) -> Frame:
    """The luma (mode L) of the visible colours; a large frame takes hidden ones from a smaller copy, for speed."""
    if frame.mode == "L":
        return frame
    if frame.mode == "RGB" or not is_large(frame):
        return visible_colours(frame, radius).convert("L")
    factor = max(1, radius // FINE_RADIUS)
    # Pillow's reduce() premultiplies.
    small = visible_colours(frame.reduce(factor), -(-radius // factor)).convert("L")

    def strip_over(strip: Frame, rows: slice) -> Frame:
        box = (0, rows.start / factor, frame.width / factor, rows.stop / factor)
        behind = small.resize(strip.size, Image.Resampling.BILINEAR, box=box)
        behind.paste(strip.convert("L"), mask=strip.getchannel("A"))
        return behind

    return through_rows(frame, strip_over)


def visible_colours(frame: Frame, radius: int, everywhere: Means | None = None) -> Frame:
    """The colours without alpha (mode L or RGB); hidden ones become the mean of the visible ones around them.

    It composites the frame over the premultiplied mean of the square of `radius` pixels to each side, or over the mean
    of the whole frame where that square has no visible pixel.  everywhere: that mean, if the frame is part of a larger
    one.
    """
    if frame.mode != "RGBA":
        return frame
    if shallow(frame.getchannel("A")).getextrema() == (OPAQUE, OPAQUE):
        return frame.convert("RGB")
    radius = min(radius, MOST_RADIUS)
    width, height = frame.size
    seen = _seen(frame)
    far = np.asarray(cv2.mean(seen), np.float32) if everywhere is None else everywhere
    result = np.empty((height, width, 3), seen.dtype)
    for rows in bands(height, width, least=4 * radius):
        top = max(0, rows.start - radius)
        over = _over_neighbours(seen[top : rows.stop + radius], radius, far)
        result[rows] = over[rows.start - top : rows.stop - top]
    return frame_of(result)


def _seen(frame: Frame) -> Pixels:
    """(H, W, 4): premultiplied."""
    if isinstance(frame, WorkingFrame):
        return premultiplied_pixels(frame.pixels)
    # Pillow's mode RGBa is RGBA premultiplied.
    return np.frombuffer(frame.convert("RGBa").tobytes(), np.uint8).reshape(frame.height, frame.width, 4)


def _mean(frame: Frame) -> Means:
    """The premultiplied mean of a large frame."""
    total = np.zeros(4)
    for rows in bands(frame.height, frame.width):
        strip = weighted(frame.crop((0, rows.start, frame.width, rows.stop)), "RGBA")
        total += np.multiply(cv2.mean(strip), len(strip))
    return np.asarray(total / frame.height, np.float32)


def _over_neighbours(seen: Pixels, radius: int, everywhere: Means) -> Pixels:
    side = 2 * radius + 1
    # Pixels outside the picture count as transparent, which weigh 0.
    sums = cv2.boxFilter(seen, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    far = everywhere * np.float32(FAR_WEIGHT / max(everywhere[3], TINY))
    *colours, alpha = cv2.split(seen)
    *around, weight = cv2.split(sums)
    hidden = cv2.divide(cv2.bitwise_not(alpha), weight + np.float32(FAR_WEIGHT), dtype=cv2.CV_32F)
    return np.asarray(
        cv2.merge(
            [
                cv2.add(colour, cv2.multiply(mean + further, hidden), dtype=DEPTHS[seen.dtype.itemsize])
                for colour, mean, further in zip(colours, around, far, strict=False)
            ]
        ),
        seen.dtype,
    )
