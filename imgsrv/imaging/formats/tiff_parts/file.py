"""A TIFF as an image file of Pillow: tags, metadata and pages by Pillow, pixels by our decoder where Pillow errs."""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from PIL import Image, ImagePalette, TiffImagePlugin, TiffTags

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.decoders.tiff.decoder import decoded
from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.apart.decoders.tiff.reading import NotReadError, read_layout
from imgsrv.imaging.apart.decoders.tiff.tags import (
    COLOUR_MAP,
    JPEG,
    NONE,
    OF_PILLOW,
    OLD_JPEG,
    PHOTOMETRIC,
    PROFILE,
    RAW_SENSOR,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_OFFSETS,
    number,
)
from imgsrv.imaging.apart.pictures import Wanted, decode_apart, frame_of
from imgsrv.imaging.apart.tasks import Decoded
from imgsrv.imaging.formats.format import ReadAsError
from imgsrv.imaging.formats.jpeg_parts.scans import START
from imgsrv.imaging.formats.read_only import raw
from imgsrv.imaging.formats.tiff_parts.directories import (
    CANON_RAW,
    DNG_VERSION,
    MOST_SUBFILES,
    REDUCED,
    SUBFILES,
    Walk,
)
from imgsrv.imaging.formats.tiff_parts.pillow_reads import is_for_pillow
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.broken import is_lenient
from imgsrv.imaging.model.picture import Frame

NAME, READER = "tiff", "TIFF of imgsrv"
"""The name of the format, and that of this reader in Pillow."""

CAMERA_RAW = "the body is a camera raw file, which the extra `raw` adds"
LATER_PAGE = "this page has the raw data of a camera, which is read from the first page alone"

SAVE_AS = "or develop it and save it as a TIFF, PNG or JPEG"
AS_PLAIN = "save it as grey or RGB of 8 or 16 bits"
"""Advice."""

SUBFILE_TYPE, ORIENTATION, RESOLUTION, RESOLUTION_UNIT = 254, 274, (282, 283), 296

UNITS = {2: 1.0, 3: 2.54}
"""Pixels for an inch, by the value of ResolutionUnit: inches and centimetres."""

INTEGER_SIZES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
"""Bytes of an integer, by the type of a tag."""

MOST_TAG_BYTES = 1 << 20
"""Most bytes of a tag of numbers; a colour map of 16 bits has 393,216."""

OF_NUMBERS = tuple(
    tag
    for tag in (*range(254, 347), *range(512, 560))
    if tag not in (STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES)
)
"""Tags that say how the pixels lie, but for those of offsets and byte counts, which stay arrays."""

OF_ONE_OBJECT = (TiffTags.ASCII, TiffTags.BYTE, TiffTags.UNDEFINED)
"""Types whose values are one string, however long."""

