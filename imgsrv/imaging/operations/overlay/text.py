"""Text over pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from imgsrv.imaging.lettering.fonts import BUILT_IN, chain_of, font_list, font_names, unusable_fonts
from imgsrv.imaging.lettering.layers import Look, Written, text_layer
from imgsrv.imaging.lettering.missing import complaint
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import BLACK, WHITE, Colour, ColourParameter, Gravity
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.model.validation import NotAllowed
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.composite import composite_at, place_in_margins
from imgsrv.wording import closest

SHADE = Colour(0, 0, 0, 128)


def _known_font(name: str) -> str:
    names = font_names()
    if name in names:
        return name
    if reason := unusable_fonts().get(name):
        raise NotAllowed(f"another font: its file {reason}; there are {font_list()}")
    meant = closest(name, [one.lower() for one in names])
    raise NotAllowed(
        f"the name of a font: there are {font_list()}; --font-dir adds more",
        next((one for one in names if one.lower() == meant), None),
    )


FontName = Annotated[str, AfterValidator(_known_font), Field(json_schema_extra={"format": "font"})]


LETTER_PIXELS = 3000
"""Work of measuring and shaping a letter, in pixels of letters."""

LINE_PIXELS, LINE_HEIGHT = 9000, 1.3
"""Work of breaking and shaping one line more, in the same pixels; and its height, in sizes of the letters."""

LAYER_WORK = 3
"""Work of a pixel of the layer that the letters are composited in, for each pass."""


NARROW = 0.25
"""Advance of a narrow letter, as a fraction of the size of the letters."""


def _text_work(before: Size, _after: Size, *, text: str, size: int, wrap: float, outline: int, shadow: int) -> float:
    """All letters are shaped; those that may lie in the picture are drawn: the letters, the outline and the shadow."""
    paragraphs = text.splitlines() or [""]
    lines = min(len(text), len(paragraphs) + len(text) * size / max(1.0, wrap * before[0]))
    passes = 1 + (outline > 0) + (shadow > 0)
    each = _drawn(before, text, size, outline) + LAYER_WORK * _layer(before, paragraphs, size, outline)
    return len(text) * LETTER_PIXELS + lines * LINE_PIXELS + passes * each


def _layer(before: Size, paragraphs: Sequence[str], size: int, outline: int) -> float:
    """The pixels of the layer: of the letters, or of the box around all lines, which may be short or empty."""
    letters = sum(map(len, paragraphs)) * (LETTER_PIXELS + (size + 2 * outline) ** 2)
    width = min(before[0], max(map(len, paragraphs)) * size + 2 * outline)
    height = min(before[1], len(paragraphs) * LINE_HEIGHT * size + 2 * outline)
    return min(pixels(before), max(letters, width * height if len(paragraphs) > 1 else 0))


def _drawn(before: Size, text: str, size: int, outline: int) -> float:
    """At least the pixels of the boxes around the letters, with their outlines, that lie in the picture.

    A box that only touches the picture is drawn as a whole.  Marks take no place of their own in their line.
    """
    side = size + 2 * outline
    width, height = before[0] + 2 * side, before[1] + 2 * side
    letters = min(len(text), width / (NARROW * size))
    lines = height / size
    marks = sum(unicodedata.category(letter)[0] == "M" for letter in text)
    return min(len(text) * side**2, lines * side * (width + 2 * outline * letters) + marks * side**2)


def _check(*, text: str, font: str) -> None:
    """Raises ValueError where neither the font nor a fallback has a letter."""
    if fault := complaint(text, chain_of(font)):
        raise ValueError(fault)


@operation(check=_check, keeps_depth=always, work=_text_work, weighed_with="text=weight,size=200,outline=10")
def text(
    frame: Frame,
    *,
    text: Annotated[
        str,
        Field(min_length=1, max_length=1000, examples=["Hello"], description="The text; %0A begins a new line."),
    ],
    size: Annotated[int, Field(ge=4, le=1000, description="Height of the letters in pixels.")] = 32,
    colour: Annotated[ColourParameter, Field(description="Colour of the letters.")] = WHITE,
    font: Annotated[
        FontName, Field(examples=[BUILT_IN], description="Name of a font, without suffix; --font-dir adds more.")
    ] = BUILT_IN,
    gravity: Annotated[Gravity, Field(description="Where the text stands.")] = "south",
    margin: Annotated[
        float, Field(ge=0, le=0.5, description="Distance to the edges as a fraction of the shorter side.")
    ] = 0.03,
    wrap: Annotated[
        float, Field(ge=0.05, le=1, description="Longest line as a fraction of the width; longer ones are wrapped.")
    ] = 0.9,
    align: Annotated[Literal["left", "center", "right"], Field(description="Alignment of the lines.")] = "center",
    outline: Annotated[int, Field(ge=0, le=50, description="Width of an outline around the letters, in pixels.")] = 0,
    outline_colour: Annotated[ColourParameter, Field(description="Colour of the outline.")] = BLACK,
    shadow: Annotated[int, Field(ge=0, le=50, description="Offset of a shadow to the right and down, in pixels.")] = 0,
    shadow_colour: Annotated[ColourParameter, Field(description="Colour of the shadow.")] = SHADE,
) -> Frame:
    """Write text over the picture.

    HarfBuzz shapes scripts that join letters, reorder vowels or stack marks; text from right to left, and both
    directions in one line, follow the bidirectional algorithm of Unicode.  A line is spaced as browsers space it, and
    broken at spaces and zero-width spaces, else between letters.  A letter that neither the font nor one of
    --font-fallback has is an error that names fonts with it; the built-in font has Latin, Greek and Cyrillic letters.
    Text beyond the edges of the picture is cut off.
    """
    written = Written(tuple(chain_of(font)), size, text, frame.width * wrap, align)
    look = Look(colour, outline, outline_colour, shadow, shadow_colour)
    layer = text_layer(written, look, frame.size)
    return composite_at(
        frame, layer, place_in_margins(frame.size, layer.size, round(margin * min(frame.size)), gravity)
    )
