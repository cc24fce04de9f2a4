"""JPEGs that Pillow does not open: those of 12 bits a channel, and those whose JFIF segment has no version.

Sources: ITU-T T.81 (B.2.2: extended and progressive JPEGs may have 12 bits) and T.871 (the JFIF segment).
"""

from __future__ import annotations

import io
from typing import IO, Any

from PIL import Image, JpegImagePlugin

from imgsrv.imaging.apart.pictures import Wanted, decode_apart
from imgsrv.imaging.formats.jpeg_parts.header import BITS
from imgsrv.imaging.formats.jpeg_parts.scans import NOISES, find_segments, read_scans
from imgsrv.imaging.model.picture import Frame

NAME = "IMGSRV-JPEG"
"""The name in Pillow, whose own reader comes first."""

TASK = "jpeg12"

DEEP_BITS = 12
"""Bits of a channel."""

DEEP_FRAMES = (0xC1, 0xC2)
"""Extended and progressive: kinds of frames that may have 12 bits."""

JFIF, COMMENT = 0xE0, 0xFE

VERSION_AT, JFIF_NAME = 7, b"JFIF"
"""Bytes of a JFIF segment up to its version; and how it begins."""

MODES = {1: ("L", "I;16"), 3: ("RGB", "RGB;16")}
"""Modes of 8 and of 16 bits by the number of components."""

BYTES_PER_PIXEL = 24
"""Memory for decoding 12 bits, a second time where the file may be cut off."""


class OddJpegFile(JpegImagePlugin.JpegImageFile):
    """A JPEG as Pillow would see it if it had 8 bits and a whole JFIF segment.  depth: bits of a channel."""

    depth: int
    source: IO[bytes]

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101  there is one while a file is opened
        data = bytearray(self.fp.read())
        self.source, self.depth = self.fp, BITS
        for marker, start, end in find_segments(data):
            if marker == JFIF and data.startswith(JFIF_NAME, start) and end - start < VERSION_AT:
                data[start - 3] = COMMENT
            elif marker in DEEP_FRAMES and data[start] == DEEP_BITS:
                data[start], self.depth = BITS, DEEP_BITS
        self.fp = io.BytesIO(data)
        super()._open()
        if self.is_deep:
            if self.layers not in MODES:
                raise SyntaxError(f"it has {self.layers} components of 12 bits, and 1 and 3 are read")
            self.tile = []

    @property
    def is_deep(self) -> bool:
        """It has 12 bits a channel."""
        return self.depth == DEEP_BITS

    def pixels(self, *, is_deep: bool) -> Frame:
        """The frame of a JPEG of 12 bits.  Raises OSError, and what `decode_apart` raises."""
        self.source.seek(0)
        end = read_scans(self.source.read()).end
        if not end:
            raise OSError("it has no pixels")
        order = {"end": end, "noises": NOISES}
        wanted = Wanted(TASK, MODES[self.layers][is_deep], self.size, order, BYTES_PER_PIXEL)
        return decode_apart(self.source, TASK, wanted)[0]

    def load(self) -> Any:
        """Decode the pixels once."""
        if self.is_deep and self._im is None:
            self.im = self.pixels(is_deep=False).im
        return super().load()


def register() -> None:
    """Make it known to Pillow."""
    Image.register_open(NAME, OddJpegFile, lambda head: head.startswith(b"\xff\xd8\xff"))
