"""JPEG of 12 bits a channel by libjpeg-turbo, in imagecodecs."""

from __future__ import annotations

from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.apart.decoders.plain.samples import CHANNELS, is_deep, scaled
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

MOST = 4095


END = b"\xff\xd9"


def prepare() -> Decoder:
    """Make the decoder ready."""
    tiny = import_module("imagecodecs").jpeg8_encode(np.full((1, 1), MOST, np.uint16), bitspersample=12)
    decode(bytes(tiny), {"mode": "L", "size": (1, 1), "end": len(tiny) - len(END), "noises": ()})
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.

    order: mode and size; end: where the data of the last scan ends; noises: data of no picture.  Raises ValueError
    where some pixels are missing: libjpeg fills them, so that they change with what stands behind the data.
    """
    numbers = _numbers(data[: order["end"]] + END)
    width, height = order["size"]
    if numbers.dtype != np.uint16 or numbers.shape != (height, width, CHANNELS[order["mode"]]):
        raise ValueError("its pixels are of another size or kind than its header says")
    if any((_numbers(data[: order["end"]] + noise + END) != numbers).any() for noise in order["noises"]):
        raise ValueError("it is cut off")
    return Decoded(scaled(numbers, MOST, deep=is_deep(order)).data.cast("B"))


def _numbers(data: bytes) -> NDArray[np.uint16]:
    pixels: NDArray[np.uint16] = import_module("imagecodecs").jpeg8_decode(data)
    return pixels if pixels.ndim == 3 else pixels[..., None]  # noqa: PLR2004
