"""QOI, the Quite OK Image format: 8 bits, RGB or RGBA.  Source: the QOI specification, version 1.0.

The colour space in the header is informative: many programs write that levels of sRGB are linear.  It is not read.
"""

from __future__ import annotations

import struct
from typing import IO

from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, exactly, raster_format

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


FORMAT = raster_format(
    QoiFile,
    lambda head: head.startswith(SIGNATURE),
    name=NAME,
    label="QOI",
    pillow="QOI",
    media_type="image/qoi",
    suffixes=(".qoi",),
    position=14,
    signatures=(SIGNATURE,),
)
