"""JPEG XL with 16 bits a channel, which the plugin of Pillow does not write in colour."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from imgsrv.imaging.formats.format import EncoderSettings, Options
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.formats.jxl_header import CODESTREAM, with_srgb_curve
from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, MOST, DeepFrame
from imgsrv.imaging.pixels.srgb import light_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD_BYTES = 8
"""Bytes of the head of a box: its size and its kind."""

METADATA_BOXES = {"exif": b"Exif", "xmp": b"xml "}

GREY_AXES = 2
"""Axes of an array of grey."""


def write_deep(frame: Frame, settings: EncoderSettings, options: Options, metadata: Options, file: BinaryIO) -> bool:
    """Write a frame of 16 bits in sRGB; False for one of 8 bits.

    options: those of the plugin.  metadata: `exif` as the content of its box, and `xmp`.
    """
    if isinstance(frame, DeepFrame):
        pixels = frame.pixels
    elif frame.mode == GREY:
        pixels = np.asarray(frame)
    else:
        return False
    import imagecodecs  # noqa: PLC0415  takes 20 ms, and seldom needed

    is_lossless = options["lossless"]
    # The encoder takes 16 bits as linear light.  Compressed with loss they have to be; else only the header is wrong.
    data = imagecodecs.jpegxl_encode(
        np.ascontiguousarray(pixels if is_lossless else _linear(pixels)),
        level=None if is_lossless else settings.quality,
        lossless=is_lossless,
        effort=options["effort"],
        usecontainer=bool(metadata),
        numthreads=1,
    )
    file.write(_finished(bytes(data), metadata))
    return True


def _linear(pixels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """The linear light of sRGB; alpha as it is."""
    light = np.rint(light_of(np.arange(MOST + 1) / MOST) * MOST).astype(np.uint16)
    tables = [light] * 3 + [np.arange(MOST + 1, dtype=np.uint16)]
    channels = 1 if pixels.ndim == GREY_AXES else pixels.shape[2]
    return np.asarray(cv2.LUT(pixels, np.stack(tables[:channels], axis=-1)[np.newaxis]), np.uint16)


def _finished(data: bytes, metadata: Options) -> bytes:
    """The file with colours of sRGB, and with boxes of metadata before its codestream.

    Source: ISO/IEC 18181-2, 9.
    """
    if data.startswith(CODESTREAM):
        return with_srgb_curve(data)
    parts = []
    for kind, start, end in boxes(data):
        if kind == b"jxlc":
            parts += [_box(name, metadata[key]) for key, name in METADATA_BOXES.items() if key in metadata]
            parts.append(_box(kind, with_srgb_curve(data[start:end])))
        else:
            parts.append(_box(kind, data[start:end]))
    return b"".join(parts)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", HEAD_BYTES + len(content), kind) + content