PEAK_BYTES = 33.0
"""Memory of our decoder, in bytes for each pixel."""


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF.  layout: of the page at which it stands, where our decoder reads it; None where Pillow does.

    It is not turned upright: the size and the pixels are those of the file.
    """

    format = "TIFF"
    layout: Layout | None = None

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101  while a file is opened there is one
        head = self.fp.read(16)
        self.fp.seek(0)
        if head[8:10] == CANON_RAW and head[:4] == b"II*\0":
            raise _camera_raw(0)
        if head[:4] == b"MM\0+":
            self._open_big_endian_bigtiff(head)
        else:
            super()._open()

    def _open_big_endian_bigtiff(self, head: bytes) -> None:
        """Do what the method of Pillow does, which looks for the version of BigTIFF in the wrong byte."""
        assert self.fp is not None  # noqa: S101
        self.tag_v2 = TiffImagePlugin.ImageFileDirectory_v2(b"II+\0" + head[4:], prefix=b"MM")
        first = self.tag_v2.next
        self._TiffImageFile__first = self._TiffImageFile__next = first
        self._TiffImageFile__frame = -1
        self._fp = self.fp
        self._frame_pos = []
        self.fp.seek(0, 2)
        self._tag_data_remaining = self.fp.tell()
        self._tag_data_limits = []
        self._seek(0)

    @property
    def _is_big(self) -> bool:
        return bool(self.tag_v2.prefix == b"MM")

    def _setup(self) -> None:
        """Look at the tags of a page.  Raises Undecodable for what neither decoder reads, with its name."""
        self._refuse_camera_raw()
        self.layout = None
        self._bound_tags()
        addresses = {tag: self._addresses(tag) for tag in (STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES)}
        try:
            layout = read_layout(self.tag_v2, addresses, is_big=self._is_big)
        except NotReadError as error:
            raise Undecodable(NAME, f"{error} is not read", AS_PLAIN) from error
        except (ValueError, TypeError):
            layout = None  # Pillow says what is wrong, or reads it nevertheless
        if layout is not None and self._is_whole_jpeg(layout):
            self._take(replace(layout, compression=JPEG))
            return
        named = max(len(addresses[STRIP_OFFSETS]), len(addresses[TILE_OFFSETS]))
        # Pillow stops at the first strip that is broken.
        is_pillows = layout is None or layout.compression in OF_PILLOW or not is_lenient()
        if layout is None or (
            is_pillows
            and is_for_pillow(layout, named)
            and (PHOTOMETRIC in self.tag_v2 or layout.compression in OF_PILLOW)
        ):
            self._leave_to_pillow(layout)
        else:
            self._take(layout)

    def _is_whole_jpeg(self, layout: Layout) -> bool:
        """Grey of old JPEG in one strip that is a JPEG of its own; libtiff trusts tags that have its place wrong."""
        if layout.compression != OLD_JPEG or layout.samples != 1 or len(layout.offsets) != 1:
            return False
        assert self.fp is not None  # noqa: S101
        at = self.fp.tell()
        self.fp.seek(int(layout.offsets[0]))
        begins = self.fp.read(len(START)) == START
        self.fp.seek(at)
        return begins

    def _leave_to_pillow(self, layout: Layout | None) -> None:
        """Let Pillow read the page, or our decoder what Pillow does not know after all."""
        try:
            super()._setup()
        except (SyntaxError, LookupError):
            if layout is None or layout.compression in OF_PILLOW:
                raise
            self._take(layout)
            return
        self._mend_palette()
        self._size = self._tile_size

    def _take(self, layout: Layout) -> None:
        """Make the page one of our decoder."""
        self.layout = layout
        self._size = self._tile_size = layout.size
        mode = layout.mode(is_deep=True)
        self._mode = mode if mode == "I;16" else mode.removesuffix(";16")
        self.tile, self.palette = [], None
        self.info.pop("icc_profile", None)
        if isinstance(profile := self.tag_v2.get(PROFILE), bytes):
            self.info["icc_profile"] = profile
        self.info["compression"] = TiffImagePlugin.COMPRESSION_INFO.get(layout.compression, "")
        across, down = (self.tag_v2.get(tag) for tag in RESOLUTION)
        inches = UNITS.get(self.tag_v2.get(RESOLUTION_UNIT, 2))
        if across and down and inches:
            self.info["dpi"] = across * inches, down * inches

    def _bound_tags(self) -> None:
        """Refuse a tag of so many numbers that objects for all of them would fill the memory."""
        for tag in OF_NUMBERS:
            size = len(self.tag_v2._tagdata.get(tag, b""))  # noqa: SLF001
            if size > MOST_TAG_BYTES and self.tag_v2.tagtype.get(tag) not in OF_ONE_OBJECT:
                raise Undecodable(NAME, f"its tag {tag} has more than {MOST_TAG_BYTES:,} bytes")

    def _mend_palette(self) -> None:
        """Pillow takes the high bytes of a colour map; some writers store 8 bits, which libtiff sees too."""
        if self.mode in ("P", "PA") and self.palette is not None:
            levels = self.tag_v2[COLOUR_MAP]
            if levels and max(levels) < 256:  # noqa: PLR2004
                self.palette = ImagePalette.raw("RGB;L", levels)

    def _addresses(self, tag: int) -> Any:
        """The numbers of a tag of offsets or counts, without an object for each of maybe millions."""
        data = self.tag_v2._tagdata.get(tag, b"")  # noqa: SLF001
        size = INTEGER_SIZES.get(self.tag_v2.tagtype.get(tag, 0), 0)
        if not size:
            return np.zeros(0, np.uint64)
        return np.frombuffer(data, f"{'>' if self._is_big else '<'}u{size}", len(data) // size).astype(np.uint64)

    def _refuse_camera_raw(self) -> None:
        """Raise ReadAsError or Undecodable for a page of raw data, and for the preview of one."""
        if self.tag_v2.get(PHOTOMETRIC) in RAW_SENSOR:
            raise _camera_raw(self.tell())
        is_preview = self.tag_v2.get(SUBFILE_TYPE, 0) == REDUCED or DNG_VERSION in self.tag_v2
        offsets = self._addresses(SUBFILES)[:MOST_SUBFILES] if is_preview else ()
        walk = Walk(self.fp, is_big=self._is_big, is_bigtiff=self.tag_v2._bigtiff)  # type: ignore[arg-type]  # noqa: SLF001
        for offset in offsets:
            if dict(walk.entries(int(offset))).get(PHOTOMETRIC) in RAW_SENSOR:
                raise _camera_raw(self.tell())

    def getexif(self) -> Image.Exif:
        """The tags, and an orientation of any integer type as one of the right type, as libtiff reads it."""
        exif = super().getexif()
        types = getattr(exif._info, "tagtype", {})  # noqa: SLF001
        if ORIENTATION in types and types[ORIENTATION] in INTEGER_SIZES:
            exif[ORIENTATION] = number(self.tag_v2, ORIENTATION, 1)
            types[ORIENTATION] = TiffTags.SHORT
        return exif

    def count_pages(self) -> int | None:
        """The number of pages; None where they are too many to count."""
        assert self._fp is not None  # noqa: S101  it is kept for further pages
        return Walk(self._fp, is_big=self._is_big, is_bigtiff=self.tag_v2._bigtiff).pages()  # type: ignore[arg-type]  # noqa: SLF001

    def pixels(self, *, is_deep: bool) -> Frame | None:
        """The pixels of the page, with 16 bits where they are wanted; None where Pillow reads it."""
        if self.layout is None:
            return None
        layout, mode = replace(self.layout, is_lenient=is_lenient()), self.layout.mode(is_deep=is_deep)
        file = self.fp
        assert file is not None  # noqa: S101  it is kept for further pages
        if layout.compression == NONE:
            file.seek(0)
            data = file.getvalue() if isinstance(file, io.BytesIO) else file.read()
            return frame_of(mode, layout.size, Decoded(decoded(data, layout, mode)))
        wanted = Wanted(NAME, mode, layout.size, {"layout": layout, "page": self.tell()}, PEAK_BYTES)
        return decode_apart(file, NAME, wanted)[0]

    def load(self) -> Any:
        """Decode the pixels, in 8 bits where our decoder does it."""
        if self.layout is not None and self._im is None:
            frame = self.pixels(is_deep=self.mode == "I;16")
            assert frame is not None  # noqa: S101  there is a layout
            self.im = frame.im
            self._mode = frame.mode
            return Image.Image.load(self)
        return super().load()

    def load_end(self) -> None:
        """Do not turn the pixels upright, as Pillow would: that is done for every format in one place."""


def _camera_raw(page: int) -> Exception:
    """What to raise for a page of raw data."""
    if page:
        return Undecodable(NAME, LATER_PAGE, SAVE_AS.removeprefix("or "))
    if find_spec(raw.WHEEL) is None:
        return Undecodable(NAME, CAMERA_RAW, SAVE_AS)
    return ReadAsError(raw.NAME)


def register() -> None:
    """Let Pillow open a TIFF by this reader, under its own name."""
    if READER not in Image.OPEN:
        Image.register_open(READER, TiffFile, TiffImagePlugin._accept)  # noqa: SLF001
