"""Pixels as linear light in 16 bits, in which they can be mixed, and back.

A mixture of light is as bright as the pixels look from afar: a star stays a star, a fine pattern keeps its grey.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST
from imgsrv.imaging.pixels.srgb import level_of, light_of
from imgsrv.imaging.pixels.working_frame import Pixels, frame_of

LightPixels = NDArray[np.uint16]
"""(H, W, 1), (H, W, 3) or (H, W, 4): light of grey, RGB or RGBA; alpha is scaled alike."""

HEADROOM = 0.2
"""Light below black and above white that fits into 16 bits too, as a fraction of white.

The resizer rounds between its two passes, and a kernel with negative lobes overshoots in the first one.  Without the
headroom the second pass lacks what was clipped, and edges are up to 44 levels wrong.
"""

_WHITE = MOST / (1 + 2 * HEADROOM)


class LightTables:
    """The tables between samples of 8 or of 16 bits and light, made when they are first used.

    Near black a step of light is 18 steps of 16 bits, or 0.07 levels of 8 bits.
    """

    def __init__(self, most: int) -> None:
        self.most, self.kind = most, np.uint16 if most == MOST else np.uint8

    @cached_property
    def light(self) -> LightPixels:
        """The light of every sample of a colour."""
        return np.round((light_of(np.arange(self.most + 1) / self.most) + HEADROOM) * _WHITE).astype(np.uint16)

    @cached_property
    def opacity(self) -> LightPixels:
        """Every alpha.  It overshoots as much as the colours that it weights; clipped alone, it made them lighter."""
        return np.round(np.arange(self.most + 1) / self.most * _WHITE).astype(np.uint16)

    @cached_property
    def samples(self) -> Pixels:
        """The sample of a colour for every light."""
        levels = level_of(np.clip(np.arange(MOST + 1) / _WHITE - HEADROOM, 0, 1))
        return np.round(levels * self.most).astype(self.kind)

    @cached_property
    def alphas(self) -> Pixels:
        """The alpha for every light."""
        return np.minimum(np.round(np.arange(MOST + 1) * (self.most / _WHITE)), self.most).astype(self.kind)


EIGHT_BITS, SIXTEEN_BITS = LightTables(255), LightTables(MOST)


def light_pixels(frame: Frame, tables: LightTables) -> LightPixels:
    """The light of a frame of mode L, RGB or RGBA."""
    of_channels = _of_channels(len(frame.mode), tables.light, tables.opacity)
    # 4× faster than numpy's indexing.
    return np.atleast_3d(np.asarray(cv2.LUT(np.asarray(frame), of_channels), np.uint16))


def frame_of_light(light: LightPixels, tables: LightTables) -> Frame:
    """The frame that has this light; the inverse of `light_pixels`."""
    of_channels = _of_channels(light.shape[2], tables.samples, tables.alphas)
    return frame_of(np.asarray(cv2.LUT(light, of_channels), tables.kind))


def _of_channels(channels: int, colour: Pixels, alpha: Pixels) -> Pixels:
    """(1, levels, channels): a table for each channel."""
    return np.stack(([colour] * 3 + [alpha] if channels == len("RGBA") else [colour] * channels), axis=-1)[np.newaxis]
