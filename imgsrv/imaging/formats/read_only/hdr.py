"""Radiance HDR (RGBE): light of any strength.  It is read in one way: 1 is white, and brighter light is white too.

Source: the file format of Radiance, `FORMAT=32-bit_rle_rgbe`.
"""

from __future__ import annotations

import re
from typing import IO

from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, raster_format

NAME = "hdr"

SIGNATURES = (b"#?RADIANCE", b"#?RGBE")

HEADER_BYTES = 1 << 16
"""Bytes in which a header has to end; it may list every program that has worked on the picture."""

SIZE = re.compile(rb"([-+])Y +([0-9]{1,9}) +([-+])X +([0-9]{1,9}) *\n")

FORMATS = (b"32-bit_rle_rgbe", b"")


class HdrFile(RasterFile):
    """A Radiance picture in Pillow."""

    format = "RADIANCE"
    format_description = "Radiance HDR"
    task = NAME
    bytes_per_pixel = 40

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError."""
        data = file.read(HEADER_BYTES)
        head, blank, _rest = data.partition(b"\n\n")
        found = SIZE.match(data, len(head) + len(blank)) if blank else None
        if found is None:
            raise SyntaxError("its header is cut off, or its columns stand before its rows")
        lines = dict(line.partition(b"=")[::2] for line in head.split(b"\n")[1:] if not line.startswith(b"#"))
        form = lines.get(b"FORMAT", b"").strip()
        if form not in FORMATS:
            raise SyntaxError(f"its colours are in the format {form[:40].decode('latin1')}, which is not read")
        order = {"start": found.end(), "from_top": found[1] == b"-", "from_right": found[3] == b"-"}
        return Raster(check_size(int(found[4]), int(found[2])), "RGB", "RGB;16", 16, order)


FORMAT = raster_format(
    HdrFile,
    lambda head: head.startswith(SIGNATURES),
    name=NAME,
    label="Radiance HDR",
    pillow="RADIANCE",
    media_type="image/vnd.radiance",
    suffixes=(".hdr", ".pic"),
    position=16,
    signatures=SIGNATURES,
)
