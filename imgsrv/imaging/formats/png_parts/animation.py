"""The structure of an animated PNG: its frames as PNGs of their own.

Source: Portable Network Graphics (Third Edition), §11.3.6 and §13.16, and "Error Handling" of the specification of APNG
1.0: a decoder that detects an error before the animation has started should display the static image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import deflate

from imgsrv.imaging.formats.format import MOST_BLOCKS, TooManyBlocks
from imgsrv.imaging.model.animation import ONCE, Animation, Disposal, Part
from imgsrv.imaging.model.limits import Data

SIGNATURE = b"\x89PNG\r\n\x1a\n"

CHUNK_BYTES, CHECKSUM_BYTES = 12, 4
"""Bytes of a chunk without data (length, kind and checksum), and of the checksum alone."""

MOST_FRAMES = 1 << 31
"""The largest number of frames; a file that announces more, or none, is a still picture for every viewer."""

CONTROL_BYTES, NUMBER_BYTES = 8, 4
"""Data of an acTL, and the number that stands before the data of an fcTL and an fdAT."""

LAYOUT = ">IIIIHHBB"
"""Data of an fcTL behind its number: width, height, left, top, parts of a second and how many, disposal, blending."""

USUAL_PARTS = 100
"""Parts of a second in a delay whose denominator is 0."""

PIXELS = (b"IDAT", b"fdAT")

SHARED = (b"PLTE", b"tRNS")
"""Chunks that the pixels of every frame need."""

DISPOSALS = (Disposal.KEEP, Disposal.CLEAR, Disposal.RESTORE)
"""By their numbers."""

Chunk = tuple[bytes, int, int]
"""The kind, and the start and the end of the data."""


@dataclass(slots=True)
class _Frame:
    """A frame while its chunks are gone through.

    control: the data that controls it.  start, end: where its chunks begin, and where the last one of pixels ends.
    is_cut: the file ends in it.
    """

    control: bytes
    start: int
    end: int
    is_cut: bool = False

    @property
    def has_pixels(self) -> bool:
        """At least one chunk of pixels follows the control."""
        return self.end > self.start


def split(data: Data) -> Animation | None:
    """The frames of an animated PNG; None for a still one.

    A default image that no frame control stands before is no part of it.  An animation whose chunks contradict one
    another has no frames: the default image is shown instead, as the specification of APNG asks.
    """
    shared: dict[bytes, bytes] = {}
    control = b""
    for kind, start, end in chunks(data):
        if kind in (b"IDAT", b"IEND"):
            break
        # As for still pictures, chunks that are broken or come again do not count.
        if kind in SHARED and kind not in shared and _is_right(data, (kind, start, end)):
            shared[kind] = bytes(data[start:end])
        elif kind == b"acTL" and not control and _is_right(data, (kind, start, end)):
            control = bytes(data[start:end])
    if len(control) != CONTROL_BYTES:
        return None
    frames, plays = struct.unpack(">II", control)
    if not 0 < frames <= MOST_FRAMES:
        return None
    if not _agrees(data):
        return Animation(iter(()), lambda: ONCE)
    return Animation(_parts(data, frames, list(shared.items())), lambda: int(plays))


def _agrees(data: Data) -> bool:
    """Frames are numbered in order, on the canvas, and have pixels.  One that the end of the file cuts off passes."""
    canvas = struct.unpack_from(">II", bytes(data[16:24]))
    try:
        for frame in _frames(data):
            across, down, left, top, _count, _parts_s, disposal, _blend = struct.unpack_from(LAYOUT, frame.control, 4)
            is_inside = across and down and left + across <= canvas[0] and top + down <= canvas[1]
            if not is_inside or disposal >= len(DISPOSALS) or not (frame.has_pixels or frame.is_cut):
                return False
    except SyntaxError:
        return False
    except struct.error:
        # The end of the file cuts a control; who asks for that frame is told.
        return True
    return True


def _parts(data: Data, frames: int, shared: list[tuple[bytes, bytes]]) -> Iterator[Part]:
    """At most so many parts of an animation whose chunks agree."""
    header = bytes(data[16:29])
    for _, frame in zip(range(frames), _frames(data), strict=False):
        across, down, left, top, count, per_second, disposal, blend = struct.unpack(LAYOUT, frame.control[4:])
        still = partial(_still, data, (frame.start, frame.end), [(b"IHDR", frame.control[4:12] + header[8:]), *shared])
        duration = Fraction(1000 * count, per_second or USUAL_PARTS)
        yield Part((left, top), (across, down), still, duration, DISPOSALS[disposal], is_over=blend == 1)


def _frames(data: Data) -> Iterator[_Frame]:
    """The frames in order.  Raises SyntaxError for chunks of animation out of order, and for a wrong checksum."""
    frame: _Frame | None = None
    number = 0
    kind = b""
    for kind, start, end in chunks(data):
        if kind in (b"fcTL", b"fdAT"):
            if bytes(data[start : start + NUMBER_BYTES]) != number.to_bytes(NUMBER_BYTES, "big"):
                raise SyntaxError("its frames are not in order")
            number += 1
        if kind == b"fcTL":
            if frame:
                yield frame
            _check(data, (kind, start, end))
            frame = _Frame(bytes(data[start:end]), end + CHECKSUM_BYTES, end)
        elif frame and kind in PIXELS:
            frame.end = end
    if frame:
        frame.is_cut = kind != b"IEND"
        yield frame


def _still(data: Data, place: tuple[int, int], before: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of the pixels in a part of the file.  Raises SyntaxError for a chunk whose checksum is wrong."""
    parts = []
    for kind, start, end in chunks(data, *place):
        if kind in PIXELS:
            _check(data, (kind, start, end))
            parts.append(bytes(data[start + NUMBER_BYTES if kind == b"fdAT" else start : end]))
    return SIGNATURE + b"".join(
        written_chunk(kind, content) for kind, content in (*before, (b"IDAT", b"".join(parts)), (b"IEND", b""))
    )


def _check(data: Data, chunk: Chunk) -> None:
    # A file that ends here has too few pixels, which the decoder reports.
    if chunk[2] + CHECKSUM_BYTES <= len(data) and not _is_right(data, chunk):
        raise SyntaxError("the checksum of its pixels is wrong: they are not what was written")


def _is_right(data: Data, chunk: Chunk) -> bool:
    """The checksum of the chunk is what its data give."""
    kind, start, end = chunk
    return bytes(data[end : end + CHECKSUM_BYTES]) == _checksum(kind, bytes(data[start:end]))


def chunks(data: Data, at: int = len(SIGNATURE), until: int | None = None) -> Iterator[Chunk]:
    """The chunks of a PNG, or of a part of it, up to its end; a file that is cut off ends with what it has.

    Raises TooManyBlocks.
    """
    until = len(data) if until is None else until
    for _ in range(MOST_BLOCKS):
        if at + 8 > until:
            return
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind, at + 8, min(at + 8 + size, len(data))
        if kind == b"IEND":
            return
        at += CHUNK_BYTES + size
    raise TooManyBlocks


def written_chunk(kind: bytes, content: bytes) -> bytes:
    """The chunk with its length and checksum."""
    return len(content).to_bytes(4, "big") + kind + content + _checksum(kind, content)


def _checksum(kind: bytes, content: bytes) -> bytes:
    return deflate.crc32(content, deflate.crc32(kind)).to_bytes(CHECKSUM_BYTES, "big")
