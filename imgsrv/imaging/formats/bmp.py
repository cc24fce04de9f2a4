"""BMP by Pillow, and by this package where samples have masks or are packed in runs; also without its file header."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from PIL import Image, ImageFile, ImagePalette

from imgsrv.imaging.formats.bitmaps.header import BITS, CORE, LENGTHS, LONG, BitmapHeader, Packing, read_header
from imgsrv.imaging.formats.bitmaps.pixels import RAW_INDICES, palette_end, read_masked, read_palette, read_runs
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.picture import Frame

NAME = "bmp"

SIGNATURE, FILE_HEADER_BYTES = b"BM", 14

PREFIX_BYTES = 16
"""First bytes of a file that Pillow gives to the test of a reader."""

MOST_CODE = 6
"""The highest compression that bitmaps have."""

GREYS = bytes(level for grey in range(256) for level in (grey, grey, grey))
BLACK_AND_WHITE = (b"\0\0\0\xff\xff\xff").ljust(len(GREYS), b"\0")
"""Palettes whose indices are levels."""

RAW_MODES = {**RAW_INDICES, 24: "BGR"}
"""Pillow's names of samples, by the bits of a pixel."""

EQUAL_MASKS = {(0xFF0000, 0xFF00, 0xFF, 0): "BGRX", (0xFF0000, 0xFF00, 0xFF, 0xFF000000): "BGRA"}
"""Masks of 32 bits that Pillow has names for."""

MODES = {"P": "P", "P;1": "P", "P;2": "P", "P;4": "P", "BGR": "RGB", "BGRX": "RGB", "BGRA": "RGBA", "L": "L", "1": "1"}


class BmpFile(ImageFile.ImageFile):
    """A bitmap in Pillow.  header: of the bitmap."""

    format = "BMP"
    format_description = "Windows Bitmap"

    header: BitmapHeader
    _palette: bytes
    _pixels_at: int

    def _open(self) -> None:
        file = self.fp
        assert file is not None  # noqa: S101  there is one while a file is opened
        start = file.tell()
        head = file.read(FILE_HEADER_BYTES)
        said = 0
        if head.startswith(SIGNATURE):
            said, start = int.from_bytes(head[10:14], "little"), start + FILE_HEADER_BYTES
        file.seek(start)
        header = self.header = read_header(file, NAME)
        room = said - FILE_HEADER_BYTES - header.length
        self._palette = read_palette(file, header, room)
        self._pixels_at = start + (palette_end(header) if room < 0 else said - FILE_HEADER_BYTES)
        self._size = header.size
        self._read_colours(start)
        raw_mode = _raw_mode(header, self._palette)
        if raw_mode is None:
            self._mode = "RGBA" if header.masks[3] else "RGB" if any(header.masks) else "P"
            self.tile = []
            return
        self._mode = MODES[raw_mode]
        if self._mode == "P":
            self.palette = ImagePalette.raw("RGB", self._palette)
        order = 1 if header.is_top_down else -1
        self.tile = [ImageFile._Tile("raw", (0, 0, *header.size), self._pixels_at, (raw_mode, header.stride, order))]  # noqa: SLF001

    def _read_colours(self, start: int) -> None:
        """Fill `info`.  start: of the bitmap's header in the file."""
        self.info.update(self.header.info)
        # A memory mapping does not go beyond its end.
        with suppress(ValueError):
            if place := self.header.profile:
                self.fp.seek(start + place[0])  # type: ignore[union-attr]  # there is one while a file is opened
                profile = self.fp.read(place[1])  # type: ignore[union-attr]
                if len(profile) == place[1]:
                    self.info["icc_profile"] = profile

    def load(self) -> Any:
        """Decode the picture.  Alpha that is not announced, and is nothing but zeros, is opaque."""
        if self._im is None:
            if not self.tile:
                self.im = self.unpacked(is_deep=False).im
                self._mode = self.im.mode
            else:
                super().load()
                if self.mode == "RGBA" and self.header.packing is Packing.PLAIN and not self.getchannel("A").getbbox():
                    self.im.fillband(3, 255)
        return super().load()

    def unpacked(self, *, is_deep: bool) -> Frame:
        """The pixels where Pillow does not unpack them.  is_deep: 16 bits a channel."""
        assert self.fp is not None  # noqa: S101
        self.fp.seek(self._pixels_at)
        if self.header.packing in (Packing.PLAIN, Packing.MASKS):
            return read_masked(self.fp, self.header, is_deep=is_deep)
        return read_runs(self.fp, self.header, self._palette)


def _raw_mode(header: BitmapHeader, palette: bytes) -> str | None:
    """Pillow's name of the samples; None where this package unpacks them."""
    if header.packing not in (Packing.PLAIN, Packing.MASKS):
        return None
    if any(header.masks):
        return EQUAL_MASKS.get(header.masks) if header.bits == LONG else None
    if header.packing is Packing.MASKS:
        return None
    if header.bits == 8 and palette == GREYS:  # noqa: PLR2004
        return "L"
    if header.bits == 1 and palette == BLACK_AND_WHITE:
        return "1"
    return RAW_MODES[header.bits]


def _is_bare(head: bytes) -> bool:
    """Whether a file begins with the header of a bitmap, as the clipboard and resources have it."""
    length = int.from_bytes(head[:4], "little")
    if length not in LENGTHS or len(head) < PREFIX_BYTES:
        return False
    if length == CORE:
        width, height, planes, bits = struct.unpack_from("<HHHH", head, 4)
        code = 0
    else:
        width, height, planes, bits, code = struct.unpack_from("<iiHHI", head.ljust(20, b"\0"), 4)
    return width > 0 and height != 0 and planes == 1 and bits in BITS and code <= MOST_CODE


def _begins(head: bytes) -> bool:
    return head.startswith(SIGNATURE) or _is_bare(head)


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    if isinstance(image, BmpFile) and not image.tile:
        return image.unpacked(is_deep=is_deep and image.header.depth > 8)  # noqa: PLR2004
    return None


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.header.depth if isinstance(image, BmpFile) else 0


READER = "IMGSRV BMP"


def _register() -> None:
    Image.register_open(READER, BmpFile, _begins)


FORMAT = Format(
    name=NAME,
    label="BMP",
    pillow="BMP",
    browsers_show=True,
    reads_parts=True,
    media_type="image/bmp",
    suffixes=(".bmp", ".dib"),
    position=7,
    reader=READER,
    register=_register,
    signatures=(SIGNATURE,),
    begins=_is_bare,
    has_alpha=False,
    has_metadata=False,
    has_resolution=True,
    read_pixels=_read_pixels,
    bit_depth=_bit_depth,
    # Samples of 10 bits that are kept need this; all others need 6 at most.
    decode_bytes_per_pixel=10,
    encode_bytes_per_pixel=12,
    result_bytes_per_pixel=4,
)
