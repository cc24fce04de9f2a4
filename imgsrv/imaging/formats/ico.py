"""Windows icons and cursors: the largest picture of the file, a PNG or a bitmap with a mask.

The hotspot of a cursor is lost.  Pillow writes icons, with one picture in each.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats import png
from imgsrv.imaging.formats.bitmaps.header import LENGTHS, BitmapHeader, read_header
from imgsrv.imaging.formats.bitmaps.pixels import read_icon
from imgsrv.imaging.formats.format import Format, Options
from imgsrv.imaging.formats.png_parts.opening import NAME as PNG_READER
from imgsrv.imaging.formats.png_parts.opening import SIGNATURE as PNG_SIGNATURE
from imgsrv.imaging.model.picture import Frame

NAME, READER = "ico", "IMGSRV ICO"

ICON, CURSOR = b"\x00\x00\x01\x00", b"\x00\x00\x02\x00"

DIRECTORY_BYTES, ENTRY_BYTES = 6, 16

MOST_ENTRIES = 256
"""Pictures of a file that are looked at; icons of real programs have about ten."""

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel, by the colour type of a PNG."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture of the file.  offset: of its first byte.  size: in pixels, as its own header says.

    bits, said_bits: of a pixel, by its own header and by the directory.  header: of a bitmap; None for a PNG.
    """

    offset: int
    size: tuple[int, int]
    bits: int
    said_bits: int
    header: BitmapHeader | None


class IcoFile(ImageFile.ImageFile):
    """An icon or a cursor in Pillow.  entry: its largest picture; of equal ones, the one with most bits a pixel."""

    format = "ICO"
    format_description = "Windows Icon"

    entry: Entry
    _png: Image.Image | None = None

    def _open(self) -> None:
        file = self.fp
        assert file is not None  # noqa: S101  there is one while a file is opened
        entries = [entry for bits, place in _places(file) if (entry := _read_entry(file, place, bits))]
        if not entries:
            raise Undecodable(NAME, "there is no picture in it that can be read")
        # A directory gives sizes, depths and lengths too, but they are often wrong.
        entry = self.entry = max(
            entries, key=lambda entry: (entry.size[0] * entry.size[1], entry.bits, entry.said_bits)
        )
        self._size, self._mode, self.tile = entry.size, "RGBA", []
        if entry.header is None:
            file.seek(entry.offset)
            self._png = Image.open(io.BytesIO(file.read()), formats=[PNG_READER])
            self._size, self._mode = self._png.size, self._png.mode
            self.info.update(self._png.info)

    def load(self) -> Any:
        """Decode the picture."""
        if self._im is None:
            frame = self.unpacked().convert("RGBA")
            self.im, self._mode = frame.im, frame.mode
        return super().load()

    def unpacked(self) -> Frame:
        """The pixels, of 8 bits a channel."""
        if self._png is not None:
            frame = png.read_pixels(self._png)
            if frame is None:
                self._png.load()
            return frame or self._png
        assert self.fp is not None and self.entry.header is not None  # noqa: S101, PT018
        return read_icon(self.fp, self.entry.offset, self.entry.header)


def _places(file: IO[bytes]) -> list[tuple[int, int]]:
    """Bits of a pixel and offset of each picture by the directory."""
    head = file.read(DIRECTORY_BYTES)
    count = min(int.from_bytes(head[4:6], "little"), MOST_ENTRIES)
    data = file.read(count * ENTRY_BYTES)
    whole = data[: len(data) // ENTRY_BYTES * ENTRY_BYTES]
    return [(bits, offset) for bits, offset in struct.iter_unpack("<6xH4xI", whole)]


def _read_entry(file: IO[bytes], offset: int, said_bits: int) -> Entry | None:
    """The picture at that place; None for one that is broken."""
    try:
        file.seek(offset)
    except ValueError:
        # A memory mapping does not go beyond its end.
        return None
    head = file.read(png.SIZE_BYTES)
    if head.startswith(PNG_SIGNATURE) and len(head) == png.SIZE_BYTES and head[12:16] == b"IHDR":
        width, height, depth, colours = struct.unpack_from(">IIBB", head, 16)
        return Entry(offset, (width, height), depth * PNG_CHANNELS.get(colours, 0), said_bits, None)
    if int.from_bytes(head[:4], "little") not in LENGTHS:
        return None
    file.seek(offset)
    try:
        header = read_header(file, NAME, is_masked=True)
    except Undecodable:
        return None
    return Entry(offset, header.size, header.bits, said_bits, header)


def _begins(head: bytes) -> bool:
    """Whether a file is an icon or a cursor with a picture; some TGA files begin like a cursor without one."""
    return head.startswith((ICON, CURSOR)) and len(head) > DIRECTORY_BYTES and head[4:6] != bytes(2)


def _read_pixels(image: Image.Image, _is_deep: bool) -> Frame | None:  # noqa: FBT001
    return image.unpacked() if isinstance(image, IcoFile) else None


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    # Without sizes Pillow would write the usual smaller ones as well.
    frame.save(file, form.pillow, **{**options, "sizes": [frame.size]})


def _register() -> None:
    png.FORMAT.register()
    Image.register_open(READER, IcoFile, lambda head: head.startswith((ICON, CURSOR)))


FORMAT = Format(
    name=NAME,
    label="Windows icon",
    pillow="ICO",
    media_type="image/x-icon",
    suffixes=(".ico", ".cur"),
    position=9,
    browsers_show=True,
    reader=READER,
    register=_register,
    signatures=(ICON,),
    begins=_begins,
    has_metadata=False,
    max_side=256,
    read_pixels=_read_pixels,
    save=_save,
    decode_bytes_per_pixel=14,
    encode_bytes_per_pixel=12,
    result_bytes_per_pixel=4,
)
