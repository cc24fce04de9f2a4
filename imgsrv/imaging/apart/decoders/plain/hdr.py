"""Radiance HDR: four bytes a pixel, of which the last is the exponent of the others, plain or in runs.

imagecodecs reads the runs.  Light becomes levels of sRGB: 0 to 1 are black to white, and what is brighter is white.
"""

from __future__ import annotations

import struct
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.apart.decoders.plain.samples import ROWS, empty, is_deep, levels_of_light
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

HEAD = "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {} +X {}\n"
"""The header of which only the size differs, so that the library reads no other one."""

LEAST_PACKED, MOST_PACKED = 8, 32_767
"""Bounds of the width of a picture whose rows may be in runs."""

PIXEL_BYTES = 4

BIAS = 136
"""The exponent of a mantissa of 1: 128, and 8 for the bits of the mantissa."""


def prepare() -> Decoder:
    """Make the decoder ready."""
    row = b"\x02\x02\x00\x08" + b"\x88\x80" * PIXEL_BYTES
    decode(row, {"mode": "RGB", "size": (8, 1), "start": 0, "from_top": True, "from_right": False})
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.

    order: mode and size; start: where the pixels begin; from_top, from_right: which pixel is the first.
    Raises ValueError for rows that are not read.
    """
    width, height = order["size"]
    body = data[order["start"] :]
    light = _packed(body, width, height) if _is_packed(body, width) else _plain(body, width, height)
    light = light[:: 1 if order["from_top"] else -1, :: -1 if order["from_right"] else 1]
    out = empty(order)
    for top in range(0, height, ROWS):
        out[top : top + ROWS] = levels_of_light(light[top : top + ROWS], deep=is_deep(order))
    return Decoded(out.data.cast("B"))


def _is_packed(body: bytes, width: int) -> bool:
    return LEAST_PACKED <= width <= MOST_PACKED and body[:4] == b"\x02\x02" + struct.pack(">H", width)


def _packed(body: bytes, width: int, height: int) -> NDArray[np.float32]:
    light: NDArray[np.float32] = import_module("imagecodecs").rgbe_decode(HEAD.format(height, width).encode() + body)
    if light.shape != (height, width, 3):
        raise ValueError("its pixels are of another size than its header says")
    return light


def _plain(body: bytes, width: int, height: int) -> NDArray[np.float32]:
    if len(body) < width * height * PIXEL_BYTES:
        raise ValueError("it has fewer pixels than its header says, or runs of the oldest kind, which are not read")
    stored = np.frombuffer(body, np.uint8, width * height * PIXEL_BYTES).reshape(height, width, PIXEL_BYTES)
    scale = np.where(stored[..., 3:] > 0, np.exp2(stored[..., 3:].astype(np.float32) - BIAS), 0)
    return (stored[..., :3] * scale).astype(np.float32)
