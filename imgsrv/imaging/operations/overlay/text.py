"""Text over pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from PIL import Image, ImageDraw, ImageFont
from pydantic import AfterValidator, Field

from imgsrv.errors import joined
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import BLACK, WHITE, Colour, ColourParameter, Gravity
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.composite import composite, composite_at, place_in_margins
from imgsrv.imaging.pixels.fonts import BUILT_IN, font_names, load_font

LINE_SPACING = 0.2
"""Space between two lines, as a fraction of the size."""

SHADE = Colour(0, 0, 0, 128)


def _known_font(name: str) -> str:
    if name not in font_names():
        raise ValueError(f"there is no font {name!r}; there are {joined(font_names())}; see --font-dir")
    return name


FontName = Annotated[str, AfterValidator(_known_font), Field(json_schema_extra={"format": "font"})]


LETTER_PIXELS = 3000
"""Work of measuring and shaping a letter, in pixels of letters."""

LAYER_WORK = 3
"""Work of a pixel of the layer that the letters are composited in, for each pass."""


def _text_work(before: Size, _after: Size, *, text: str, size: int, outline: int, shadow: int) -> float:
    """The squares of all letters, those beyond the edges too, once for the letters, the outline and the shadow each."""
    letters = len(text) * (LETTER_PIXELS + (size + 2 * outline) ** 2)
    passes = 1 + (outline > 0) + (shadow > 0)
    return passes * (letters + LAYER_WORK * min(pixels(before), letters))


@operation(keeps_depth=always, work=_text_work, weighed_with="text=weight,size=200,outline=10")
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

    HarfBuzz and FriBidi, through Raqm, shape scripts that join letters or run from right to left.  The built-in font
    has Latin, Greek and Cyrillic letters.  Text beyond the edges of the picture is cut off.
    """
    face = load_font(font, size)
    lines = "\n".join(_wrapped(text, face, frame.width * wrap))
    spacing = size * LINE_SPACING
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = ruler.multiline_textbbox(
        (0, 0), lines, face, spacing=spacing, align=align, stroke_width=outline
    )
    needed = min(frame.width, round(right - left) + shadow + 1), min(frame.height, round(bottom - top) + shadow + 1)
    layer = Image.new("RGBA", needed)

    def add(tint: Colour, offset: int, stroke: int) -> None:
        mask = Image.new("L", needed)
        ImageDraw.Draw(mask).multiline_text(
            (offset - left, offset - top), lines, 255, face, spacing=spacing, align=align, stroke_width=stroke
        )
        painted = Image.new("RGBA", needed, tint[:3])
        painted.putalpha(mask.point([round(level * tint.alpha / 255) for level in range(256)]))
        nonlocal layer
        layer = composite(layer, painted)

    if shadow:
        add(shadow_colour, shadow, outline)
    if outline:
        add(outline_colour, 0, outline)
    add(colour, 0, 0)
    return composite_at(frame, layer, place_in_margins(frame.size, needed, round(margin * min(frame.size)), gravity))


def _wrapped(text: str, face: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """The lines of a text, wrapped between words, or inside a word that is too long for a line."""
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            if line and face.getlength(f"{line} {word}") > width:
                yield line
                line = word
            else:
                line = f"{line} {word}" if line else word
            while len(line) > 1 and face.getlength(line) > width:
                fitting = _fitting(line, face, width)
                yield line[:fitting]
                line = line[fitting:]
        yield line


def _fitting(line: str, face: ImageFont.FreeTypeFont, width: float) -> int:
    """The number of letters of a line that fit into the width; at least one."""
    low, high = 1, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(line[:middle]) <= width else (low, middle - 1)
    return low
