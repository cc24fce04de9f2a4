"""GIF by Pillow, its sizes and durations read from the blocks of the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from imgsrv.imaging.formats.format import MOST_BLOCKS, MOST_LOOPS, Fitness, Format, Options, TooManyBlocks
from imgsrv.imaging.model.limits import Data, Size

EXTENSION, CONTROL, IMAGE = 0x21, 0xF9, 0x2C
"""The first byte of an extension, the kind of extension that times the next image, the first byte of an image."""

SCREEN_BYTES, PLACE_BYTES = 13, 9
"""Signature and logical screen; place and flags of an image."""


def _size(before: bytes, data: bytes) -> Size | None:
    """Pillow reads the place of a frame as 9 bytes behind a comma, and the screen as 13 bytes at once."""
    if before == b"," and len(data) == PLACE_BYTES:
        left, top, width, height = struct.unpack_from("<HHHH", data)
        return left + width, top + height
    if len(before) != 1 and data.startswith(b"GIF8") and len(data) == SCREEN_BYTES:
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    return None


def _durations(data: Data) -> Iterator[int]:
    at = SCREEN_BYTES + _colour_table(data[10])
    duration = 0
    for _ in range(MOST_BLOCKS):
        kind = data[at]
        if kind == EXTENSION:
            if data[at + 1] == CONTROL:
                duration = int(struct.unpack("<H", data[at + 4 : at + 6])[0]) * 10
            at = _behind_blocks(data, at + 2)
        elif kind == IMAGE:
            yield duration
            duration = 0
            at = _behind_blocks(data, at + 11 + _colour_table(data[at + 9]))
        else:
            return
    raise TooManyBlocks


def _colour_table(flags: int) -> int:
    """Bytes of the table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: Data, at: int) -> int:
    for _ in range(MOST_BLOCKS):
        size = data[at]
        at += size + 1
        if not size:
            return at
    raise TooManyBlocks


def _animation(loop: int | None) -> Options:
    # A GIF that plays once has no number of loops.
    return {"disposal": 2} if loop is None else {"disposal": 2, "loop": min(loop, MOST_LOOPS)}


FORMAT = Format(
    name="gif",
    label="GIF",
    pillow="GIF",
    media_type="image/gif",
    suffixes=(".gif",),
    position=5,
    signatures=(b"GIF87a", b"GIF89a"),
    fields=("colours",),
    has_animation=True,
    has_metadata=False,
    max_duration_ms=655_350,
    size_in=_size,
    # Pillow would go on and clear the place of the first frame.
    screen_bytes=SCREEN_BYTES,
    durations=_durations,
    animation=_animation,
    fitness=Fitness(drawing=0.4, animation=0.6),
    is_shown_everywhere=True,
    decode_bytes_per_pixel=9,
    encode_bytes_per_pixel=43,
)
