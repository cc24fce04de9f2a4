"""Frames as numpy arrays and back, for the operations that OpenCV does faster."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.picture import Frame

# An engine owns one core; OpenCV's own threads would only fight the other engines for theirs.
cv2.setNumThreads(1)

Pixels = NDArray[np.uint8]
"""(H, W) for mode L, (H, W, 3) for RGB, (H, W, 4) for RGBA."""

ArrayFunction = Callable[[Pixels], Pixels]


def through_array(frame: Frame, function: ArrayFunction) -> Frame:
    """The frame after `function` on its pixels."""
    return Image.fromarray(function(np.asarray(frame)))


def beside_alpha(frame: Frame, function: Callable[[Frame], Frame]) -> Frame:
    """The frame after `function` on its colours alone; alpha is kept unchanged."""
    if frame.mode != "RGBA":
        return function(frame)
    alpha = frame.getchannel("A")
    result = function(frame.convert("RGB")).convert("RGB")
    result.putalpha(alpha)
    return result


def premultiplied(frame: Frame, function: ArrayFunction) -> Frame:
    """The frame after `function` on pixels whose colours are weighted by their alpha.

    Without the weighting, what a transparent pixel would show if it could be seen bleeds into its neighbours.
    """
    if frame.mode != "RGBA":
        return through_array(frame, function)
    # Pillow's mode RGBa is RGBA premultiplied; its array has the same four channels.
    weighted = frame.convert("RGBa")
    pixels = function(np.frombuffer(weighted.tobytes(), np.uint8).reshape(frame.height, frame.width, 4))
    height, width = pixels.shape[:2]
    # Where a kernel with negative lobes left a colour above its alpha, the way back clips it.
    return Image.frombytes("RGBa", (width, height), pixels.tobytes()).convert("RGBA")
