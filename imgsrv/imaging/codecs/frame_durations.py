"""How long each frame of an animation stands, read from the file's own structure without decoding a pixel."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from imgsrv.errors import TooManyFrames
from imgsrv.imaging.model.limits import Data, Limits

MOST_BLOCKS = 500_000
"""Blocks and chunks that are walked over: those of 100 MB in a good file, half a second in a hostile one."""

EXTENSION, CONTROL, IMAGE = 0x21, 0xF9, 0x2C
"""What begins a block of a GIF, the kind of extension that times the next image, and what begins that."""

PNG_SIGNATURE, RIFF_HEADER = 8, 12
"""Bytes before the first chunk."""


def read_durations(name: str, data: Data, limits: Limits) -> tuple[int, ...] | None:
    """Milliseconds of every frame; none for a still picture, None where only decoding could tell.

    name: the format.  Raises TooManyFrames.
    """
    if name not in _WALKS:
        return None if name == "avif" else ()
    durations: list[int] = []
    try:
        for duration in _WALKS[name](data):
            if len(durations) == limits.max_frames:
                raise TooManyFrames(limits.max_frames)
            durations.append(duration)
    except _TooLong:
        return None
    except (IndexError, struct.error):
        # A file that is cut off ends with the frames that it has.
        pass
    return tuple(durations) if len(durations) > 1 else ()


class _TooLong(Exception):
    """More blocks than are walked over."""


def _gif(data: Data) -> Iterator[int]:
    at = 13 + _colour_table(data[10])
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
    raise _TooLong


def _colour_table(flags: int) -> int:
    """Bytes of the table that the flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(data: Data, at: int) -> int:
    for _ in range(MOST_BLOCKS):
        size = data[at]
        at += size + 1
        if not size:
            return at
    raise _TooLong


def _png(data: Data) -> Iterator[int]:
    for kind, at, _size in _chunks(data, PNG_SIGNATURE, ">I4s", around=12):
        if kind == b"fcTL":
            count, parts = struct.unpack(">HH", data[at + 28 : at + 32])
            yield round(count / (parts or 100) * 1000)


def _webp(data: Data) -> Iterator[int]:
    for kind, at, _size in _chunks(data, RIFF_HEADER, "<4sI", around=8):
        if kind == b"ANMF":
            yield int(struct.unpack("<I", bytes(data[at + 20 : at + 23]) + b"\0")[0])


def _chunks(data: Data, at: int, head: str, *, around: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size of every chunk.  around: bytes of a chunk beside its content."""
    for _ in range(MOST_BLOCKS):
        one, other = struct.unpack(head, data[at : at + 8])
        kind, size = (other, one) if head == ">I4s" else (one, other)
        yield kind, at, size
        # Only RIFF pads, and only RIFF writes the kind first.
        at += around + size + (size & 1 if head == "<4sI" else 0)
    raise _TooLong


_WALKS: dict[str, Callable[[Data], Iterator[int]]] = {"gif": _gif, "png": _png, "webp": _webp}
