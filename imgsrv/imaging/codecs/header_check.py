"""The header check: a front refuses pictures that are too large or broken before they wait for an engine.

It refuses only what `read_header` would refuse, and a hostile file takes no more time than a good one.  For a good JPEG
the frame header is enough.  Otherwise Pillow sees only the few bytes that give the size, because a file can keep each
of its other readers busy for many milliseconds (10 ms for the palette of a BMP, 12 ms for the EXIF of a JPEG).  So the
engines check BMP, TIFF and JPEG 2000, and also AVIF, which only its decoder can open.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable
from dataclasses import dataclass

from imgsrv.imaging.codecs.bit_depth import bit_depth_of
from imgsrv.imaging.codecs.checked_file import CheckedFile
from imgsrv.imaging.codecs.decode import open_header
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.formats.format import HeaderLayout
from imgsrv.imaging.model.limits import Limits, Size

MOST_SKIPPED = 64
"""Most segments or chunks that are skipped; a large profile takes about ten."""

READ_BYTES = 4096
"""Bytes of the first read; most pictures need no second one."""

HEADER_BYTES = 8
"""Bytes that give the length and the kind of a segment or a chunk."""

Read = Callable[[int, int], bytes]
"""Reads bytes of a picture: from an offset, so many, fewer at the end."""


class _Unsure(Exception):
    """The check would need more bytes than it reads."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The facts that a header check has learned.

    format: a key of FORMATS.  size: as it is stored, in pixels; None where only an engine opens the format.
    frames: 1 where they are not counted.  may_have_alpha: False where the header tells that it has none.
    bit_depth: bits of a channel, 8 where they are not known.
    """

    format: str
    size: Size | None = None
    frames: int = 1
    may_have_alpha: bool = True
    bit_depth: int = 8


def check_header(file: int, start: int, size: int, limits: Limits) -> Checked:
    """The format and the size of a picture, after a check of its header.

    file: a descriptor.  start, size: the bytes of the picture in the file.  Raises UnsupportedFormat, Undecodable,
    TooManyPixels or TooManyFrames, each only where `read_header` would raise it too.
    """
    first = os.pread(file, min(size, READ_BYTES), start)

    def read(at: int, count: int) -> bytes:
        if at + count <= len(first):
            return first[at : at + count]
        return os.pread(file, max(0, min(count, size - at)), start + at)

    head = first[:SNIFF_BYTES]
    form = FORMATS[sniff(head)]
    if form.screen_bytes and form.size_in:
        CheckedFile(form.size_in, io.BytesIO(head), limits).read(form.screen_bytes)
        return Checked(form.name, _with_pixels(form.size_in(b"", head[: form.screen_bytes])))
    if layout := form.header:
        with contextlib.suppress(_Unsure):
            beginning = _beginning(layout, read, size)
            found = layout.size(beginning.getvalue())
            # A file so short that its header may be cut is Pillow's to open.
            if found is None or beginning.is_all or not limits.allows(math.prod(found)):
                header = open_header(form, beginning, limits)
                bits = bit_depth_of(header, head)
                return Checked(form.name, header.size, header.frames, header.may_have_alpha, bits)
            return Checked(form.name, _with_pixels(found))
    return Checked(form.name)


def _with_pixels(size: Size | None) -> Size | None:
    """The size; None for one without pixels, which an engine refuses or, for a GIF, takes from a frame."""
    return size if size and math.prod(size) else None


class _Beginning(io.BytesIO):
    """The bytes of a picture that give its size.  Reading beyond them raises _Unsure."""

    def __init__(self, known: bytes, *, is_all: bool) -> None:
        super().__init__(known)
        self.is_all = is_all

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not self.is_all and (size is None or size < 0 or len(data) < size):
            raise _Unsure
        return data


def _beginning(layout: HeaderLayout, read: Read, size: int) -> _Beginning:
    """The beginning of a picture without the parts that a check can skip.  Raises _Unsure."""
    at = layout.start
    for _ in range(MOST_SKIPPED):
        head = read(at, HEADER_BYTES)
        count = layout.skipped(head) if len(head) == HEADER_BYTES else 0
        is_cut = at + count > size
        if not count or is_cut:
            known = read(0, layout.start) + layout.joint + read(at, layout.looked_at)
            # All bytes are known if the file ends in them, or in a part that would be skipped.
            return _Beginning(known, is_all=is_cut or at + layout.looked_at >= size)
        at += count
    raise _Unsure
