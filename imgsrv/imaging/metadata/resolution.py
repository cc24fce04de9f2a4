"""Pixels per inch: read from the field of the file's format or else from EXIF."""

from __future__ import annotations

import math
from typing import Any

from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin
from PIL.TiffImagePlugin import IFDRational

from imgsrv.imaging.model.broken import BROKEN
from imgsrv.imaging.model.picture import Resolution

LOWEST, HIGHEST = 1, 65_535
"""Range that a JPEG can hold; other numbers are no resolutions of pictures."""

INCH, CENTIMETRE = 2, 3
"""Values of ResolutionUnit (TIFF 6.0, tag 296)."""

CENTIMETRES = 2.54
"""Centimetres of an inch."""

JFIF_UNITS = {1: 1.0, 2: CENTIMETRES}
"""Factors to pixels per inch of the units of JFIF; unit 0 is the shape of a pixel alone."""


def read_resolution(image: Image.Image, exif: Image.Exif) -> Resolution | None:
    """Pixels per inch, across and down; None where the file names none that is possible.

    image: opened.  exif: its EXIF.
    """
    return _possible(_own_field(image)) or _possible(_in_exif(exif))


def _own_field(image: Image.Image) -> Any:
    """The field of the format.  What Pillow calls dpi is a guess for some JPEGs and TIFFs."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Its tags are its EXIF.
        return None
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        factor = JFIF_UNITS.get(image.info.get("jfif_unit", 0))
        return [side * factor for side in image.info["jfif_density"]] if factor else None
    return image.info.get("dpi")


def add_resolution(exif: Image.Exif, resolution: Resolution) -> None:
    """Write the resolution into EXIF that has none."""
    if ExifTags.Base.XResolution not in exif:
        exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = map(IFDRational, resolution)
        exif[ExifTags.Base.ResolutionUnit] = INCH


def _in_exif(exif: Image.Exif) -> Any:
    try:
        unit = exif.get(ExifTags.Base.ResolutionUnit, INCH)
        sides = [float(exif[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution)]
    except BROKEN:
        return None
    return [side * CENTIMETRES for side in sides] if unit == CENTIMETRE else sides if unit == INCH else None


def _possible(value: Any) -> Resolution | None:
    try:
        across, down = (float(side) for side in value)
    except BROKEN:
        return None
    is_possible = all(math.isfinite(side) and LOWEST <= side <= HIGHEST for side in (across, down))
    return (across, down) if is_possible else None
