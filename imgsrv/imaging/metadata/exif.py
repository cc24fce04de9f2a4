"""EXIF and XMP: any of it may be broken, and only the parts that are true of the result are written.

A tag that cannot be read or written costs the tag, never the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from PIL import ExifTags, Image, TiffTags

from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.metadata.resolution import add_resolution, read_resolution
from imgsrv.imaging.metadata.utf8_tags import with_plain_texts
from imgsrv.imaging.metadata.xmp import true_xmp
from imgsrv.imaging.model.broken import BROKEN
from imgsrv.imaging.model.picture import Metadata
from imgsrv.imaging.pixels.orientation import SIDEWAYS

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


class RawText(str):
    """A text of EXIF whose encoding gives the bytes of the file that it came from, for tags of no type in Pillow.

    The standard says ASCII, and files have UTF-8 or Latin-1.  Pillow reads each byte as the character of Latin-1, and
    writes a question mark for whatever is not ASCII.
    """

    __slots__ = ()

    def encode(self, _encoding: str = "", _errors: str = "") -> bytes:
        """The bytes of the file; a question mark for a character that came from elsewhere."""
        return str.encode(self, "latin-1", "replace")


def read_metadata(form: Format, image: Image.Image) -> Metadata:
    """The metadata of the opened image, empty where it cannot be read."""
    xmp = image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    orientation, exif = read_orientation(form, image), read_exif(form, image)
    resolution = read_resolution(image, exif)
    if resolution and orientation in SIDEWAYS:
        resolution = resolution[::-1]
    return Metadata(exif, xmp if isinstance(xmp, bytes) else None, orientation != 1, resolution)


def read_orientation(form: Format, image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied, 1 to 8.

    Only a SHORT counts, as the standard has it and as Chromium reads it.
    """
    # Pillow turns a TIFF by the orientation that is found here.
    exif = read_exif(form, image)
    if form.is_upright or _type_of(exif, ExifTags.Base.Orientation) != TiffTags.SHORT:
        return 1
    value = read_tag(exif, ExifTags.Base.Orientation)
    return value if value in range(1, 9) else 1


def read_exif(form: Format, image: Image.Image) -> Image.Exif:
    """The EXIF data of the opened image, empty where there is none that can be read."""
    if not form.may_read_exif(image):
        return Image.Exif()
    try:
        exif = image.getexif()
        stored = image.info.get("exif")
        if isinstance(stored, bytes) and (plain := with_plain_texts(stored)) is not stored:
            exif.load(plain)
        if ExifTags.Base.Orientation in exif and _type_of(exif, ExifTags.Base.Orientation) is None:
            # Pillow took it from XMP, where it describes a picture that is not in this file.
            del exif[ExifTags.Base.Orientation]
    except BROKEN:
        return Image.Exif()
    return exif


def _type_of(exif: Image.Exif, tag: int) -> int | None:
    """The type of a tag in the file; None where the file's directory does not have it."""
    directory = exif._info  # noqa: SLF001  Pillow does not show types
    return None if directory is None else directory.tagtype.get(tag)


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
    resolution = metadata.resolution if which == "keep" else None
    own = {"dpi": resolution} if resolution and form.has_resolution else {}
    if which == "strip" or not form.has_metadata:
        return own
    exif = Image.Exif()
    exif.update(_main_tags(metadata.exif, DESCRIPTIVE_TAGS if which == "keep" else COPYRIGHT_TAGS, form))
    if which == "keep":
        exif.update({block: tags for block in BLOCKS if (tags := _block_tags(metadata.exif, block, form))})
    if resolution and not own:
        add_resolution(exif, resolution)
    is_kept = which == "keep" and metadata.xmp
    xmp = true_xmp(metadata.xmp or b"", is_reshaped=metadata.is_reshaped) if is_kept else b""
    return {**form.attach_metadata(exif, xmp), **own}


def _main_tags(exif: Image.Exif, tags: tuple[int, ...], form: Format) -> dict[int, Any]:
    found = {tag: _as_stored(tag, read_tag(exif, tag)) for tag in tags}
    return {tag: value for tag, value in found.items() if value is not None and _is_writable(form, tag, value)}


def _block_tags(exif: Image.Exif, block: int, form: Format) -> dict[int, Any]:
    try:
        found = exif.get_ifd(block)
    except BROKEN:
        return {}
    kept = {tag: value for tag, value in found.items() if tag not in SPENT_TAGS}
    kept = {tag: RawText(value) if isinstance(value, str) else value for tag, value in kept.items()}
    return {tag: value for tag, value in kept.items() if _is_writable(form, block, {tag: value})}


def _as_stored(tag: int, value: Any) -> Any:
    """The value of a tag of the main directory; a text as its bytes, which Pillow writes as they are."""
    is_text = isinstance(value, str) and TiffTags.lookup(tag).type == TiffTags.ASCII
    return RawText(value).encode() if is_text else value


def _is_writable(form: Format, tag: int, value: Any) -> bool:
    """Pillow derives the type of a tag from its value and fails on some, so each tag is tried by itself."""
    trial = Image.Exif()
    trial[tag] = value
    try:
        form.try_tag(trial)
    except BROKEN:
        return False
    return True
