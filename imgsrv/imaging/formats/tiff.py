"""TIFF, read by Pillow or by our own decoder, and written by libdeflate."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from imgsrv.imaging.formats.format import EncoderSettings, Fitness, Format, Options
from imgsrv.imaging.formats.tiff_parts.file import READER, TiffFile, register
from imgsrv.imaging.formats.tiff_parts.writing import MODES, can_be_written, write
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame

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
    if frame.mode not in MODES:
        return False
    write(frame, metadata, file)
    return True


def _attach_metadata(exif: Image.Exif, xmp: bytes) -> Options:
    tags = dict(exif)
    if xmp:
        tags[XMP_TAG] = xmp
    return {"exif": tags} if tags else {}


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
    count_pages=_count_pages,
    reads_parts=True,
    decoded_area=_tile,
    read_pixels=_read_pixels,
    bit_depth=_bit_depth,
    write_still=_write_still,
    attach_metadata=_attach_metadata,
    try_tag=can_be_written,
    fitness=Fitness(photograph=0.1, drawing=0.2),
    # The widest strip that is decompressed as a whole takes 24, and the pixels take 8.  Usual files take 4 to 12.
    decode_bytes_per_pixel=33,
    encode_bytes_per_pixel=8,
    result_bytes_per_pixel=4,
)
