"""JPEG XL for Pillow: this module reads the header, so that the size is known before anything is decoded.

libjxl decodes the pixels.  Its plugin for Pillow decodes a whole file to open it.

Sources: ISO/IEC 18181-1 (codestream: size, then metadata) and 18181-2 (boxes).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageFile

from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.iso.media import boxes
from imgsrv.imaging.pixels.orientation import SIDEWAYS, upright

CODESTREAM, CONTAINER = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"
"""First bytes of a bare codestream, and of a container with boxes."""

HIGHEST_QUALITY, DEFAULT_EFFORT = 100, 3
"""Effort 3 takes an eighth of the time of libjxl's default, 7.  At a quality of 80 its files are no larger."""

HEADER_BYTES = 64
"""First bytes of a codestream that are parsed: more than its size and the parsed metadata can take."""

RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width to height, by the code in a header that gives no width."""

DIFFERENT_SIZE = "the size of its pixels is not the size in its header"

THREADS = 0
"""Additional threads of libjxl: none, because an engine has one core."""


@dataclass(frozen=True, slots=True)
class JxlHeader:
    """The header of a codestream.  size: of the upright picture, because libjxl applies the orientation."""

    size: tuple[int, int]
    orientation: int = 1
    bits: int = 8
    has_alpha: bool = False


class _Bits:
    """Reads numbers of a codestream, lowest bit first.  Raises SyntaxError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise SyntaxError("its header is cut off")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def choose(self, *ways: tuple[int, int]) -> int:
        """A number of type U32: its first two bits select one of the four pairs (offset, bits that are added)."""
        offset, bits = ways[self.take(2)]
        return offset + self.take(bits)


def read_jxl_header(data: bytes) -> JxlHeader:
    """The header of the codestream that begins with `data`.  Raises SyntaxError if `data` is not one."""
    if not data.startswith(CODESTREAM):
        raise SyntaxError("it has no codestream")
    bits = _Bits(data[2:HEADER_BYTES])
    size = _size(bits)
    if bits.take(1):
        return JxlHeader(size)
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        _skip_extra_fields(bits)
    is_float = bits.take(1)
    depth = (
        bits.choose((32, 0), (16, 0), (24, 0), (1, 6)) if is_float else bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    )
    bits.take(4 if is_float else 0)
    bits.take(1)
    channels = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
    return JxlHeader(size[::-1] if orientation in SIDEWAYS else size, orientation, depth, channels > 0)


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)
    height = _side(bits, is_small=is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, is_small=is_small), height
    across, down = RATIOS[ratio]
    return height * across // down, height


def _side(bits: _Bits, *, is_small: int) -> int:
    return 8 * (1 + bits.take(5)) if is_small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))


def _skip_extra_fields(bits: _Bits) -> None:
    """Skip the intrinsic size, the size of the preview and the timing of the animation."""
    if bits.take(1):
        _size(bits)
    if bits.take(1):
        is_small = bits.take(1)
        sides = ((16, 0), (32, 0), (1, 5), (33, 9)) if is_small else ((1, 6), (65, 8), (321, 10), (1345, 12))
        bits.choose(*sides)
        if bits.take(3) == 0:
            bits.choose(*sides)
    if bits.take(1):
        bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
        bits.take(1)


