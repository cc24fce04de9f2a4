"""JPEG 2000 with 16 bits a channel, which Pillow does not write in colour."""

from __future__ import annotations

import struct
from typing import BinaryIO

from imgsrv.imaging.formats.format import EncoderSettings
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame

ALPHA = 3
"""The number of the channel."""

CHANNELS = struct.pack(">H12H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, ALPHA, 1, 0)
"""Of RGBA: number, kind (1 is alpha) and what it belongs to of each (ISO/IEC 15444-1, I.5.3.6)."""


def write_deep(frame: Frame, settings: EncoderSettings, decibels: float, file: BinaryIO) -> bool:
    """Write a frame of 16 bits in sRGB; False for one of 8 bits.  decibels: of a lossy file."""
    if isinstance(frame, DeepFrame):
        pixels = frame.pixels
    elif frame.mode == GREY:
        pixels = np.asarray(frame)
    else:
        return False
    import imagecodecs  # noqa: PLC0415  takes 20 ms, and seldom needed

    data = imagecodecs.jpeg2k_encode(
        np.ascontiguousarray(pixels),
        level=0 if settings.lossless else decibels,  # type: ignore[arg-type]  # which may have a fraction
        reversible=settings.lossless,
        codecformat="jp2",
        numthreads=1,
    )
    file.write(_with_alpha(bytes(data)) if frame.mode == "RGBA;16" else data)
    return True


def _with_alpha(data: bytes) -> bytes:
    """The file with a box that calls the fourth channel alpha, which the encoder leaves out."""
    return b"".join(
        _box(kind, data[start:end] + (_box(b"cdef", CHANNELS) if kind == b"jp2h" else b""))
        for kind, start, end in boxes(data)
    )


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
