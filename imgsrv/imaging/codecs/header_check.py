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
import os
from collections.abc import Callable

from imgsrv.imaging.codecs.checked_file import CheckedFile
from imgsrv.imaging.codecs.decode import open_header
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.formats.format import HeaderLayout
from imgsrv.imaging.model.limits import Limits

MOST_SKIPPED = 64
"""Segments or chunks that are passed over; a large profile has about ten."""

READ_BYTES = 4096
"""Read at once: what is looked at of most pictures."""

HEADER_BYTES = 8
"""What says how long a segment or a chunk is, and of what kind."""

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
    form = FORMATS[sniff(head)]
    if form.screen_bytes and form.size_in:
        CheckedFile(form.size_in, io.BytesIO(head), limits).read(form.screen_bytes)
    elif layout := form.header:
        with contextlib.suppress(_Unsure):
            essence = _essence(layout, read, size)
            # A file so short that its header may be cut is Pillow's to open.
            if essence.is_all or not limits.allows(layout.pixels(essence.getvalue())):
                open_header(form, essence, limits)
    return form.name


class _Essence(io.BytesIO):
    """The bytes of a picture that tell its size.  More of them are not there and not missed until they are read."""

    def __init__(self, known: bytes, *, is_all: bool) -> None:
        super().__init__(known)
        self.is_all = is_all

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not self.is_all and (size is None or size < 0 or len(data) < size):
            raise _Unsure
        return data


def _essence(layout: HeaderLayout, read: Read, size: int) -> _Essence:
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
