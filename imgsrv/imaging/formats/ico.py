"""Windows icons by Pillow, one picture in each."""

from __future__ import annotations

import struct
from typing import BinaryIO

from imgsrv.imaging.formats import png
from imgsrv.imaging.formats.format import Format, Options
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame

BITMAP_HEADERS = {12: "<HH", 40: "<ii", 52: "<ii", 56: "<ii", 64: "<ii", 108: "<ii", 124: "<ii"}
"""The bytes of a bitmap's header, and how it gives width and height."""


def _size(before: bytes, data: bytes) -> Size | None:
    """The size of the picture, which is a PNG or a bitmap; Pillow decodes it when it opens the icon.

    Pillow reads the 4 bytes that give the length of a bitmap's header, and then the rest of it.
    """
    length = int.from_bytes(before, "little") if len(before) == 4 else 0  # noqa: PLR2004
    if length in BITMAP_HEADERS and len(data) == length - 4:
        width, height = struct.unpack_from(BITMAP_HEADERS[length], data)
        # The height counts the picture and its mask.
        return abs(width), abs(height) // 2
    return png.read_size(before, data)


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    # Without sizes Pillow would write the usual smaller ones as well.
    frame.save(file, form.pillow, **{**options, "sizes": [frame.size]})


FORMAT = Format(
    name="ico",
    label="Windows icon",
    pillow="ICO",
    media_type="image/x-icon",
    suffixes=(".ico",),
    position=9,
    signatures=(b"\x00\x00\x01\x00",),
    has_metadata=False,
    max_side=256,
    size_in=_size,
    save=_save,
    decode_bytes_per_pixel=14,
    encode_bytes_per_pixel=12,
)
