"""EXIF and XMP: any of it may be broken, and only the parts that are true of the result are written.

A tag that cannot be read or written costs the tag, never the picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from PIL import ExifTags, Image

from imgsrv.imaging.formats.format import Format
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
"""Tags of the main directory that describe the picture; the other tags describe the layout of the file."""

SPENT_TAGS = (
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.ExifInteroperabilityOffset,
    # Its offsets point into the file that it came from.
    ExifTags.Base.MakerNote,
)
"""Tags of the Exif directory that are not true of the result."""

BLOCKS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

_ORIENTATION_IN_XMP = re.compile(
    rb"""\stiff:Orientation\s*+=\s*+(["'])[0-9]\1|<tiff:Orientation>[0-9]</tiff:Orientation>"""
)
"""One blank before the attribute is enough: a pattern that takes all of them begins anew at each, in quadratic time."""


def read_metadata(form: Format, image: Image.Image) -> Metadata:
    """The metadata of the opened image, empty where it cannot be read."""
    xmp = image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    return Metadata(read_exif(form, image), xmp if isinstance(xmp, bytes) else None)


def read_orientation(form: Format, image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8."""
    if form.is_upright:
        return 1
    value = read_tag(read_exif(form, image), ExifTags.Base.Orientation)
    return value if value in range(1, 9) else 1


def read_exif(form: Format, image: Image.Image) -> Image.Exif:
    """The EXIF data of the opened image, empty where there is none that can be read."""
    if not form.may_read_exif(image):
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
    """The metadata that goes into a file of the format, as arguments of Pillow's encoder."""
    if which == "strip" or not form.has_metadata:
        return {}
    exif = Image.Exif()
    exif.update(_main_tags(metadata.exif, DESCRIPTIVE_TAGS if which == "keep" else COPYRIGHT_TAGS, form))
    if which == "keep" and form.has_subdirectories:
        exif.update({block: tags for block in BLOCKS if (tags := _block_tags(metadata.exif, block, form))})
    xmp = _ORIENTATION_IN_XMP.sub(b"", metadata.xmp) if which == "keep" and metadata.xmp else b""
    return form.attach_metadata(exif, xmp)


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
        form.try_tag(trial)
    except BROKEN:
        return False
    return True
