"""A picture file as Pillow reads it, refused at the very bytes that make it too large.

Pillow makes room for a frame of a GIF as soon as it comes to it, and before version 13 for one of an animated PNG:
100 bytes can ask for 4 GB before anybody has seen the size.  So the check stands where Pillow reads, and cannot
understand a file differently.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO

from imgsrv.imaging.model.limits import Limits, Size


def _gif_size(before: bytes, data: bytes) -> Size | None:
    """What Pillow reads as 9 bytes behind a comma is where a frame lies, and as 13 bytes at once the screen."""
    if before == b"," and len(data) == 9:  # noqa: PLR2004
        left, top, width, height = struct.unpack_from("<HHHH", data)
        return left + width, top + height
    if len(before) != 1 and data.startswith(b"GIF8") and len(data) == 13:  # noqa: PLR2004
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    return None


def _png_size(before: bytes, data: bytes) -> Size | None:
    """What stands behind the name of the chunk."""
    if before[4:] == b"IHDR" and len(data) >= 8:  # noqa: PLR2004
        width, height = struct.unpack_from(">II", data)
        return width, height
    return None


SIZES: dict[str, Callable[[bytes, bytes], Size | None]] = {"gif": _gif_size, "png": _png_size}
"""The size that some bytes of a file tell, seen what was read before them."""


class CheckedFile:
    """What Pillow needs of a file."""

    def __init__(self, name: str, file: IO[bytes], limits: Limits) -> None:
        self._size_in, self._file, self._limits = SIZES[name], file, limits
        self._before = b""
        self._width = self._height = 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes.  Raises TooManyPixels where they make the picture too large."""
        data = self._file.read(size)
        if found := self._size_in(self._before, data):
            self._width, self._height = max(self._width, found[0]), max(self._height, found[1])
            self._limits.check_header((self._width, self._height))
        self._before = data
        return data
