"""AVIF as Pillow opens it, with what Pillow leaves out: colours by H.273, the clean aperture and the plays."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import IO, Any

from PIL import AvifImagePlugin, Image

from imgsrv.imaging.formats.iso.media import IsoMedia, Steps, is_of_boxes
from imgsrv.imaging.formats.iso.properties import Stated, read_item, read_track

NAME = "IMGSRV-AVIF"
"""The name in Pillow, whose own reader stays as it is."""

BRANDS = (b"avif", b"avis")

SEQUENCE = b"avis"
"""The brand of a file whose picture is an animation, if it is the file's own."""


class AvifFile(AvifImagePlugin.AvifImageFile):
    """An AVIF.  It has the size of the clean aperture, and `info` has `cicp` where the file says it."""

    stated = Stated()
    source: IO[bytes]

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101  for the type checker
        self.source = self.fp
        super()._open()
        self.stated = self._read_stated()
        self.coded_size, self.depth = self.size, self.stated.depth
        if self.stated.cicp:
            self.info["cicp"] = self.stated.cicp
        if self.stated.plays is not None:
            self.info["loop"] = self.stated.plays
        if edges := self.stated.aperture:
            self._size = edges[2] - edges[0], edges[3] - edges[1]

    def read_all(self) -> bytes:
        """The bytes of the file."""
        self.source.seek(0)
        return self.source.read()

    def _read_stated(self) -> Stated:
        data = self.read_all()
        media = IsoMedia(data, Steps())
        # A file that is broken here is refused when the sizes of its bitstreams are read.
        with suppress(struct.error, LookupError, SyntaxError):
            return read_track(media) if data[8:12] == SEQUENCE else read_item(media)
        return Stated()

    def load(self) -> Any:
        """Decode the frame and cut it to the clean aperture."""
        edges = self.stated.aperture
        if not edges or not self.tile:
            return super().load()
        shown, self._size = self.size, self.coded_size
        self.tile = [self.tile[0]._replace(extents=(0, 0, *self.size))]
        super().load()
        self.im, self._size = self.im.crop(edges), shown
        return super().load()


def register() -> None:
    """Make it known to Pillow, with Pillow's own encoder."""
    Image.register_open(NAME, AvifFile, is_of_boxes)
