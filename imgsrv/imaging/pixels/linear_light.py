"""Pixels as linear light in 16 bits, in which they can be mixed, and back.

A mixture of light is as bright as the pixels look from afar: a star stays a star, a fine pattern keeps its grey.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.srgb import level_of, light_of

LightPixels = NDArray[np.uint16]
"""(H, W, 1), (H, W, 3) or (H, W, 4): light of grey, RGB or RGBA; alpha is scaled alike."""

MOST = 65_535
"""Highest value of 16 bits."""

HEADROOM = 0.2
"""Light below black and above white that fits into 16 bits too, as a fraction of white.

The resizer rounds between its two passes, and a kernel with negative lobes overshoots in the first one.  Without the
headroom the second pass lacks what was clipped, and edges are up to 44 levels wrong.
"""

_WHITE = MOST / (1 + 2 * HEADROOM)
_LIGHT = np.round((light_of(np.arange(256) / 255) + HEADROOM) * _WHITE).astype(np.uint16)
_LEVELS = np.round(level_of(np.clip(np.arange(MOST + 1) / _WHITE - HEADROOM, 0, 1)) * 255).astype(np.uint8)
# Alpha overshoots as much as the colours that it weights; clipped alone, it would make them lighter.
_OPACITY = np.round(np.arange(256) / 255 * _WHITE).astype(np.uint16)


def light_pixels(frame: Frame) -> LightPixels:
    """The light of a frame of mode L, RGB or RGBA."""
    tables = [_LIGHT] * 3 + [_OPACITY] if frame.mode == "RGBA" else [_LIGHT] * len(frame.getbands())
    # 4× faster than numpy's indexing.
    return np.atleast_3d(np.asarray(cv2.LUT(np.asarray(frame), np.stack(tables, axis=-1)[None]), np.uint16))


def frame_of_light(light: LightPixels) -> Frame:
    """The frame that has this light; the inverse of `light_pixels`."""
    levels = np.take(_LEVELS, light)
    if light.shape[2] == len("RGBA"):
        levels[..., 3] = np.minimum(np.round(light[..., 3] * (255 / _WHITE)), 255)
    return Image.fromarray(levels[..., 0] if light.shape[2] == 1 else levels)