class JxlFile(ImageFile.ImageFile):
    """A JPEG XL picture in Pillow.  Opening reads size, EXIF and XMP; `load` decodes the pixels."""

    format = "JXL"
    format_description = "JPEG XL"

    def _open(self) -> None:
        data = self.fp.read()  # type: ignore[union-attr]  # there is one while a file is opened
        beginning = data[:HEADER_BYTES] if data.startswith(CODESTREAM) else self._read_boxes(data)
        self._data = data
        self.header = read_jxl_header(beginning)
        self._size = self.header.size
        self._mode = "RGBA" if self.header.has_alpha else "RGB"
        self.tile = []

    def _read_boxes(self, data: bytes) -> bytes:
        """The first bytes of the codestream.  EXIF and XMP of the other boxes go to `info`."""
        beginning = b""
        for kind, start, end in boxes(data):
            if kind in (b"jxlc", b"jxlp") and len(beginning) < HEADER_BYTES:
                # A partial codestream (jxlp) begins with its number, in 4 bytes.  A header may lie in several.
                beginning += data[start + (4 if kind == b"jxlp" else 0) : end][:HEADER_BYTES]
            elif kind == b"Exif":
                # The box begins with the offset of the TIFF header, in 4 bytes; some writers leave it out.
                self.info["exif"] = data[start if data[start : start + 2] in (b"II", b"MM") else start + 4 : end]
            elif kind == b"xml ":
                self.info["xmp"] = data[start:end]
        return beginning

    def load(self) -> Any:
        """Decode the pixels once.  Raises OSError for a broken file."""
        if self._im is None:
            image = self._decoded()
            if image.size != self.size:
                raise OSError(DIFFERENT_SIZE)
            self.im, self._mode = image.im, image.mode
        return super().load()

    def _decoded(self) -> Image.Image:
        from pillow_jxl import Decoder  # noqa: PLC0415  an optional wheel

        try:
            is_jpeg, info, pixels, profile, _boxes = Decoder(num_threads=THREADS)(self._data)
        except RuntimeError as error:
            raise OSError("it is broken or truncated") from error
        if is_jpeg:
            # A transcoded JPEG comes back as the original file, to which libjxl has not applied the orientation.
            image = Image.open(io.BytesIO(pixels), formats=["JPEG"])
            stored = self.size[::-1] if self.header.orientation in SIDEWAYS else self.size
            if image.size != stored:
                raise OSError(DIFFERENT_SIZE)
            image.load()
            profile = image.info.get("icc_profile")
            turned = upright(image, self.header.orientation)
        else:
            mode = "F" if info.mode == "F;16" else info.mode
            turned = Image.frombytes(mode, (info.width, info.height), pixels)
        if profile:
            self.info["icc_profile"] = profile
        return turned


@cache
def _register() -> None:
    from pillow_jxl import JpegXLImagePlugin  # noqa: PLC0415  an optional wheel

    # Without this line, Pillow would use the plugin's own reader, which decodes the whole file to open it.
    JpegXLImagePlugin.DECODE_THREADS = THREADS
    Image.register_open(JxlFile.format, JxlFile, lambda head: head.startswith((CODESTREAM, CONTAINER)))


def _options(settings: EncoderSettings) -> Options:
    effort = DEFAULT_EFFORT if settings.effort is None else max(1, settings.effort)
    # Quality 100 is a distance of 0, and libjxl accepts that only together with lossless.
    is_exact = settings.lossless or settings.quality == HIGHEST_QUALITY
    return {"quality": settings.quality, "lossless": is_exact, "effort": effort, "num_threads": THREADS}


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.header.bits if isinstance(image, JxlFile) else 0


def _attach_metadata(exif: Image.Exif, xmp: bytes) -> Options:
    options: dict[str, Any] = {"xmp": xmp} if xmp else {}
    if len(exif):
        # The box begins with the offset of the TIFF header, here 0; the plugin does not write it.
        options["exif"] = bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0")
    return options


FORMAT = Format(
    name="jxl",
    label="JPEG XL",
    pillow=JxlFile.format,
    media_type="image/jxl",
    suffixes=(".jxl",),
    position=11,
    extra="jxl",
    wheel="pillow_jxl",
    register=_register,
    signatures=(CONTAINER, CODESTREAM),
    fields=("quality", "lossless", "effort"),
    is_upright=True,
    bit_depth=_bit_depth,
    options=_options,
    attach_metadata=_attach_metadata,
    fitness=Fitness(photograph=1, drawing=1),
    lossless_drawings=True,
    decode_bytes_per_pixel=22,
    encode_bytes_per_pixel=76,
    slow_encode=(8, 290),
)
