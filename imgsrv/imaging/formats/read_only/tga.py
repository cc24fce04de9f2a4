"""TGA (Truevision): palettes, grey and colours, plain or in runs.

Source: Truevision TGA File Format Specification, version 2.0.  A file has no signature, so the fields of its header are
checked before it counts as one.
"""

from __future__ import annotations

import struct
from typing import IO

from imgsrv.imaging.formats.read_only.raster import Raster, RasterFile, check_size, exactly, raster_format

NAME = "tga"

HEADER = struct.Struct("<BBBHHBHHHHBB")

PALETTE, COLOURS, GREY = 1, 2, 3
RUNS = 8
"""Kinds of pictures; the kind with pixels in runs is so much higher."""

DEPTHS = {PALETTE: (8, 16), COLOURS: (15, 16, 24, 32), GREY: (8, 16)}
"""Bits of a pixel.  Grey of 16 bits is grey with alpha."""

ENTRY_BITS = (8, 15, 16, 24, 32)
"""Bits of a colour of a palette.  One of 8 bits is grey."""

ALPHA_BITS, FROM_RIGHT, FROM_TOP, INTERLEAVED = 0x0F, 0x10, 0x20, 0xC0
"""Bits of the descriptor."""

MOST_ENTRIES = 65_536

FOOTER = struct.Struct("<II18s")
FOOTER_MARK = b"TRUEVISION-XFILE.\0"
"""At the end of a file of version 2: places of the extension and of the developer's area, and this text."""

ALPHA_KIND_AT = 494
"""Where the extension says what the attribute bits are."""

STRAIGHT, PREMULTIPLIED, UNTOLD = 3, 4, 255
"""Kinds of alpha; of the others the attribute bits are none.  The last one is for files without an extension."""


class TgaFile(RasterFile):
    """A TGA in Pillow."""

    format = "TARGA"
    format_description = "Truevision TGA"
    task = NAME
    bytes_per_pixel = 18

    @staticmethod
    def read_header(file: IO[bytes]) -> Raster:
        """The header.  Raises SyntaxError."""
        head = exactly(file, HEADER.size)
        if not _begins(head):
            raise SyntaxError("its header is not that of a TGA")
        id_bytes, _has_map, kind, first, entries, entry_bits, _x, _y, width, height, depth, flags = HEADER.unpack(head)
        shown = kind % RUNS
        bits = entry_bits if shown == PALETTE else depth
        alpha = _alpha_kind(file) if shown != GREY else STRAIGHT
        order = {
            "start": HEADER.size + id_bytes,
            "kind": shown,
            "is_packed": kind > RUNS,
            "map": (first, entries, entry_bits),
            "depth": depth,
            "alpha": alpha,
            "from_right": bool(flags & FROM_RIGHT),
            "from_top": bool(flags & FROM_TOP),
        }
        has_alpha = _has_alpha(shown, bits, flags & ALPHA_BITS) and alpha in (STRAIGHT, PREMULTIPLIED, UNTOLD)
        mode = ("LA" if has_alpha else "L") if shown == GREY else ("RGBA" if has_alpha else "RGB")
        return Raster(check_size(width, height), mode, bits=5 if bits in (15, 16) and shown != GREY else 8, order=order)


def _alpha_kind(file: IO[bytes]) -> int:
    """The meaning of the attribute bits, by the extension."""
    # The seek of a memory mapping returns nothing.
    file.seek(0, 2)
    end = file.tell()
    if end < HEADER.size + FOOTER.size:
        return UNTOLD
    file.seek(end - FOOTER.size)
    extension, _developer, mark = FOOTER.unpack(exactly(file, FOOTER.size))
    if mark != FOOTER_MARK or not extension or extension + ALPHA_KIND_AT >= end:
        return UNTOLD
    file.seek(extension + ALPHA_KIND_AT)
    return exactly(file, 1)[0]


def _has_alpha(shown: int, bits: int, alpha_bits: int) -> bool:
    """The attribute bits are alpha where the descriptor counts them.

    Without a count, which many writers leave out, those of grey of 16 bits and of colours of 32 bits are: other readers
    take them for alpha, too.  The decoder leaves out those that are 0 everywhere.
    """
    if shown == GREY:
        return bits == 16  # noqa: PLR2004
    return (bool(alpha_bits) and bits in (16, 32)) or (shown == COLOURS and bits == 32)  # noqa: PLR2004


def _begins(head: bytes) -> bool:
    if len(head) < HEADER.size:
        return False
    _id, has_map, kind, first, entries, entry_bits, _x, _y, width, height, depth, flags = HEADER.unpack(
        head[: HEADER.size]
    )
    shown = kind % RUNS
    if kind >= 2 * RUNS or depth not in DEPTHS.get(shown, ()) or not width or not height or flags & INTERLEAVED:
        return False
    if has_map == 0:
        return shown != PALETTE and not first and not entries and entry_bits in (0, *ENTRY_BITS)
    return has_map == 1 and entry_bits in ENTRY_BITS and entries > 0 and first + entries <= MOST_ENTRIES


FORMAT = raster_format(
    TgaFile,
    name=NAME,
    label="TGA",
    pillow="TGA",
    media_type="image/x-tga",
    suffixes=(".tga",),
    position=18,
    begins=_begins,
)
