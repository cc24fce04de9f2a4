"""A Picture to bytes, written straight into the file that will carry them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image

from imgsrv.errors import ResultTooLarge
from imgsrv.imaging.formats import FORMATS, Format
from imgsrv.imaging.metadata import written_metadata
from imgsrv.imaging.output import Output
from imgsrv.imaging.parameters import Colour
from imgsrv.imaging.picture import Frame, Picture
from imgsrv.imaging.placeholders import PLACEHOLDERS

MAX_16_BITS = 65_535
"""Most repetitions that formats with animation can write down, and most steps of a duration."""


def encode(picture: Picture, name: str, output: Output, file: BinaryIO) -> None:
    """Write the picture in the format `name` of FORMATS, or its text as PLACEHOLDERS have it.

    Alpha is laid over `output.background` where the format has none; only the first frame is written where it
    has no animation.  Raises ResultTooLarge for a side that the format cannot hold.
    """
    if name in PLACEHOLDERS:
        file.write(PLACEHOLDERS[name](picture.frames[0], output).encode())
        return
    form = FORMATS[name]
    if max(picture.size) > form.max_side:
        raise ResultTooLarge(f"format={name}", *picture.size, f"{form.max_side} pixels along each side")
    frames = tuple(_fit_for(form, frame, output.background) for frame in picture.frames)
    options = {**form.options(output), **written_metadata(form, picture.metadata, output.metadata)}
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
        "duration": _durations(form, picture.durations),
    }
    if form.pillow == "GIF":
        options["disposal"] = 2
    # A GIF plays once by leaving the loop out; the other formats say 1.
    if picture.loop is not None or form.pillow != "GIF":
        options["loop"] = 1 if picture.loop is None else min(picture.loop, MAX_16_BITS)
    return {key: value for key, value in options.items() if not (form.pillow == "AVIF" and key == "loop")}


def _durations(form: Format, durations: tuple[int, ...]) -> list[int]:
    # Pillow adds up the durations of frames that look alike, so that the sum may end in one frame.
    longest = form.max_duration_ms if sum(durations) <= form.max_duration_ms else form.max_duration_ms // len(durations)
    return [_roundest(min(duration, longest)) for duration in durations]


def _roundest(duration: int) -> int:
    """The duration in steps of 1, 10 or 1000 ms: a PNG writes a fraction of seconds in 16 bits each."""
    step = next(step for step in (1, 10, 1000) if duration <= MAX_16_BITS * step)
    return round(duration / step) * step
