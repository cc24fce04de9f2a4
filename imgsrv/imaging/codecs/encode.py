"""A Picture to bytes, written straight into a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image

from imgsrv.errors import ResultTooLarge, TooManyBytes
from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.codecs.quality_search import largest_within, smallest_like
from imgsrv.imaging.colour.colours import Colours
from imgsrv.imaging.colour.convert import converted
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.formats.format import EncoderSettings, Format, Options
from imgsrv.imaging.metadata.exif import written_metadata
from imgsrv.imaging.model.animation import whole_milliseconds
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.pixels.composite import flatten
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame, shallow
from imgsrv.imaging.pixels.strips import through_strips
from imgsrv.imaging.pixels.working_frame import finished, working


def encode(picture: Picture, name: str, output: Output, file: BinaryIO) -> None:
    """Write the picture in the format `name` of FORMATS, or as the text of the placeholder `name`.

    A format without alpha gets the picture over `output.background`; a format without animation gets the first frame
    alone.  Raises ResultTooLarge for a side that the format cannot hold, TooManyBytes where `max_bytes` is too low.
    """
    if name in PLACEHOLDERS:
        file.write(PLACEHOLDERS[name](picture.frames[0], output.background).encode())
        return
    if output.target is None and output.max_bytes is None:
        _save(picture, name, output, file)
    else:
        file.write(_bounded(picture, name, output))


def _bounded(picture: Picture, name: str, output: Output) -> bytes:
    """The file at the quality that satisfies `target` and `max_bytes`.  Raises TooManyBytes."""

    def encoded(quality: int) -> bytes:
        made = io.BytesIO()
        _save(picture, name, output.model_copy(update={"quality": quality}), made)
        return made.getvalue()

    def is_like(data: bytes) -> bool:
        with Image.open(io.BytesIO(data), formats=[form.reader or form.pillow]) as image:
            return ssim(shown, luma(form.read_pixels(image, False) or image)) >= (output.target or 0.0)

    form = FORMATS[name]
    if "quality" not in form.fields or output.lossless:
        only = encoded(output.quality_in(form))
        if output.max_bytes is not None and len(only) > output.max_bytes:
            raise TooManyBytes(name, len(only), output.max_bytes)
        return only
    quality = output.quality_in(form)
    if output.target is not None:
        shown = luma(shallow(_fit_for(form, picture.frames[0], output.background)))
        quality, found = smallest_like(encoded, is_like)
        if output.max_bytes is None:
            return found
    return largest_within(encoded, quality, output.max_bytes or 0, name)


def _save(picture: Picture, name: str, output: Output, file: BinaryIO) -> None:
    form = FORMATS[name]
    if form.options is None:
        raise RuntimeError(f"{name} is read only")
    if max(picture.size) > form.max_side:
        raise ResultTooLarge(f"format={name}", *picture.size, f"{form.max_side} pixels along each side")
    if picture.size[0] * picture.size[1] > form.max_area:
        raise ResultTooLarge(f"format={name}", *picture.size, f"{form.max_area} pixels in all")
    form.register()
    is_animated = form.has_animation and picture.is_animated
    holds_cicp = form.holds_cicp and not is_animated and output.colours is None
    frames, profile = _in_profile(form, picture, holds_cicp=holds_cicp)
    frames = tuple(_fit_for(form, frame, output.background) for frame in frames)
    if output.colours is not None and "colours" in form.fields:
        frames = tuple(form.reduce(frame, output.colours) for frame in frames)
    metadata = written_metadata(form, picture.metadata, output.metadata)
    if profile:
        metadata = {**metadata, "icc_profile": profile}
    elif picture.cicp and holds_cicp:
        metadata = {**metadata, "cicp": picture.cicp}
    settings = output.settings_for(form)
    if _is_written(form, replace(picture, frames=frames), settings, metadata, file):
        return
    frames = tuple(frame.shallow() if isinstance(frame, DeepFrame) else frame for frame in frames)
    options = {**form.options(settings), **metadata}
    if picture.gain_map and form.save_with_gain_map:
        form.save_with_gain_map(form, frames[0], picture.gain_map, settings, options, file)
    else:
        options |= _animation(form, replace(picture, frames=frames)) if is_animated else {}
        form.save(form, frames[0], file, options)


def _is_written(form: Format, picture: Picture, settings: EncoderSettings, metadata: Options, file: BinaryIO) -> bool:
    """The format's own encoder has written it; otherwise Pillow has to."""
    if form.has_animation and picture.is_animated:
        return bool(form.write_animation and form.write_animation(picture, settings, metadata, file))
    return bool(form.write_still and form.write_still(picture.frames[0], settings, metadata, file))


def _in_profile(form: Format, picture: Picture, *, holds_cicp: bool) -> tuple[tuple[Frame, ...], bytes | None]:
    """The frames and their profile; frames in sRGB and None for a format that holds no profile."""
    if picture.profile is None and picture.cicp is None:
        return picture.frames, None
    if "icc" not in form.fields or (picture.cicp and not holds_cicp):
        own = Colours(picture.profile, picture.cicp)
        return tuple(converted(frame, own, Colours()) for frame in picture.frames), None
    # A file of one channel may not have a profile of RGB; grey is the same colour in every such profile.
    return tuple(map(_coloured, picture.frames)), picture.profile


def _coloured(frame: Frame) -> Frame:
    return finished(working(frame).convert("RGB")) if frame.mode in ("L", GREY) else frame


def _fit_for(form: Format, frame: Frame, background: Colour) -> Frame:
    if form.has_alpha or frame.mode not in ("RGBA", "RGBA;16"):
        return frame
    return finished(through_strips(working(frame), lambda strip: flatten(strip, background)))


def _animation(form: Format, picture: Picture) -> Mapping[str, Any]:
    return {
        "save_all": True,
        "append_images": picture.frames[1:],
        "duration": whole_milliseconds(picture.durations, form.max_duration_ms),
        **form.animation(picture.plays),
    }
