"""JPEG of 12 bits a channel by libjpeg-turbo, in imagecodecs."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.apart.decoders.plain.samples import CHANNELS, is_deep, scaled
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order
from imgsrv.imaging.formats.jpeg_scans import END, NOISES, read_scans

MOST = 4095


def prepare() -> Decoder:
    """Make the decoder ready."""
    tiny = import_module("imagecodecs").jpeg8_encode(np.full((1, 1), MOST, np.uint16), bitspersample=12)
    decode(bytes(tiny), {"mode": "L", "size": (1, 1)})
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.  order: mode and size.  Raises ValueError where some are missing."""
    scans = read_scans(data)
    if not scans.end:
        raise ValueError("it has no pixels")
    numbers = _numbers(data if scans.has_end else data[: scans.end] + END)
    width, height = order["size"]
    if numbers.dtype != np.uint16 or numbers.shape != (height, width, CHANNELS[order["mode"]]):
        raise ValueError("its pixels are of another size or kind than its header says")
    # libjpeg fills what is missing: pixels that change with what stands behind the data are not there.
    if any((_numbers(data[: scans.end] + noise + END) != numbers).any() for noise in NOISES):
        raise ValueError("it is cut off")
    return Decoded(scaled(numbers, MOST, deep=is_deep(order)).data.cast("B"))


def _numbers(data: bytes) -> NDArray[np.uint16]:
    pixels: NDArray[np.uint16] = import_module("imagecodecs").jpeg8_decode(data)
    return pixels if pixels.ndim == 3 else pixels[..., None]  # noqa: PLR2004
