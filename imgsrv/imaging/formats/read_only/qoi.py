"""QOI, the Quite OK Image format: 8 bits, RGB or RGBA.  Source: the QOI specification, version 1.0.

The colour space in the header is informative: many programs write that levels of sRGB are linear.  It is not read.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import IO

from PIL import Image

from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.formats.read_only.raster import (
    Raster,
    RasterFile,
    bit_depth,
    check_size,
    exactly,
    read_pixels,
    reason,
)

NAME = "qoi"

SIGNATURE = b"qoif"

HEADER = struct.Struct(">4sIIBB")

MODES = {3: "RGB", 4: "RGBA"}


class QoiFile(RasterFile):
    """A QOI picture in Pillow."""

    format = "QUITEOK"
    format_description = "Quite OK Image"
    task = NAME
    bytes_per_pixel = 16

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError."""
        _signature, width, height, channels, _space = HEADER.unpack(exactly(file, HEADER.size))
        if channels not in MODES:
            raise SyntaxError(f"it has {channels} channels, and 3 and 4 are read")
        return Raster(check_size(width, height), MODES[channels])


@cache
def _register() -> None:
    Image.register_open(QoiFile.format, QoiFile, lambda head: head.startswith(SIGNATURE))


FORMAT = Format(
    name=NAME,
    label="QOI",
    pillow="QOI",
    reader=QoiFile.format,
    media_type="image/qoi",
    suffixes=(".qoi",),
    position=14,
    register=_register,
    signatures=(SIGNATURE,),
    has_metadata=False,
    may_read_exif=lambda _image: False,
    unread_variant=lambda file: reason(QoiFile, file),
    read_pixels=read_pixels,
    bit_depth=bit_depth,
    options=None,
    decode_bytes_per_pixel=QoiFile.bytes_per_pixel,
)
