"""The facts in the boxes of a file about its picture: colours, clean aperture, and how often it is played.

The layouts are those of ISO/IEC 14496-12 (12.1.4 clean aperture, 12.1.5 colours) and of the AV1
specification (5.5.2 colours).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from imgsrv.imaging.formats.iso import av1
from imgsrv.imaging.formats.iso.avif_plays import read_plays
from imgsrv.imaging.formats.iso.media import Cursor, IsoMedia, Part, boxes
from imgsrv.imaging.model.cicp import UNSPECIFIED, Cicp
from imgsrv.imaging.model.limits import Size

AV1 = b"av01"
"""The type of an item or a sample that is an AV1 bitstream."""

PICTURES = b"pict"
"""The kind of a track that is no sound and no alpha or depth of another one."""

ENTRY_BYTES = 78
"""Bytes in a description of samples of video before its boxes."""

MOST_CODE = 255

Edges = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture, in whole pixels."""


@dataclass(frozen=True, slots=True)
class Stated:
    """The facts that a file gives about its picture.

    cicp: None if it says nothing.  aperture: the part of the coded picture that is shown; None for all of it.
    plays: of its animation; None for a still picture and where it is not said.  depth: bits of a channel; 0 if it
    says nothing.
    """

    cicp: Cicp | None = None
    aperture: Edges | None = None
    plays: int | None = None
    depth: int = 0


def read_item(media: IsoMedia) -> Stated:
    """The facts about the item that is the picture.  Raises what IsoMedia raises."""
    number = media.primary()
    known = list(media.properties(number))
    size = next((_size(media, part) for kind, part in known if kind == b"ispe"), None)
    aperture = next((_aperture(media, part, size) for kind, part in known if kind == b"clap" and size), None)
    cicp, depth = _cicp(media, known), _depth(media, known)
    if cicp is None or not depth:
        item = _coded_item(media, number)
        cicp = cicp or _coded_cicp(media, item)
        depth = depth or _depth(media, media.properties(item))
    return Stated(cicp, aperture, depth=depth)


def picture_tracks(media: IsoMedia) -> Iterator[Part]:
    """The tracks of pictures; other tracks are of alpha."""
    for track in media.contents((0, len(media.data)), b"moov", b"trak"):
        if all(media.data[at + 8 : at + 12] == PICTURES for at, _end in media.contents(track, b"mdia", b"hdlr")):
            yield track


def read_track(media: IsoMedia) -> Stated:
    """The facts about the first track of AV1 with pictures, which is the animation.  Raises what IsoMedia raises."""
    for track in picture_tracks(media):
        for start, end in media.contents(track, b"mdia", b"minf", b"stbl", b"stsd"):
            for kind, entry, stop in boxes(media.data, start + 8, end):
                if kind == AV1:
                    known = [
                        (name, (at, last)) for name, at, last in boxes(media.data, min(entry + ENTRY_BYTES, stop), stop)
                    ]
                    return Stated(_cicp(media, known), None, read_plays(media, track), _depth(media, known))
    return Stated()


def _cicp(media: IsoMedia, known: list[tuple[bytes, Part]]) -> Cicp | None:
    """The colours by a box `colr` of the type `nclx`."""
    for kind, (start, end) in known:
        if kind == b"colr" and media.data[start : start + 4] == b"nclx":
            cursor = Cursor(media.data, (start + 4, end))
            codes = (cursor.take(2), cursor.take(2), cursor.take(2))
            # H.273 has codes of 8 bits.
            primaries, transfer, matrix = (code if code <= MOST_CODE else UNSPECIFIED for code in codes)
            return Cicp(primaries, transfer, matrix, bool(cursor.take(1) & 0x80))
    return None


def _depth(media: IsoMedia, known: Iterable[tuple[bytes, Part]]) -> int:
    """The bits of a channel by a box `av1C`; 0 without one."""
    for kind, (start, end) in known:
        if kind == b"av1C":
            cursor = Cursor(media.data, (start + 2, end))
            flags = cursor.take(1)
            return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 0


def _coded_item(media: IsoMedia, number: int) -> int:
    """The first item that an item is put together from, or the item itself."""
    item = media.items().get(number)
    return item.made_of[0] if item and item.made_of else number


def _coded_cicp(media: IsoMedia, number: int) -> Cicp | None:
    """The colours by the sequence header of an item."""
    item = media.items().get(number)
    if item is None or item.kind != AV1 or not item.parts:
        return None
    start, end = item.parts[0]
    found = av1.first_sequence(media.data[start : min(end, start + av1.HEADER_BYTES)])
    return None if found is None or found.cicp.primaries == found.cicp.transfer == UNSPECIFIED else found.cicp


def _size(media: IsoMedia, part: Part) -> Size:
    cursor = Cursor(media.data, (part[0] + 4, part[1]))
    return cursor.take(4), cursor.take(4)


def _aperture(media: IsoMedia, part: Part, size: Size) -> Edges | None:
    """The clean aperture; None if an edge is not between pixels or is outside of the picture."""
    cursor = Cursor(media.data, part)
    width, height = _fraction(cursor), _fraction(cursor)
    offsets = _fraction(cursor, is_signed=True), _fraction(cursor, is_signed=True)
    edges: list[int] = []
    for whole, shown, offset in zip(size, (width, height), offsets, strict=True):
        if shown is None or offset is None or shown <= 0:
            return None
        # The centre of the aperture is that of the picture, moved by the offset.
        first = Fraction(whole - shown, 2) + offset
        if first.denominator != 1 or shown.denominator != 1 or first < 0 or first + shown > whole:
            return None
        edges += [int(first), int(first + shown)]
    left, right, top, bottom = edges
    return left, top, right, bottom


def _fraction(cursor: Cursor, *, is_signed: bool = False) -> Fraction | None:
    above, below = cursor.take(4), cursor.take(4)
    if is_signed and above >> 31:
        above -= 1 << 32
    return Fraction(above, below) if below else None
