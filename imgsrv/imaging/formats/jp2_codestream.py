"""The codestream of a JPEG 2000: the markers before its first tile (ISO/IEC 15444-1, annex A)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from imgsrv.imaging.model.limits import Data

STYLE, COMPONENT_STYLE, START_OF_TILE = 0xFF52, 0xFF53, 0xFF90
"""Markers."""

ALONE = range(0xFF30, 0xFF40)
"""Markers without a length (ISO/IEC 15444-1, A.1.3)."""

SIZE_MARKER = b"\xff\x4f\xff\x51"
"""The beginning of a codestream."""

LOSSLESS_WAVELET = 1

MOST_MARKERS = 4096
"""Markers that are walked over; there is at most one of a kind for each component."""

LARGE_NUMBERS = 257
"""From so many components on, their numbers have two bytes."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component.  dx, dy: pixels of the picture for each sample."""

    bits: int
    is_signed: bool
    dx: int
    dy: int


@dataclass(frozen=True, slots=True)
class Codestream:
    """A codestream.  start: where it begins in the file.  grid: left, top, right and bottom of the picture.

    tile: left, top, width and height of the first tile.  levels: how often the picture can be halved.
    """

    start: int
    grid: tuple[int, int, int, int]
    tile: tuple[int, int, int, int]
    components: tuple[Component, ...]
    levels: int = 0
    is_lossless: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        left, top, right, bottom = self.grid
        return right - left, bottom - top

    @property
    def is_subsampled(self) -> bool:
        """Some component has fewer samples than the picture has pixels."""
        return any((part.dx, part.dy) != (1, 1) for part in self.components)


def read_codestream(data: Data, start: int) -> Codestream:
    """Read the markers before the first tile.  Raises SyntaxError for other data, struct.error if they are cut off."""
    if bytes(data[start : start + 4]) != SIZE_MARKER:
        raise SyntaxError("its codestream does not begin with its size")
    found = _size(data, start)
    at = start + 4 + int.from_bytes(data[start + 4 : start + 6], "big")
    levels: int | None = None
    is_lossless = False
    for _ in range(MOST_MARKERS):
        marker, length = struct.unpack(">HH", data[at : at + 4])
        if marker in ALONE:
            at += 2
            continue
        body = bytes(data[at + 4 : at + 2 + length])
        if marker == START_OF_TILE or length < 2:  # noqa: PLR2004  a length counts its own two bytes
            break
        if marker in (STYLE, COMPONENT_STYLE):
            wide = 2 if len(found.components) >= LARGE_NUMBERS else 1
            own = body[5] if marker == STYLE else body[wide + 1]
            is_lossless = is_lossless or body[9 if marker == STYLE else wide + 5] == LOSSLESS_WAVELET
            levels = own if levels is None else min(levels, own)
        at += 2 + length
    return replace(found, levels=levels or 0, is_lossless=is_lossless)


def _size(data: Data, start: int) -> Codestream:
    """The size of a codestream and of its components.  Raises SyntaxError for one that cannot be."""
    right, bottom, left, top, across, down, tile_left, tile_top, count = struct.unpack(
        ">8IH", data[start + 8 : start + 42]
    )
    parts = bytes(data[start + 42 : start + 42 + 3 * count])
    if not (left < right and top < bottom and across and down and count and len(parts) == 3 * count):
        raise SyntaxError("the size of its picture makes no sense")
    components = tuple(
        Component((depth & 0x7F) + 1, bool(depth >> 7), dx, dy) for depth, dx, dy in struct.iter_unpack("3B", parts)
    )
    if not all(part.dx and part.dy for part in components):
        raise SyntaxError("the size of its components makes no sense")
    return Codestream(start, (left, top, right, bottom), (tile_left, tile_top, across, down), components)
