"""TIFF by Pillow, through libtiff, large ones in a process of their own; 16 bits a channel are written by OpenCV."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from imgsrv.imaging.apart.pictures import save_apart
from imgsrv.imaging.apart.pool import is_warm
from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.tiff_reading.file import READER, TiffFile, register
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame, write_tiff

COMPRESSION = "tiff_adobe_deflate"

APART_PIXELS = 100_000
"""From this size on libtiff compresses for so long, 6 ms, that the interpreter's lock is not left to it."""

XMP_TAG = 700
"""The tag that holds XMP."""


def _tile(image: Image.Image) -> Size:
    """Libtiff decodes whole tiles, however little of them the picture shows."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(tag, 1) for tag in (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (1, 1)


def _bit_depth(_data: bytes, image: Image.Image) -> int:
    if isinstance(image, TiffFile) and image.layout:
        return image.layout.bits
    bits = getattr(image, "tag_v2", {}).get(TiffImagePlugin.BITSPERSAMPLE, 1)
    bits = bits[0] if isinstance(bits, tuple) and bits else bits
    return bits if isinstance(bits, int) else 0


def _read_pixels(image: Image.Image, is_deep: bool) -> Frame | None:  # noqa: FBT001
    return image.pixels(is_deep=is_deep) if isinstance(image, TiffFile) else None


def _count_pages(image: Image.Image) -> int | None:
    return image.count_pages() if isinstance(image, TiffFile) else 1


def _write_still(frame: Frame, _settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    if not isinstance(frame, DeepFrame) or metadata:
        return False
    write_tiff(frame, file)
    return True


def _save(form: Format, frame: Frame, file: BinaryIO, options: Options) -> None:
    if is_warm() and frame.width * frame.height >= APART_PIXELS:
        save_apart(frame, file, form.name, form.pillow, options, form.encode_bytes_per_pixel)
    else:
        frame.save(file, form.pillow, **options)


def _attach_metadata(exif: Image.Exif, xmp: bytes) -> Options:
    if xmp:
        exif[XMP_TAG] = xmp
    # libtiff is given the tags one by one.
    return {"exif": exif} if len(exif) else {}


def _try_tag(exif: Image.Exif) -> None:
    # libtiff is more particular than Pillow's own writer.
    Image.new("L", (1, 1)).save(io.BytesIO(), FORMAT.pillow, exif=exif, compression=COMPRESSION)


FORMAT = Format(
    name="tiff",
    label="TIFF",
    pillow="TIFF",
    media_type="image/tiff",
    suffixes=(".tif", ".tiff"),
    position=6,
    reader=READER,
    register=register,
    signatures=(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
    fields=("icc",),
    has_16_bits=True,
    has_pages=True,
    count_pages=_count_pages,
    reads_parts=True,
    decoded_area=_tile,
    read_pixels=_read_pixels,
    bit_depth=_bit_depth,
    options=lambda _settings: {"compression": COMPRESSION},
    write_still=_write_still,
    save=_save,
    attach_metadata=_attach_metadata,
    # libtiff, as Pillow calls it, writes no directory below the main one.
    has_subdirectories=False,
    try_tag=_try_tag,
    fitness=Fitness(photograph=0.1, drawing=0.2),
    decode_bytes_per_pixel=33,
    encode_bytes_per_pixel=26,
)
