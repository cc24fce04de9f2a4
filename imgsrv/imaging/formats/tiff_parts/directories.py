"""Directories of a TIFF that Pillow does not walk: how many pages there are, and what a camera raw file hides."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

MOST_PAGES = 100_000
"""Most pages that are counted; the walk takes a tenth of a second."""

SUBFILES, DNG_VERSION, REDUCED = 330, 50_706, 1

CANON_RAW = b"CR"
"""Bytes 8 and 9 of a raw file of Canon's."""

MOST_SUBFILES = 16
"""Most further directories of a page that are looked at; a raw file has up to five."""


class Walk:
    """Reads directories of a file.  is_big: its byte order.  is_bigtiff: offsets have 64 bits."""

    def __init__(self, file: IO[bytes], *, is_big: bool, is_bigtiff: bool) -> None:
        self._file, self._order, self._is_bigtiff = file, ">" if is_big else "<", is_bigtiff
        self._count, self._entry, self._next = ("Q", 20, "Q") if is_bigtiff else ("H", 12, "I")

    def pages(self) -> int | None:
        """The directories of the chain; None where there are more than MOST_PAGES."""
        seen: set[int] = set()
        offset = self._number(self._next, 8 if self._is_bigtiff else 4)
        while offset and offset not in seen:
            seen.add(offset)
            if len(seen) > MOST_PAGES:
                return None
            count = self._number(self._count, offset)
            if count is None:
                return max(1, len(seen) - 1)
            offset = self._number(self._next, offset + struct.calcsize(self._count) + count * self._entry)
        return max(1, len(seen))

    def entries(self, offset: int) -> Iterator[tuple[int, int]]:
        """Tags of a directory with the first value of each that is a whole number and lies in the entry."""
        count = self._number(self._count, offset) or 0
        at = offset + struct.calcsize(self._count)
        for _ in range(min(count, 1000)):
            self._file.seek(at)
            entry = self._file.read(self._entry)
            if len(entry) < self._entry:
                return
            tag, kind = struct.unpack_from(f"{self._order}HH", entry)
            if kind in (3, 4, 13):
                place = 12 if self._is_bigtiff else 8
                yield tag, struct.unpack_from(f"{self._order}{'H' if kind == 3 else 'I'}", entry, place)[0]  # noqa: PLR2004
            at += self._entry

    def _number(self, form: str, at: int) -> int | None:
        if at >= 1 << 63:
            return None
        size = struct.calcsize(form)
        self._file.seek(at)
        data = self._file.read(size)
        return struct.unpack(self._order + form, data)[0] if len(data) == size else None
