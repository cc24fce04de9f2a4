"""The metadata of a file as short texts: EXIF, IPTC, XMP, the name of the colour profile, and the place.

Metadata may be broken in any way; a value that cannot be read is left out.
"""

from __future__ import annotations

import html
import io
import math
import re
from typing import Any

from PIL import ExifTags, Image, ImageCms, ImageFile, IptcImagePlugin

from imgsrv.imaging.colour.icc import MAX_PROFILE_BYTES
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.metadata.exif import RawText, read_exif, read_tag
from imgsrv.imaging.model.broken import BROKEN
from imgsrv.imaging.model.picture_facts import Place

EXIF_SUMMARY = {
    "make": ExifTags.Base.Make,
    "model": ExifTags.Base.Model,
    "software": ExifTags.Base.Software,
    "date_time": ExifTags.Base.DateTime,
    "artist": ExifTags.Base.Artist,
    "copyright": ExifTags.Base.Copyright,
    "description": ExifTags.Base.ImageDescription,
}
"""No place and no serial number: those identify people."""

EXPOSURE_SUMMARY = {
    "taken": ExifTags.Base.DateTimeOriginal,
    "lens": ExifTags.Base.LensModel,
    "exposure_s": ExifTags.Base.ExposureTime,
    "f_number": ExifTags.Base.FNumber,
    "iso": ExifTags.Base.ISOSpeedRatings,
    "focal_length_mm": ExifTags.Base.FocalLength,
}
"""The same of the directory with the exposure."""

IPTC_SUMMARY = {
    "title": (2, 5),
    "headline": (2, 105),
    "caption": (2, 120),
    "byline": (2, 80),
    "credit": (2, 110),
    "copyright": (2, 116),
}
IPTC_KEYWORDS = (2, 25)

XMP_SUMMARY = {
    "title": b"dc:title",
    "description": b"dc:description",
    "creator": b"dc:creator",
    "rights": b"dc:rights",
    "tool": b"xmp:CreatorTool",
    "rating": b"xmp:Rating",
}

LONGEST_TEXT = 200
"""Characters of one text at most; files can hold texts of any length."""

MOST_KEYWORDS, LONGEST_KEYWORD = 32, 64

LONGEST_INSIDE = 40 * LONGEST_TEXT
"""Characters of a text with its entities, of which none has more than 33."""

LONGEST_XMP = 1 << 20
"""Bytes of XMP that are searched."""

_TAG = re.compile(rb"<[^<>]*>")


def profile_name(profile: bytes | None) -> str | None:
    """The description of a colour profile; `unreadable` for a broken one, None for none."""
    if not profile:
        return None
    if len(profile) > MAX_PROFILE_BYTES:
        return "unreadable"
    try:
        return _text(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))))
    except (ImageCms.PyCMSError, OSError):
        return "unreadable"


def exif_summary(form: Format, image: Image.Image) -> dict[str, str]:
    """The texts of EXIF_SUMMARY and EXPOSURE_SUMMARY that the file has."""
    exif = read_exif(form, image)
    found = {name: read_tag(exif, tag) for name, tag in EXIF_SUMMARY.items()}
    exposure = _directory(exif, ExifTags.IFD.Exif)
    found |= {name: exposure.get(tag) for name, tag in EXPOSURE_SUMMARY.items()}
    # Pillow reads each byte as a character of Latin-1, and many files have UTF-8.
    return _told({name: RawText(value).encode() if isinstance(value, str) else value for name, value in found.items()})


def iptc_summary(image: Image.Image) -> dict[str, Any]:
    """The texts of IPTC_SUMMARY that the file has, and its keywords."""
    try:
        found = IptcImagePlugin.getiptcinfo(image) if isinstance(image, ImageFile.ImageFile) else None
    except BROKEN:
        return {}
    if not found:
        return {}
    listed = found.get(IPTC_KEYWORDS) or []
    keywords = [_text(one, LONGEST_KEYWORD) for one in (listed if isinstance(listed, list) else [listed])]
    told: dict[str, Any] = dict(_told({name: found.get(place) for name, place in IPTC_SUMMARY.items()}))
    return {**told, "keywords": keywords[:MOST_KEYWORDS]} if keywords else told


def xmp_summary(image: Image.Image) -> dict[str, str]:
    """The texts of XMP_SUMMARY that the file has, as elements or attributes, in all its languages."""
    xmp = image.info.get("xmp")
    data = (xmp.encode() if isinstance(xmp, str) else bytes(xmp or b""))[:LONGEST_XMP]
    return _told({name: _xmp_value(data, tag) for name, tag in XMP_SUMMARY.items()})


def read_place(form: Format, image: Image.Image) -> Place | None:
    """The place where the picture was taken, in degrees and metres; None where the file has none."""
    tags = _directory(read_exif(form, image), ExifTags.IFD.GPSInfo)
    latitude = _degrees(tags.get(ExifTags.GPS.GPSLatitude), tags.get(ExifTags.GPS.GPSLatitudeRef), 90)
    longitude = _degrees(tags.get(ExifTags.GPS.GPSLongitude), tags.get(ExifTags.GPS.GPSLongitudeRef), 180)
    if latitude is None or longitude is None:
        return None
    height = _number(tags.get(ExifTags.GPS.GPSAltitude))
    is_below = tags.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\x01")
    return {
        "latitude": latitude,
        "longitude": longitude,
        "altitude_m": None if height is None else round(-height if is_below else height, 2),
    }


def _directory(exif: Image.Exif, which: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(which))
    except BROKEN:
        return {}


def _degrees(value: Any, side: Any, most: int) -> float | None:
    parts = [number for part in value if (number := _number(part)) is not None] if isinstance(value, tuple) else []
    angle: float = sum(part / 60.0**place for place, part in enumerate(parts))
    if len(parts) != len("dms") or not 0 <= angle <= most:
        return None
    return round(-angle if side in ("S", "W") else angle, 7)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except BROKEN:
        return None
    return number if math.isfinite(number) else None


def _xmp_value(data: bytes, tag: bytes) -> str:
    """The text of an element or, where there is none, of an attribute."""
    _, found, rest = data.partition(b"<" + tag + b">")
    if found:
        inside = _TAG.sub(b" ", rest.partition(b"</" + tag + b">")[0])
    else:
        inside = data.partition(b" " + tag + b'="')[2].partition(b'"')[0]
    # The text is cut to its length later, for a cut could divide an entity.
    text = " ".join(_decoded(inside).split())[:LONGEST_INSIDE]
    try:
        return html.unescape(text)
    except ValueError:
        # Python's int() refuses an entity of thousands of digits.
        return text


def _told(found: dict[str, Any]) -> dict[str, str]:
    texts = {name: _text(value) for name, value in found.items() if value is not None}
    return {name: text for name, text in texts.items() if text}


def _text(value: Any, longest: int = LONGEST_TEXT) -> str:
    """The value as one line of printable characters."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, bytes):
        value = _decoded(value[: 8 * longest])
    return "".join(filter(str.isprintable, str(value)[: 8 * longest])).strip()[:longest]


def _decoded(data: bytes) -> str:
    """The text in UTF-8; bytes that are not UTF-8 are mostly Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
