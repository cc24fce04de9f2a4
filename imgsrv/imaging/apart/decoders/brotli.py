"""Metadata in a box that is packed by Brotli (`brob` of JPEG XL): its bytes stand where a profile would."""

from __future__ import annotations

import imagecodecs

from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

MOST_BYTES = 1 << 20
"""Longer metadata is not read."""


def prepare() -> Decoder:
    """Make the decoder ready."""
    decode(bytes(imagecodecs.brotli_encode(b"x")), {})
    return decode


def decode(data: bytes, _order: Order) -> Decoded:
    """One pixel, and the unpacked bytes as profile.  Raises ValueError."""
    try:
        return Decoded(bytes(1), profile=bytes(imagecodecs.brotli_decode(data, out=MOST_BYTES)))
    except imagecodecs.BrotliError as error:
        raise ValueError("its packed metadata is broken or too long") from error
