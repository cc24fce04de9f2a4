"""A Picture to bytes, written straight into the file that will carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import ExifTags, Image

from imgsrv.errors import ResultTooLarge
from imgsrv.imaging.formats import FORMATS, Format
from imgsrv.imaging.output import Output
from imgsrv.imaging.parameters import Colour
from imgsrv.imaging.picture import Frame, Metadata, Picture

COPYRIGHT_TAGS = (ExifTags.Base.Artist, ExifTags.Base.Copyright)

SPENT_TAGS = (ExifTags.Base.Orientation, ExifTags.Base.InterColorProfile)
"""What decoding has applied to the pixels; kept, it would be applied again."""


def encode(picture: Picture, name: str, output: Output, file: BinaryIO) -> None:
    """Write the picture in the format `name` of FORMATS.

    Alpha is laid over `output.background` where the format has none; only the first frame is written where it
    has no animation.  Raises ResultTooLarge for a side that the format cannot hold.
    """
    form = FORMATS[name]
    if max(picture.size) > form.max_side:
        raise ResultTooLarge(f"format={name}", *picture.size, f"{form.max_side} pixels along each side")
    frames = tuple(_fit_for(form, frame, output.background) for frame in picture.frames)
    options = {**form.options(output), **_metadata(form, picture.metadata, output)}
    if form.has_animation and picture.is_animated:
        options |= _animation(form, replace(picture, frames=frames))
    frames[0].save(file, form.pillow, **options)


def _fit_for(form: Format, frame: Frame, background: Colour) -> Frame:
    if frame.mode != "RGBA" or form.has_alpha:
        return frame
    canvas = Image.new("RGBA", frame.size, background)
    return Image.alpha_composite(canvas, frame).convert("RGB")


def _animation(form: Format, picture: Picture) -> Mapping[str, Any]:
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": picture.frames[1:],
        "duration": list(picture.durations),
    }
    if form.pillow == "GIF":
        options["disposal"] = 2
    # A GIF plays once by leaving the loop out; the other formats say 1.
    if picture.loop is not None or form.pillow != "GIF":
        options["loop"] = 1 if picture.loop is None else picture.loop
    return {key: value for key, value in options.items() if not (form.pillow == "AVIF" and key == "loop")}


def _metadata(form: Format, metadata: Metadata, output: Output) -> Mapping[str, Any]:
    if output.metadata == "strip" or not form.has_metadata:
        return {}
    exif = Image.Exif()
    for tag in metadata.exif:
        is_wanted = output.metadata == "keep" or tag in COPYRIGHT_TAGS
        if is_wanted and tag not in SPENT_TAGS:
            exif[tag] = metadata.exif[tag]
    options: dict[str, Any] = {"exif": exif} if len(exif) else {}
    if output.metadata == "keep":
        for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(block).update(metadata.exif.get_ifd(block))
        if metadata.xmp and form.pillow in ("JPEG", "PNG", "WEBP", "TIFF"):
            options["xmp"] = metadata.xmp
    return options
