"""JPEG 2000 for Pillow: the header is read here, and OpenJPEG decodes in a process of its own.

Pillow writes it, which keeps the interpreter's lock to the end, so that larger pictures are written there too.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cache
from mmap import mmap
from typing import IO, Any, BinaryIO

from PIL import Image, ImageFile

from imgsrv.imaging.apart.pictures import Wanted, decode_apart, save_apart
from imgsrv.imaging.apart.pool import is_warm
from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.jp2_codestream import SIZE_MARKER
from imgsrv.imaging.formats.jp2_header import NAME, Jp2Header, read_jp2_header
from imgsrv.imaging.formats.jp2_writing import write_deep
from imgsrv.imaging.model.broken import is_lenient
from imgsrv.imaging.model.limits import Data
from imgsrv.imaging.model.picture import Frame

APART_PIXELS = 20_000
"""From this size on writing takes more than 10 ms; smaller pictures are written in the worker.  Reading never is, as
what is read comes from a client.
"""

BOX_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"

COMPONENT_BYTES = 4
"""OpenJPEG decodes each sample to so many bytes."""


class Jp2File(ImageFile.ImageFile):
    """A JPEG 2000 picture in Pillow.  Opening reads its header; `load` decodes the pixels."""

    format = "JP2"
    format_description = "JPEG 2000"

    def _open(self) -> None:
        assert self.fp is not None  # noqa: S101  there is one while a file is opened
        self.header: Jp2Header = read_jp2_header(_bytes(self.fp))
        self._size = self.header.codestream.size
        self._mode = _mode(self.header, is_deep=False)
        self._halvings = 0
        if self.header.profile:
            self.info["icc_profile"] = self.header.profile
        self.info.update({name: data for name, data in (("exif", self.header.exif), ("xmp", self.header.xmp)) if data})
        self.tile = []

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Halve the size at which `load` decodes, as long as it stays larger than `size` and the file allows it."""
        del mode
        if size is None or not _is_scalable(self.header):
            return
        width, height = self.header.codestream.size
        while (
            self._halvings < self.header.codestream.levels
            and width >> (self._halvings + 1) >= size[0]
            and height >> (self._halvings + 1) >= size[1]
        ):
            self._halvings += 1
        if self._halvings:
            # A sample of a smaller scale stands where the first of its pixels stood, so that the picture ends behind
            # the middle of the last one; see `_scaled_start`.
            self._size = -(-width >> self._halvings) + 1, -(-height >> self._halvings) + 1

    def pixels(self, *, is_deep: bool) -> Frame:
        """The decoded frame.  Raises what `decode_apart` raises."""
        assert self.fp is not None  # noqa: S101  for the type checker
        header = self.header
        mode = _mode(header, is_deep=is_deep)
        order = {
            "codestream": header.codestream.start,
            "reduce": self._halvings,
            "grid": header.codestream.grid,
            "tile": header.codestream.tile,
            "is_lenient": is_lenient(),
            "depths": tuple((part.bits, part.is_signed) for part in header.codestream.components),
            "is_subsampled": header.codestream.is_subsampled,
            "channels": header.channels,
            "colour_count": header.colour_count,
            "palette": header.palette,
            "colours": "plain" if header.colours == "cmyk" else header.colours,
            "is_premultiplied": header.is_premultiplied,
            "lab": header.lab,
        }
        needed = FORMAT.decode_bytes_per_pixel + COMPONENT_BYTES * len(header.codestream.components)
        return decode_apart(self.fp, NAME, Wanted(NAME, mode, self._size, order, needed))[0]

    def load(self) -> Any:
        """Decode the pixels once."""
        if self._im is None:
            self.im = self.pixels(is_deep=False).im
        return super().load()


def _bytes(file: Any) -> Data:
    """The bytes of a file; a memory mapping is not copied."""
    return file if isinstance(file, mmap) else bytes(file.read())


def _mode(header: Jp2Header, *, is_deep: bool) -> str:
    """The mode of the frame.  CMYK and CIELab have neither alpha nor more than 8 bits."""
    if header.colours in ("cmyk", "lab"):
        return "CMYK" if header.colours == "cmyk" else "LAB"
    grey, has_alpha = header.colour_count == 1, header.has_alpha
    if is_deep and header.bits > 8:  # noqa: PLR2004
        return "RGBA;16" if has_alpha else "I;16" if grey else "RGB;16"
    return ("LA" if has_alpha else "L") if grey else ("RGBA" if has_alpha else "RGB")


