"""Numbers of any largest value as levels of 8 or 16 bits, and light as levels of sRGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.apart.tasks import Order
from imgsrv.imaging.pixels.srgb import level_of

Pixels = NDArray[Any]
"""(H, W, C) of uint8 or uint16."""

ROWS = 256
"""Rows that are worked on at a time, so that intermediate numbers take little memory."""

LARGEST = {8: 255, 16: 65_535}

CHANNELS = {"L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGB;16": 3, "RGBA": 4, "RGBA;16": 4, "CMYK": 4}


def is_deep(order: Order) -> bool:
    """The order wants 16 bits a channel."""
    return str(order["mode"]).endswith(";16")


def empty(order: Order) -> Pixels:
    """Pixels to fill, in the mode and size of the order."""
    width, height = order["size"]
    return np.empty((height, width, CHANNELS[order["mode"]]), np.uint16 if is_deep(order) else np.uint8)


def scaled(numbers: NDArray[Any], most: int, *, deep: bool) -> NDArray[Any]:
    """Numbers of 0 to `most` as levels, rounded; larger ones count as `most`."""
    top, kind = (LARGEST[16], np.uint16) if deep else (LARGEST[8], np.uint8)
    if most == top:
        return numbers.astype(kind, copy=False)
    wide = np.minimum(numbers, most).astype(np.uint32)
    return np.asarray((wide * np.uint32(top) + np.uint32(most // 2)) // np.uint32(most), kind)


def levels_of_light(light: NDArray[Any], *, deep: bool) -> NDArray[Any]:
    """Light of 0 to 1 as levels of sRGB; less and more, and what is no number, count as 0 or 1."""
    light = np.nan_to_num(light, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    top, kind = (LARGEST[16], np.uint16) if deep else (LARGEST[8], np.uint8)
    return np.asarray(np.rint(level_of(light) * top), kind)


def bits_of(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width): the bits of rows that begin at whole bytes."""
    row = (width + 7) // 8
    if len(data) < row * height:
        raise ValueError("it has fewer pixels than its header says")
    packed = np.frombuffer(data, np.uint8, row * height).reshape(height, row)
    return np.unpackbits(packed, axis=1, count=width)
