"""`format=auto`: the format that suits the picture among those that its receiver takes.

How good a format is for a picture, 0 to 1, times how gladly the receiver takes it is what decides, as in RFC 9110
§12.5.1; of equals the first offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FALLBACK, FORMATS, WRITTEN, written_as
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.picture import Frame, Picture

Offers = tuple[tuple[str, float], ...]
"""Keys of FORMATS, best first, and how gladly each is taken, above 0 to 1."""

Colours = NDArray[np.uint32]
"""(H, W): a number for each colour."""

SAMPLE_PIXELS = 250_000
"""Pixels that are looked at to tell a drawing from a photograph."""

FLAT_SHARE, COLOURS_SHARE, FEW_COLOURS = 0.6, 0.04, 256
"""A drawing has so many pixels of the colour of their left neighbour, and no more colours for its pixels; or so few.

Measured on 20 photographs, as they are and resized to 400 pixels: neighbours alike at most 0.44 and at least 0.036 as
many colours as pixels, but for one with 0.67 and 0.08; on 14 drawings at least 0.73, and at most 0.03 as many colours.
"""


class Kind(Enum):
    """What a picture shows, as far as encoders care."""

    PHOTOGRAPH, DRAWING, ANIMATION = "photograph", "drawing", "animation"

    def fitness(self, form: Format) -> float:
        """How good the format is for it, 0 to 1."""
        return {
            Kind.PHOTOGRAPH: form.fitness.photograph,
            Kind.DRAWING: form.fitness.drawing,
            Kind.ANIMATION: form.fitness.animation,
        }[self]


def choose(
    picture: Picture, own: str, offers: Offers, output: Output, *, was_drawing: bool = False
) -> tuple[str, Output]:
    """The format, and the output parameters with `lossless` where that suits.

    own: the input's format.  was_drawing: what `came_as_drawing` said before the pipeline.
    """
    kind = kind_of(picture, was_drawing=was_drawing)
    is_transparent = _is_transparent(picture.frames[0])

    def shows(form: Format) -> bool:
        return form.has_animation if kind is Kind.ANIMATION else form.has_alpha or not is_transparent

    fitting = [(name, q) for name, q in offers if name in WRITTEN and shows(WRITTEN[name])]
    last = next(name for name in (written_as(own), FALLBACK) if shows(WRITTEN[name]))
    best = max(fitting, key=lambda offer: offer[1] * kind.fitness(WRITTEN[offer[0]]), default=(last, 1.0))[0]
    is_exact = kind is Kind.DRAWING and WRITTEN[best].lossless_drawings and not _asks_for_quality(output)
    return best, output.model_copy(update={"lossless": True}) if is_exact else output


def kind_of(picture: Picture, *, was_drawing: bool = False) -> Kind:
    """What it shows, by its pixels."""
    if picture.is_animated:
        return Kind.ANIMATION
    return Kind.DRAWING if was_drawing or is_drawing(picture.frames[0]) else Kind.PHOTOGRAPH


def came_as_drawing(picture: Picture) -> bool:
    """A picture as it was decoded has flat areas and few colours, which a smaller copy mixes to many.

    A JPEG has neither any more, and may be decoded at a smaller scale.
    """
    if FORMATS[picture.format].blurs_drawings:
        return False
    frame = picture.frames[0]
    colours = _sampled_colours(frame)
    # Most of a cut-out is one colour that nobody sees.
    seen = _sampled(frame.getchannel("A")) > 0 if frame.mode == "RGBA" else True
    return _is_flat(colours, seen) and len(np.unique(colours)) <= _few_for(colours)


def is_drawing(frame: Frame) -> bool:
    """Has flat areas and few colours, as no photograph has; or so few pixels that they are better kept."""
    if frame.width * frame.height <= FEW_COLOURS:
        return True
    colours = _sampled_colours(frame)
    count = len(np.unique(colours))
    # All greys are few colours.
    if count <= FEW_COLOURS and frame.mode != "L":
        return True
    return count <= _few_for(colours) and _is_flat(colours, seen=True)


def _sampled_colours(frame: Frame) -> Colours:
    """The colours of rows from all over the frame."""
    pixels = _sampled(frame).astype(np.uint32)
    if frame.mode == "L":
        return pixels
    return np.asarray(pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2], np.uint32)


def _sampled(frame: Frame) -> NDArray[np.uint8]:
    rows = min(frame.height, max(1, SAMPLE_PIXELS // frame.width))
    return np.asarray(frame.resize((frame.width, rows), Image.Resampling.NEAREST))


def _few_for(colours: Colours) -> float:
    """The most that are few among so many pixels."""
    return max(FEW_COLOURS, COLOURS_SHARE * colours.size)


def _is_flat(colours: Colours, seen: ArrayLike) -> bool:
    """Most of what is seen has the colour of its left neighbour."""
    alike = (colours[:, 1:] == colours[:, :-1])[np.broadcast_to(seen, colours.shape)[:, 1:]]
    return alike.size > 0 and bool(np.mean(alike) >= FLAT_SHARE)


def _is_transparent(frame: Frame) -> bool:
    return frame.mode == "RGBA" and frame.getchannel("A").getextrema()[0] != 255  # noqa: PLR2004  opaque


def _asks_for_quality(output: Output) -> bool:
    given: Sequence[object] = (output.target, output.max_bytes)
    return "quality" in output.model_fields_set or any(one is not None for one in given)