def _is_scalable(header: Jp2Header) -> bool:
    """Smaller scales show the same picture: no palette, no subsampling, and a picture at the origin of its grid."""
    codestream = header.codestream
    return not header.palette and not codestream.is_subsampled and codestream.grid[:2] == codestream.tile[:2] == (0, 0)


def _options(settings: EncoderSettings) -> Options:
    if settings.lossless:
        return {"irreversible": False}
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [_decibels(settings)]}


def _decibels(settings: EncoderSettings) -> float:
    """Quality 0..100 as a target of 25..50 dB, the range between visibly coded and visually lossless."""
    return 25 + settings.quality / 4


def _write_still(frame: Frame, settings: EncoderSettings, _metadata: Options, file: BinaryIO) -> bool:
    return write_deep(frame, settings, _decibels(settings), file)


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    return image.header.bits if isinstance(image, Jp2File) else 0


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    return image.pixels(is_deep=is_deep) if isinstance(image, Jp2File) else None


def _variant(_file: IO[bytes], data: Data) -> Format | None:
    """The row with the scales that the codestream has."""
    header = read_jp2_header(data)
    levels = min(header.codestream.levels, len(SCALES))
    return SCALABLE.get((levels, header.codestream.is_lossless)) if _is_scalable(header) else None


def _scaled_start(scale: int) -> float:
    """Where the picture begins: a sample at 1/scale stands where the first of its `scale` pixels stood (annex F)."""
    return 0.5 - 0.5 / scale


def _unread(file: IO[bytes]) -> tuple[str, str] | None:
    """Broken headers by their fault."""
    file.seek(0)
    try:
        read_jp2_header(file.read())
    except SyntaxError as error:
        return str(error), ""
    except (IndexError, struct.error):
        return None
    return None


@cache
def _register() -> None:
    # Pillow's own reader comes first: a program that opens pictures by Pillow itself goes on to get that one.
    from PIL import Jpeg2KImagePlugin  # noqa: F401, PLC0415

    Image.register_open(Jp2File.format, Jp2File, lambda head: head.startswith((BOX_SIGNATURE, SIZE_MARKER)))


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    if is_warm() and frame.width * frame.height >= APART_PIXELS:
        save_apart(frame, file, form.name, form.pillow, options, form.encode_bytes_per_pixel)
    else:
        frame.save(file, form.pillow, **options)


FORMAT = Format(
    name=NAME,
    label="JPEG 2000",
    pillow="JPEG2000",
    reader=Jp2File.format,
    media_type="image/jp2",
    suffixes=(".jp2", ".j2k"),
    position=8,
    register=_register,
    signatures=(BOX_SIGNATURE, SIZE_MARKER),
    fields=("quality", "lossless"),
    default_quality=57,
    has_metadata=False,
    has_16_bits=True,
    bit_depth=_bit_depth,
    # Its EXIF turns nothing, as in other readers.
    is_upright=True,
    scaled_start=_scaled_start,
    variant=_variant,
    unread_variant=_unread,
    read_pixels=_read_pixels,
    reads_parts=True,
    options=_options,
    write_still=_write_still,
    save=_save,
    fitness=Fitness(photograph=0.8),
    decode_bytes_per_pixel=34,
    encode_bytes_per_pixel=70,
)

SCALES, LOSSLESS_SCALES = (8, 4, 2), (4, 2)

SPARE, LOSSLESS_SPARE = 1.5, 2.0
"""The low-pass filters of the wavelets let fine detail through as false coarse detail, that of 5/3 more of it."""

SCALABLE = {
    (levels, is_lossless): replace(FORMAT, scales=scales[-levels:], scale_spare=spare)
    for is_lossless, scales, spare in ((False, SCALES, SPARE), (True, LOSSLESS_SCALES, LOSSLESS_SPARE))
    for levels in range(1, len(SCALES) + 1)
}
"""Rows by the number of times that a picture can be halved, and by the wavelet."""
