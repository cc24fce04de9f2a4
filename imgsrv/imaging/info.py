"""What a picture is, as `POST /info` answers: from the header, without decoding a pixel."""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image, ImageCms

from imgsrv.imaging.decode import Header, read_header
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.limits import Data, Limits
from imgsrv.imaging.metadata import read_exif, read_tag

EXIF_SUMMARY = {
    "make": ExifTags.Base.Make,
    "model": ExifTags.Base.Model,
    "software": ExifTags.Base.Software,
    "date_time": ExifTags.Base.DateTime,
    "artist": ExifTags.Base.Artist,
    "copyright": ExifTags.Base.Copyright,
}
"""No place and no serial number: those identify people."""

LONGEST_TEXT = 200
"""Characters of one EXIF text that are told; files can hold any amount of anything there."""


def describe_picture(data: Data, limits: Limits) -> dict[str, Any]:
    """The description, JSON-compatible; width and height are those of the upright picture.

    frames is null where only decoding could count them.  Raises what `read_header` raises.
    """
    header = read_header(data, limits)
    image = header.image
    return {
        "format": header.format,
        "media_type": FORMATS[header.format].media_type,
        "width": header.size[0],
        "height": header.size[1],
        "mode": image.mode,
        "has_alpha": image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
        "frames": _frames(header),
        "orientation": header.orientation,
        "profile": _profile_name(image.info.get("icc_profile")),
        "exif": _summary(image),
    }


def _frames(header: Header) -> int | None:
    return None if header.format == "gif" and getattr(header.image, "is_animated", False) else header.frames


def _profile_name(profile: bytes | None) -> str | None:
    if not profile:
        return None
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError):
        return "unreadable"


def _summary(image: Image.Image) -> dict[str, str]:
    exif = read_exif(image)
    found = {name: read_tag(exif, tag) for name, tag in EXIF_SUMMARY.items()}
    return {name: str(value).strip("\0 ")[:LONGEST_TEXT] for name, value in found.items() if value}
