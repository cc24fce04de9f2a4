"""The structure of a GIF: its blocks, and its frames as GIFs of their own.

Source: Graphics Interchange Format, Version 89a.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial

from imgsrv.imaging.formats.format import MOST_BLOCKS, TooManyBlocks
from imgsrv.imaging.model.animation import FOR_EVER, ONCE, Animation, Disposal, Part
from imgsrv.imaging.model.limits import Data

EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
"""The first bytes of an extension, of an image, and of the end."""

CONTROL, APPLICATION = 0xF9, 0xFF
"""Kinds of extensions: the one that times the next image, and those of programs."""

SCREEN_BYTES = 13
"""Signature and logical screen."""

NO_CONTROL = bytes(4)
"""The flags, the delay and the transparent index of an image without a control extension."""

TRANSPARENT, INTERLACED = 0x01, 0x40
"""Flags: of a control extension whose index is transparent, and of an image whose rows are interlaced."""

REPEATING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""Names of the extension that says how often an animation is repeated."""

BLACK = bytes(6)
"""The colour table of a file that has none, as browsers show it: indices beyond a table are black."""

STEP_MS = 10

DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}
"""By their numbers.  As in browsers, the background colour of the file is not used."""


def split(data: Data) -> Animation:
    """The frames of a GIF, each with a colour table of its own."""
    return Animation(_parts(data), partial(_plays, data))


def _parts(data: Data) -> Iterator[Part]:
    table = colour_table(data, 10, SCREEN_BYTES)
    control = NO_CONTROL
    for kind, start, end in blocks(data):
        if kind == CONTROL and data[start + 2] == len(NO_CONTROL):
            control = bytes(data[start + 3 : start + 7])
        elif kind == IMAGE:
            left, top, width, height = struct.unpack_from("<HHHH", data, start + 1)
            flags, delay, _index = struct.unpack("<BHB", control)
            disposal = DISPOSALS.get(flags >> 2 & 7, Disposal.KEEP)
            still = partial(_still, data, start, end, table, control)
            yield Part((left, top), (width, height), still, delay * STEP_MS, disposal)
            control = NO_CONTROL


def _still(data: Data, start: int, end: int, table: bytes, control: bytes) -> bytes:
    """A GIF of the one image, at the corner of a screen of its size."""
    own = colour_table(data, start + 9, start + 10)
    table = own or table or BLACK
    # As many colours as the table has, and the interlacing of the image.
    flags = 0x80 | (len(table) // 3).bit_length() - 2
    screen = bytes(data[start + 5 : start + 9])
    place = bytes(4) + screen + bytes((data[start + 9] & INTERLACED,))
    shown = b"!\xf9\x04" + bytes((control[0] & TRANSPARENT,)) + control[1:] + b"\0"
    pixels = bytes(data[start + 10 + len(own) : end])
    return b"".join((b"GIF89a", screen, bytes((flags, 0, 0)), table, shown, b",", place, pixels, b";"))


def _plays(data: Data) -> int:
    """How often it plays: once more than the last extension repeats it, and once without the extension."""
    plays = ONCE
    for kind, start, _end in blocks(data):
        if kind == APPLICATION and bytes(data[start + 3 : start + 14]) in REPEATING:
            if bytes(data[start + 14 : start + 16]) != b"\3\1":
                continue
            repeats = int.from_bytes(bytes(data[start + 16 : start + 18]), "little")
            plays = repeats + 1 if repeats else FOR_EVER
    return plays


def blocks(data: Data) -> Iterator[tuple[int, int, int]]:
    """The kind, the start and the end of each image and each extension that is known.

    A file that is cut off ends with what it has.  Raises TooManyBlocks.
    """
    at = SCREEN_BYTES + len(colour_table(data, 10, SCREEN_BYTES))
    for _ in range(MOST_BLOCKS):
        if at + 1 >= len(data) or data[at] == TRAILER:
            return
        start = at
        if data[at] == EXTENSION:
            at = _behind_blocks(data, at + 2)
            if (kind := data[start + 1]) in (CONTROL, APPLICATION):
                yield kind, start, at
        elif data[at] == IMAGE:
            at = _behind_blocks(data, at + 11 + len(colour_table(data, at + 9, at + 10)))
            yield IMAGE, start, at
        else:
            # As in Pillow and ImageMagick, what stands between blocks is passed over; in Chromium it ends the file.
            at += 1
    raise TooManyBlocks


def colour_table(data: Data, flags_at: int, at: int) -> bytes:
    """The table that stands at an offset, if the flags announce one."""
    flags = data[flags_at]
    return bytes(data[at : at + (3 << (flags & 7) + 1)]) if flags & 0x80 else b""


def _behind_blocks(data: Data, at: int) -> int:
    """The offset behind a chain of blocks; the end of the file where it ends before."""
    for _ in range(MOST_BLOCKS):
        if at >= len(data):
            return len(data)
        size = data[at]
        at += size + 1
        if not size:
            return at
    raise TooManyBlocks
