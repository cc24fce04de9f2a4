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

FAR_WEIGHT = 0.01
"""What the mean of the whole frame weighs beside neighbours, of which the faintest weighs 1 and an opaque one 255."""

TINY = 1e-9
"""Less than the mean alpha of any frame in which something can be seen."""

MOST_REACH = 500
"""Farther neighbours are left to the mean of the whole frame; sums of so many fit into 32 bits."""

Means = NDArray[np.float32]
"""(4,): premultiplied red, green, blue and alpha."""


def visible_colours(frame: Frame, reach: int) -> Frame:
    """The colours without alpha, hidden ones replaced by the mean of those that are seen around them.

    It is the frame laid over the premultiplied mean of the square that reaches `reach` pixels to each side, or of
    the whole frame where nothing is seen in that square.
    """
    if frame.mode != "RGBA":
        return frame
    if frame.getchannel("A").getextrema() == (OPAQUE, OPAQUE):
        return frame.convert("RGB")
    reach = min(reach, MOST_REACH)
    width, height = frame.size
    # Pillow's mode RGBa is RGBA premultiplied.
    weighted = np.frombuffer(frame.convert("RGBa").tobytes(), np.uint8).reshape(height, width, 4)
    everywhere = np.asarray(cv2.mean(weighted), np.float32)
    result = np.empty((height, width, 3), np.uint8)
    for rows in bands(height, width, least=4 * reach):
        top = max(0, rows.start - reach)
        laid = _laid_over_neighbours(weighted[top : rows.stop + reach], reach, everywhere)
        result[rows] = laid[rows.start - top : rows.stop - top]
    return Image.fromarray(result)


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
