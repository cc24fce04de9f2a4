"""Resampling in linear light: sRGB levels become 16 bits of light, are mixed, and become levels again.

What is mixed is then as bright as it looks from afar: a star stays a star, a fine pattern keeps its grey.
"""

from __future__ import annotations

import cv2
import numpy as np
from cykooz_resizer import ResizeOptions
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.resizer import resize_array

Floats = NDArray[np.float64]

MOST = 65_535
"""In 16 bits."""

HEADROOM = 0.2
"""Light below black and above white that fits into 16 bits too, as a fraction of white.

The resizer rounds between its two passes, and a kernel with negative lobes overshoots in the first: cut off there, the
second pass lacks it, and edges are up to 44 levels wrong.
"""


def light_of(level: Floats) -> Floats:
    """Linear light of levels, both 0 to 1 (IEC 61966-2-1, 5.2)."""
    light: Floats = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004  the standard's
    return light


def level_of(light: Floats) -> Floats:
    """Levels of linear light, both 0 to 1: the inverse of `light_of`."""
    level: Floats = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004  the same
    return level


_WHITE = MOST / (1 + 2 * HEADROOM)
_LIGHT = np.round((light_of(np.arange(256) / 255) + HEADROOM) * _WHITE).astype(np.uint16)
_LEVELS = np.round(level_of(np.clip(np.arange(MOST + 1) / _WHITE - HEADROOM, 0, 1)) * 255).astype(np.uint8)
# Alpha overshoots as much as the colours that it weights; cut off alone it would make them lighter.
_OPACITY = np.round(np.arange(256) / 255 * _WHITE).astype(np.uint16)


def resample_light(frame: Frame, size: Size, options: ResizeOptions) -> Frame:
    """The frame at `size`, its colours mixed as light; alpha is premultiplied for the while."""
    pixels = np.asarray(frame)
    tables = [_LIGHT] * 3 + [_OPACITY] if frame.mode == "RGBA" else [_LIGHT] * len(frame.getbands())
    # 4× faster than numpy's indexing.
    light = np.asarray(cv2.LUT(pixels, np.stack(tables, axis=-1)[None]), np.uint16)
    mixed = resize_array(np.atleast_3d(light), size, options).reshape(size[1], size[0], *pixels.shape[2:])
    levels = np.take(_LEVELS, mixed)
    if frame.mode == "RGBA":
        levels[..., 3] = np.minimum(np.round(mixed[..., 3] * (255 / _WHITE)), 255)
    return Image.fromarray(levels)
