"""Files of boxes and directories, built byte by byte: AVIF with items as a test wants them, and icons."""

from __future__ import annotations

import struct
from dataclasses import dataclass

Size = tuple[int, int]

PRIMARY = 1
"""The number of the item that is the picture; tiles and alpha come behind it."""


def item_box(kind: bytes, content: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def full_box(kind: bytes, content: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return item_box(kind, struct.pack(">I", version << 24 | flags) + content)


def icon(data: bytes, planes: int = 1, bits: int = 32) -> bytes:
    """An icon of 16×16, by its directory, that holds the data."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, planes, bits, len(data), 22) + data


def boxed_avif(
    stream: bytes,
    size: Size,
    *,
    cuts: tuple[int, ...] = (),
    in_item_data: bool = False,
    alpha: bytes = b"",
    columns: int = 0,
    further: tuple[bytes, ...] = (),
    flags: bytes = b"\x81\0\x0c\0",
) -> bytes:
    """An AVIF of one bitstream.

    size: what the container says.  cuts: where the data of the item is cut into extents, which are stored in reverse.
    in_item_data: the data is in the box `idat`.  alpha: a second bitstream.  columns: tiles of a grid, all the same.
    further: boxes of further properties of the picture.  flags: the content of the box `av1C`.
    """
    grid = bytes([0, 0, 0, columns - 1]) + struct.pack(">HH", columns * size[0], size[1]) if columns else b""
    contents = [*([grid] if columns else []), *[stream] * (columns or 1), *([alpha] if alpha else [])]
    file = _File(contents, size, cuts, columns, further, flags, in_item_data=in_item_data, has_alpha=bool(alpha))
    begin = item_box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    at = len(begin) + len(file.meta(0)) + 8
    return begin + file.meta(at) + item_box(b"mdat", file.stored)


@dataclass
class _File:
    """The items of a file.  contents: their data."""

    contents: list[bytes]
    size: Size
    cuts: tuple[int, ...]
    columns: int
    further: tuple[bytes, ...]
    flags: bytes
    in_item_data: bool
    has_alpha: bool

    @property
    def kinds(self) -> list[bytes]:
        """The types of the items."""
        return [b"grid" if self.columns and not at else b"av01" for at in range(len(self.contents))]

    @property
    def stored(self) -> bytes:
        """The data of all items as it lies in the file."""
        return b"".join(b"".join(reversed(self.pieces(content))) for content in self.contents)

    def pieces(self, content: bytes) -> list[bytes]:
        """The extents of an item."""
        edges = [cut for cut in self.cuts if cut < len(content)]
        return [content[start:end] for start, end in zip([0, *edges], [*edges, len(content)], strict=True)]

    def meta(self, at: int) -> bytes:
        """The box that describes the items.  at: where their data begins in the file."""
        parts = [
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full_box(b"pitm", struct.pack(">H", PRIMARY)),
            self.locations(0 if self.in_item_data else at),
            self.infos(),
            self.properties(),
        ]
        references = self.references()
        parts += [full_box(b"iref", references)] if references else []
        parts += [item_box(b"idat", self.stored)] if self.in_item_data else []
        return full_box(b"meta", b"".join(parts))

    def infos(self) -> bytes:
        """The types."""
        entries = (
            full_box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", 2)
            for number, kind in enumerate(self.kinds, 1)
        )
        return full_box(b"iinf", struct.pack(">H", len(self.kinds)) + b"".join(entries))

    def locations(self, at: int) -> bytes:
        """The places."""
        entries = b""
        for number, content in enumerate(self.contents, 1):
            pieces = self.pieces(content)
            entries += struct.pack(">HHHH", number, int(self.in_item_data), 0, len(pieces))
            end = at = at + len(content)
            for piece in pieces:
                end -= len(piece)
                entries += struct.pack(">II", end, len(piece))
        return full_box(b"iloc", struct.pack(">HH", 0x4400, len(self.contents)) + entries, 1)

    def properties(self) -> bytes:
        """The sizes and what else a decoder needs."""
        known = [
            full_box(b"ispe", struct.pack(">II", *self.size)),
            full_box(b"pixi", b"\x03" + bytes([10 if self.flags[2] & 0x40 else 8]) * 3),
            item_box(b"av1C", self.flags),
            full_box(b"ispe", struct.pack(">II", self.columns * self.size[0], self.size[1])),
            full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"),
            *self.further,
        ]
        entries = b""
        for number, kind in enumerate(self.kinds, 1):
            is_alpha = self.has_alpha and number == len(self.kinds)
            uses = [4, 2] if kind == b"grid" else [1, 2, 0x83, *([5] if is_alpha else [])]
            if number == PRIMARY:
                uses += [0x80 | at for at in range(len(known) - len(self.further) + 1, len(known) + 1)]
            entries += struct.pack(">HB", number, len(uses)) + bytes(uses)
        associations = full_box(b"ipma", struct.pack(">I", len(self.kinds)) + entries)
        return item_box(b"iprp", item_box(b"ipco", b"".join(known)) + associations)

    def references(self) -> bytes:
        """From the grid to its tiles, and from alpha to the colours."""
        tiles = range(PRIMARY + 1, PRIMARY + 1 + self.columns)
        grid = item_box(b"dimg", struct.pack(f">HH{len(tiles)}H", PRIMARY, len(tiles), *tiles)) if tiles else b""
        alpha = item_box(b"auxl", struct.pack(">HHH", len(self.kinds), 1, PRIMARY)) if self.has_alpha else b""
        return grid + alpha
