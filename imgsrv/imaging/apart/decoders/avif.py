"""Still AVIF of more than 8 bits by imagecodecs, through libavif and dav1d; Pillow keeps 8 bits of it."""

from __future__ import annotations

from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order
from imgsrv.imaging.pixels.bit_depths import to_16_bits

CHANNELS = {"I;16": 1, "RGB;16": 3, "RGBA;16": 4}
"""Channels of the modes that are given."""


def prepare() -> Decoder:
    """Give the decoder, ready to be confined."""
    import imagecodecs  # noqa: PLC0415  it takes long to load
    import numpy as np  # noqa: PLC0415

    def decode(data: bytes, order: Order) -> Decoded:
        """Decode the picture in `depth` bits, scaled to 16: value × 65535 / (2^depth − 1), rounded."""
        # With one thread dav1d starts none.
        pixels = imagecodecs.avif_decode(data, numthreads=1)
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]  # noqa: PLR2004
        width, height = order["size"]
        if pixels.dtype != np.uint16 or (*pixels.shape[:2], channels) != (height, width, CHANNELS[order["mode"]]):
            raise ValueError("its pixels are of another size or kind than its header says")
        return Decoded(to_16_bits(pixels, order["depth"]).data.cast("B"))

    tiny = imagecodecs.avif_encode(np.zeros((1, 1, 3), np.uint16), bitspersample=10, numthreads=1)
    decode(bytes(tiny), {"mode": "RGB;16", "size": (1, 1), "depth": 10})
    return decode
