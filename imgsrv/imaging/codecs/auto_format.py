"""`format=auto`: the format that suits the picture best among those that the client accepts.

The fitness of a format for the picture, 0 to 1, times the client's preference (the q of RFC 9110 §12.5.1) decides; of
equals, the format that is offered first.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, WRITTEN
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.model.picture import Frame, Picture

Offers = tuple[tuple[str, float], ...]
"""Keys of FORMATS, best first, each with the client's preference, above 0 to 1."""

EVERYWHERE: Offers = tuple((name, 1.0) for name, form in WRITTEN.items() if form.is_shown_everywhere)
"""What a client takes of which nothing else is known."""

Colours = NDArray[np.uint32]
"""(H, W): a number for each colour."""

SAMPLE_PIXELS = 250_000
"""Pixels of the sample by which a drawing is told from a photograph."""

FLAT_SHARE, COLOURS_SHARE, FEW_COLOURS = 0.6, 0.04, 256
"""Thresholds for a drawing: FLAT_SHARE of its pixels have the colour of their left neighbour, and it has at most
COLOURS_SHARE as many colours as pixels, or FEW_COLOURS.

Measured on 20 photographs, at full size and resized to 400 pixels: at most 0.44 of the neighbours are alike, and there
are at least 0.036 as many colours as pixels; one photograph has 0.67 and 0.08.  On 14 drawings: at least 0.73, and at
most 0.03 as many colours.
"""


class Kind(Enum):
    """The kinds of pictures for which different formats are good."""

    PHOTOGRAPH, DRAWING, ANIMATION = "photograph", "drawing", "animation"

    def fitness(self, form: Format) -> float:
        """How good the format is for this kind, 0 to 1."""
        return {
            Kind.PHOTOGRAPH: form.fitness.photograph,
            Kind.DRAWING: form.fitness.drawing,
            Kind.ANIMATION: form.fitness.animation,
        }[self]


class Choice(NamedTuple):
    """What was chosen.

    output: the parameters, with `lossless` where that suits the picture.  reason: in ASCII, for a header.
    """

    name: str
    output: Output
    reason: str


def choose(picture: Picture, own: str, offers: Offers, output: Output, *, was_drawing: bool = False) -> Choice:
    """The format for the picture.

    own: the input's format.  offers: if none of them shows the picture, its own format or one of EVERYWHERE.
    was_drawing: the result of `came_as_drawing` before the pipeline.
    """
    kind = kind_of(picture, was_drawing=was_drawing)
    is_transparent = _is_transparent(picture.frames[0])
    pixels = picture.size[0] * picture.size[1] * len(picture.frames)

    def shown(offers: Offers) -> Offers:
        return tuple((name, q) for name, q in offers if name in WRITTEN and shows(WRITTEN[name]))

    def shows(form: Format) -> bool:
        return form.has_animation if kind is Kind.ANIMATION else form.has_alpha or not is_transparent

    is_for_all = own in WRITTEN and WRITTEN[own].browsers_show
    fitting = shown(offers) or shown(((own, 1.0),) if is_for_all else ()) or shown(EVERYWHERE)
    worth = {name for name, _q in worth_their_time(fitting, pixels)}
    # Sorting keeps the order of equals.
    ranked = sorted(fitting, key=lambda offer: (offer[0] not in worth, -offer[1] * kind.fitness(WRITTEN[offer[0]])))
    best = ranked[0][0]
    is_exact = kind is Kind.DRAWING and WRITTEN[best].lossless_drawings and not _asks_for_quality(output)
    reason = _reason(kind, pixels, ranked, worth, has_alpha=is_transparent)
    return Choice(best, output.model_copy(update={"lossless": True}) if is_exact else output, reason)


def worth_their_time(offers: Offers, pixels: int) -> Offers:
    """The offers whose formats are worth their time for a result of so many pixels; all if none is."""
    return tuple(offer for offer in offers if WRITTEN[offer[0]].fitness.pays_for(pixels)) or offers


def _reason(kind: Kind, pixels: int, ranked: Sequence[tuple[str, float]], worth: set[str], *, has_alpha: bool) -> str:
    """Such as `photograph of 4000000 pixels; webp 1, jpeg 0.72; avif not worth the time`."""
    scores = [f"{name} {q * kind.fitness(WRITTEN[name]):.3g}" for name, q in ranked if name in worth]
    dropped = [name for name, _q in ranked if name not in worth]
    shown = f"{kind.value}{' with transparency' if has_alpha else ''} of {pixels} pixels"
    parts = [shown, ", ".join(scores), *([f"{', '.join(dropped)} not worth the time"] if dropped else [])]
    return "; ".join(parts)


def kind_of(picture: Picture, *, was_drawing: bool = False) -> Kind:
    """The kind of the picture, from its pixels."""
    if picture.is_animated:
        return Kind.ANIMATION
    return Kind.DRAWING if was_drawing or is_drawing(picture.frames[0]) else Kind.PHOTOGRAPH


def came_as_drawing(picture: Picture) -> bool:
    """The decoded picture is a drawing: it has flat areas and few colours.

    It must be asked before a resize, which mixes many colours from few.  A JPEG is never taken for a drawing: its
    compression leaves no flat areas, and it may be decoded at a smaller scale.
    """
    if FORMATS[picture.format].blurs_drawings:
        return False
    frame = picture.frames[0]
    colours = _sampled_colours(frame)
    # The invisible pixels around a cut-out mostly have one colour.
    seen = _sampled(frame.getchannel("A")) > 0 if frame.mode == "RGBA" else True
    return _is_flat(colours, seen) and len(np.unique(colours)) <= _few_for(colours)


def is_drawing(frame: Frame) -> bool:
    """The frame has flat areas and few colours, or so few pixels that a lossless file is small."""
    if frame.width * frame.height <= FEW_COLOURS:
        return True
    colours = _sampled_colours(frame)
    count = len(np.unique(colours))
    # Every grey picture has few colours.
    if count <= FEW_COLOURS and frame.mode != "L":
        return True
    return count <= _few_for(colours) and _is_flat(colours, seen=True)


def _sampled_colours(frame: Frame) -> Colours:
    """The colours of rows that are spread over the frame."""
    pixels = _sampled(frame).astype(np.uint32)
    if frame.mode == "L":
        return pixels
    return np.asarray(pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2], np.uint32)


def _sampled(frame: Frame) -> NDArray[np.uint8]:
    rows = min(frame.height, max(1, SAMPLE_PIXELS // frame.width))
    return np.asarray(frame.resize((frame.width, rows), Image.Resampling.NEAREST))


def _few_for(colours: Colours) -> float:
    """Most colours that a drawing of so many pixels has."""
    return max(FEW_COLOURS, COLOURS_SHARE * colours.size)


def _is_flat(colours: Colours, seen: ArrayLike) -> bool:
    """Most visible pixels have the colour of their left neighbour."""
    alike = (colours[:, 1:] == colours[:, :-1])[np.broadcast_to(seen, colours.shape)[:, 1:]]
    return alike.size > 0 and bool(np.mean(alike) >= FLAT_SHARE)


def _is_transparent(frame: Frame) -> bool:
    return frame.mode == "RGBA" and frame.getchannel("A").getextrema()[0] != 255  # noqa: PLR2004  opaque


def _asks_for_quality(output: Output) -> bool:
    given: Sequence[object] = (output.target, output.max_bytes)
    return "quality" in output.model_fields_set or any(one is not None for one in given)
