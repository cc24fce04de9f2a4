"""A glance at a picture: what a front may say of it before an engine has it.

It refuses only what is certain, by the checks of `read_header`, and a hostile file costs it no more than a good one.
Of a good JPEG the frame header is enough.  Else Pillow sees the few bytes that tell the size, because each of its
readers of what stands around them can be kept busy for many milliseconds (10 ms for the palette of a BMP, 12 for the
EXIF of a JPEG).  So BMP, TIFF and JPEG 2000 are left to the engines, and WebP and AVIF too, which are opened by their
decoders.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from imgsrv.imaging.codecs.checked_file import CheckedFile
from imgsrv.imaging.codecs.decode import open_header
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.model.limits import Limits

MOST_SKIPPED = 64
"""Segments or chunks that are passed over; a large profile has about ten."""

READ_BYTES = 4096
"""Read at once: what is looked at of most pictures."""

HEADER_BYTES = 8
"""What says how long a segment or a chunk is, and of what kind."""

APPLICATION_0, APPLICATION_15, COMMENT = 0xFFE0, 0xFFEF, 0xFFFE
QUANTIZATION, HUFFMAN, RESTART = 0xFFDB, 0xFFC4, 0xFFDD
FRAMES = (0xFFC0, 0xFFC1, 0xFFC2)
"""Markers of JPEG segments."""

FRAME = struct.Struct(">HHBHH")
"""A frame header: marker, length, bits of a sample, height, width."""

BEFORE_FRAME = frozenset({QUANTIZATION, HUFFMAN, RESTART, COMMENT, *range(APPLICATION_0, APPLICATION_15 + 1)})

Read = Callable[[int, int], bytes]
"""So many bytes of a picture at a place in it; fewer at its end."""


class _Unsure(Exception):
    """More would have to be looked at."""


def glance(file: int, start: int, size: int, limits: Limits) -> str:
    """The format of the picture that lies there in the file of the descriptor.

    Raises UnsupportedFormat, Undecodable, TooManyPixels or TooManyFrames where `read_header` would, or nothing.
    """
    first = os.pread(file, min(size, READ_BYTES), start)

    def read(at: int, count: int) -> bytes:
        if at + count <= len(first):
            return first[at : at + count]
        return os.pread(file, max(0, min(count, size - at)), start + at)

    head = first[:SNIFF_BYTES]
    name = sniff(head)
    if name == "gif":
        # Its screen alone: Pillow would go on and clear the place of the first frame.
        CheckedFile(name, io.BytesIO(head), limits).read(13)
    elif layout := _LAYOUTS.get(name):
        with contextlib.suppress(_Unsure):
            essence = _essence(layout, read, size)
            if name == "jpeg" and essence.frame_pixels() <= limits.max_pixels:
                return name
            open_header(name, essence, limits)
    return name


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a format begins.

    start: bytes of the signature, and of what else cannot be skipped.  joint: what joins them to what comes behind
    the skipped.  looked_at: bytes of that.  skipped: the size of a part that need not be looked at, by its first
    HEADER_BYTES; 0 for one that must.
    """

    start: int
    joint: bytes
    looked_at: int
    skipped: Callable[[bytes], int]


def _jpeg_skipped(head: bytes) -> int:
    """What applications put in front of the header; nothing in it makes a JPEG unreadable."""
    marker, length = struct.unpack_from(">HH", head)
    is_skipped = APPLICATION_0 <= marker <= APPLICATION_15 or marker == COMMENT
    return 2 + length if is_skipped and length > 1 else 0


def _png_skipped(head: bytes) -> int:
    """What a reader need not know, and a palette; the pixels of an animation are none of these."""
    length, kind = struct.unpack_from(">I4s", head)
    is_skipped = (kind.isalpha() and kind[:1].islower() and kind != b"fdAT") or kind == b"PLTE"
    return 12 + length if is_skipped else 0


_LAYOUTS = {
    # Without profiles and thumbnails a JPEG's header has about 700 bytes.  An empty comment is the joint: what comes
    # behind a segment may be junk, which is read over there and nowhere else.
    "jpeg": _Layout(2, b"\xff\xfe\0\2", 2048, _jpeg_skipped),
    # Behind its size only the name of the next chunk is of interest.
    "png": _Layout(33, b"", 64, _png_skipped),
}


class _Essence(io.BytesIO):
    """The bytes of a picture that tell its size.  More of them are not there and not missed until they are read."""

    def __init__(self, known: bytes, *, is_all: bool) -> None:
        super().__init__(known)
        self._is_all = is_all

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not self._is_all and (size is None or size < 0 or len(data) < size):
            raise _Unsure
        return data

    def frame_pixels(self) -> float:
        """How many a JPEG has by its frame header, in a tenth of the time that Pillow takes.

        Infinitely many where something is odd, or the file so short that its header may be cut.
        """
        known, at = self.getvalue(), 2
        while not self._is_all and at + FRAME.size <= len(known):
            marker, length, depth, height, width = FRAME.unpack_from(known, at)
            if marker in FRAMES and depth == 8 and height and width:  # noqa: PLR2004
                return int(width * height)
            if marker not in BEFORE_FRAME:
                break
            at += 2 + length
        return math.inf


def _essence(layout: _Layout, read: Read, size: int) -> _Essence:
    """The beginning of a picture without what need not be looked at."""
    at = layout.start
    for _ in range(MOST_SKIPPED):
        head = read(at, HEADER_BYTES)
        count = layout.skipped(head) if len(head) == HEADER_BYTES else 0
        is_cut = at + count > size
        if not count or is_cut:
            known = read(0, layout.start) + layout.joint + read(at, layout.looked_at)
            # A part that the file does not hold is cut here or there.
            return _Essence(known, is_all=is_cut or at + layout.looked_at >= size)
        at += count
    raise _Unsure
