"""EXIF and XMP: read without trust, written only where it still holds of the result.

A tag that cannot be read or written costs the tag, never the picture.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, Literal

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from imgsrv.imaging.formats import Format
from imgsrv.imaging.model.broken import BROKEN
from imgsrv.imaging.model.picture import Metadata

COPYRIGHT_TAGS = (ExifTags.Base.Artist, ExifTags.Base.Copyright)

DESCRIPTIVE_TAGS = (
    *COPYRIGHT_TAGS,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.HostComputer,
    ExifTags.Base.Rating,
    ExifTags.Base.RatingPercent,
    ExifTags.Base.XPTitle,
    ExifTags.Base.XPComment,
    ExifTags.Base.XPAuthor,
    ExifTags.Base.XPKeywords,
    ExifTags.Base.XPSubject,
)
"""What the main directory says of the picture; its other tags say how a file lays out its pixels."""

SPENT_TAGS = (
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.ExifInteroperabilityOffset,
    # Its offsets point into the file that it came from.
    ExifTags.Base.MakerNote,
)
"""What of the Exif directory does not hold of the result any more."""

BLOCKS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

XMP_TAG = 700
"""Where a TIFF has its XMP."""

XMP_KEYWORD = "XML:com.adobe.xmp"
"""What a PNG calls its XMP."""

UPRIGHT = ("TIFF", "HEIF", "JXL")
"""Formats whose decoders turn a picture upright while they load it and give the upright size before."""

JPEG_SEGMENT = 65_533 - len("http://ns.adobe.com/xap/1.0/\0")
"""Bytes that EXIF or XMP may have in a JPEG, which holds each in one segment."""

_ORIENTATION_IN_XMP = re.compile(
    rb"""\s+tiff:Orientation\s*=\s*(["'])[0-9]\1|<tiff:Orientation>[0-9]</tiff:Orientation>"""
)


def read_metadata(image: Image.Image) -> Metadata:
    """What the opened image says of itself; nothing where that cannot be read."""
    xmp = image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    return Metadata(read_exif(image), xmp if isinstance(xmp, bytes) else None)


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8."""
    if image.format in UPRIGHT:
        return 1
    value = read_tag(read_exif(image), ExifTags.Base.Orientation)
    return value if value in range(1, 9) else 1


def read_exif(image: Image.Image) -> Image.Exif:
    """The EXIF data of the opened image, empty where there is none that can be read."""
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        # Pillow would decode the whole picture to look for the tag behind the pixels.
        return Image.Exif()
    try:
        return image.getexif()
    except BROKEN:
        return Image.Exif()


def read_tag(exif: Image.Exif, tag: int) -> Any:
    """The value of a tag of the main directory; None where there is none or it is broken."""
    try:
        return exif.get(tag)
    except BROKEN:
        return None


def written_metadata(
    form: Format, metadata: Metadata, which: Literal["strip", "copyright", "keep"]
) -> Mapping[str, Any]:
    """What of the metadata goes into a file of the format, as arguments of Pillow's encoder."""
    if which == "strip" or not form.has_metadata:
        return {}
    exif = Image.Exif()
    exif.update(_main_tags(metadata.exif, DESCRIPTIVE_TAGS if which == "keep" else COPYRIGHT_TAGS, form))
    # libtiff, as Pillow calls it, writes no directory below the main one.
    if which == "keep" and form.pillow != "TIFF":
        exif.update({block: tags for block in BLOCKS if (tags := _block_tags(metadata.exif, block, form))})
    xmp = _ORIENTATION_IN_XMP.sub(b"", metadata.xmp) if which == "keep" and metadata.xmp else b""
    options: dict[str, Any] = {}
    if xmp and form.pillow == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt(XMP_KEYWORD, xmp.decode(errors="replace"))
    elif xmp and form.pillow == "TIFF":
        exif[XMP_TAG] = xmp
    elif xmp and (form.pillow != "JPEG" or len(xmp) <= JPEG_SEGMENT):
        options["xmp"] = xmp
    if len(exif) and (form.pillow != "JPEG" or len(exif.tobytes()) <= JPEG_SEGMENT):
        options["exif"] = _exif_argument(form, exif)
    return options


def _exif_argument(form: Format, exif: Image.Exif) -> Image.Exif | bytes:
    """As Pillow's encoder takes it."""
    if form.pillow == "TIFF":
        # libtiff is given the tags one by one.
        return exif
    data = exif.tobytes()
    # A box of JPEG XL begins with how far behind it the TIFF header lies, which its plugin leaves to the caller.
    return bytes(4) + data.removeprefix(b"Exif\0\0") if form.pillow == "JXL" else data


def _main_tags(exif: Image.Exif, tags: tuple[int, ...], form: Format) -> dict[int, Any]:
    found = {tag: read_tag(exif, tag) for tag in tags}
    return {tag: value for tag, value in found.items() if value is not None and _is_writable(form, tag, value)}


def _block_tags(exif: Image.Exif, block: int, form: Format) -> dict[int, Any]:
    try:
        found = exif.get_ifd(block)
    except BROKEN:
        return {}
    return {
        tag: value for tag, value in found.items() if tag not in SPENT_TAGS and _is_writable(form, block, {tag: value})
    }


def _is_writable(form: Format, tag: int, value: Any) -> bool:
    """Pillow derives the type of a tag from its value and fails on some, so each tag is tried by itself."""
    trial = Image.Exif()
    trial[tag] = value
    try:
        if form.pillow == "TIFF":
            # libtiff is more particular than Pillow's own writer.
            Image.new("L", (1, 1)).save(io.BytesIO(), form.pillow, exif=trial, compression="tiff_adobe_deflate")
        else:
            trial.tobytes()
    except BROKEN:
        return False
    return True
