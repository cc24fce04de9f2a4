"""QOI by the decoder in imagecodecs."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from imgsrv.imaging.apart.decoders.plain.samples import CHANNELS
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

END, SPARE_BYTES = bytes(7) + b"\1", 64
"""The end marker; bytes that may follow it."""

LONGEST_RUN = 62
"""Most pixels of one byte."""

HEADER_BYTES = 14

TINY = b"qoif\0\0\0\1\0\0\0\1\3\0\xc0" + bytes(7) + b"\1"


def prepare() -> Decoder:
    """Make the decoder ready."""
    decode(TINY, {"mode": "RGB", "size": (1, 1)})
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.  order: mode and size.  Raises ValueError for a file that cannot hold so many pixels."""
    width, height = order["size"]
    if (len(data) - HEADER_BYTES) * LONGEST_RUN < width * height:
        raise ValueError("it has fewer pixels than its header says")
    if END not in data[-len(END) - SPARE_BYTES :]:
        # The decoder repeats the last pixel for those that are missing.
        raise ValueError("it is cut off: its end marker is missing")
    pixels = import_module("imagecodecs").qoi_decode(data)
    if pixels.shape != (height, width, CHANNELS[order["mode"]]):
        raise ValueError("its pixels are of another size or kind than its header says")
    return Decoded(np.ascontiguousarray(pixels).data.cast("B"))
