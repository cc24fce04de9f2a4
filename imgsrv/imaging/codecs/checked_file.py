"""A picture file as Pillow reads it, refused at the very bytes that make it too large.

Pillow makes room for a frame of a GIF as soon as it comes to it, and before version 13 for one of an animated PNG:
100 bytes can ask for 4 GB before anybody has seen the size.  So the check stands where Pillow reads, and cannot
understand a file differently.
"""

from __future__ import annotations

from typing import IO

from imgsrv.imaging.formats.format import SizeReader
from imgsrv.imaging.model.limits import Limits


class CheckedFile:
    """The part of a file's interface that Pillow calls."""

    def __init__(self, size_in: SizeReader, file: IO[bytes], limits: Limits) -> None:
        self._size_in, self._file, self._limits = size_in, file, limits
        self._before = b""
        self._width = self._height = 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes.  Raises TooManyPixels where they make the picture too large."""
        data = self._file.read(size)
        if found := self._size_in(self._before, data):
            self._width, self._height = max(self._width, found[0]), max(self._height, found[1])
            self._limits.check_input((self._width, self._height))
        self._before = data
        return data
