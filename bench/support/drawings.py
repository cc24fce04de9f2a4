"""Ten drawings made by code: pictures with plain areas, thin lines and letters, as web sites have them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from font_source_sans_pro import SourceSansPro  # type: ignore[import-untyped]
from PIL import Image, ImageDraw, ImageFont

SIZE = 800, 600

DRAWN_LARGER = 4
"""Times the size at which lines are drawn before they are made smaller, which gives them soft edges."""

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")

WORDS = (
    *("The", "server", "makes", "every", "picture", "at", "the", "size", "that"),
    *("a", "page", "asks", "for", "and", "keeps", "its", "colours", "right"),
)

Draw: TypeAlias = ImageDraw.ImageDraw
Chance: TypeAlias = random.Random


def drawings() -> dict[str, Image.Image]:
    """The ten drawings by their names, in RGB.  The same on every call."""
    return {name: maker() for name, maker in MAKERS.items()}


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(SourceSansPro, size)


def _soft(paint: Callable[[Draw, int], None], background: str = "white") -> Image.Image:
    """What `paint` paints at DRAWN_LARGER times the size, made smaller."""
    size = SIZE[0] * DRAWN_LARGER, SIZE[1] * DRAWN_LARGER
    image = Image.new("RGB", size, background)
    paint(ImageDraw.Draw(image), DRAWN_LARGER)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def _lines_of_text(draw: Draw, size: int, ink: str, chance: Chance) -> None:
    font, top = _font(size), 20
    while top < SIZE[1] - size:
        words = " ".join(chance.choices(WORDS, k=round(1400 / size / 5)))
        draw.text((30, top), words, ink, font)
        top += round(size * 1.4)


def page_of_text() -> Image.Image:
    """Black letters on white."""
    image = Image.new("RGB", SIZE, "white")
    _lines_of_text(ImageDraw.Draw(image), 18, "#111111", Chance(1))
    return image


def code_on_dark() -> Image.Image:
    """Coloured letters on a dark ground, as an editor shows them."""
    image, chance, font = Image.new("RGB", SIZE, "#1e1e1e"), Chance(2), _font(16)
    draw = ImageDraw.Draw(image)
    for row in range(26):
        left = 20 + 24 * chance.randrange(4)
        for _ in range(chance.randrange(2, 7)):
            word = chance.choice(WORDS)
            draw.text((left, 12 + 22 * row), word, chance.choice(COLOURS), font)
            left += round(font.getlength(word)) + 8
    return image


def line_chart() -> Image.Image:
    """Curves over a grid."""

    def paint(draw: Draw, by: int) -> None:
        for at in range(60, 800, 74):
            draw.line((at * by, 40 * by, at * by, 540 * by), "#dddddd", by)
        for at in range(40, 560, 50):
            draw.line((60 * by, at * by, 760 * by, at * by), "#dddddd", by)
        for number, colour in enumerate(COLOURS):
            points = [
                (x * by, (290 - 200 * math.sin(x / (50 + 9 * number) + number) * math.exp(-x / 900)) * by)
                for x in range(60, 761, 2)
            ]
            draw.line(points, colour, 2 * by)
        draw.text((60 * by, 552 * by), "seconds since the start", "black", _font(20 * by))

    return _soft(paint)


def bar_chart() -> Image.Image:
    """Plain rectangles and numbers."""

    def paint(draw: Draw, by: int) -> None:
        chance = Chance(4)
        for number in range(16):
            high = chance.randrange(60, 480)
            box = (40 + 45 * number, 540 - high, 72 + 45 * number, 540)
            draw.rectangle([side * by for side in box], COLOURS[number % len(COLOURS)])
            draw.text((box[0] * by, (box[1] - 24) * by), str(high), "#222222", _font(16 * by))
        draw.line((30 * by, 540 * by, 770 * by, 540 * by), "black", 2 * by)

    return _soft(paint)


def logo() -> Image.Image:
    """A badge with a gradient and large letters."""
    ramp = np.linspace(0, 1, SIZE[1])[:, np.newaxis, np.newaxis]
    levels = (1 - ramp) * np.array([20, 90, 200]) + ramp * np.array([230, 60, 120])
    ground = Image.fromarray(np.broadcast_to(np.rint(levels), (SIZE[1], SIZE[0], 3)).astype(np.uint8))

    def paint(draw: Draw, by: int) -> None:
        draw.ellipse([side * by for side in (170, 70, 630, 530)], "white")
        draw.text((400 * by, 300 * by), "Badge", "black", _font(110 * by), anchor="mm")

    mask = _soft(paint, "black").convert("L")
    return Image.composite(Image.new("RGB", SIZE, "white"), ground, mask)


def comic() -> Image.Image:
    """Plain colours inside black outlines."""

    def paint(draw: Draw, by: int) -> None:
        chance = Chance(6)
        for _ in range(45):
            x, y, radius = chance.randrange(800), chance.randrange(600), chance.randrange(25, 110)
            box = [side * by for side in (x - radius, y - radius, x + radius, y + radius)]
            kind = draw.ellipse if chance.random() < 0.6 else draw.rectangle
            kind(box, chance.choice(COLOURS), "black", 4 * by)

    return _soft(paint, "#ffe9b0")


def street_map() -> Image.Image:
    """Roads, blocks and names."""

    def paint(draw: Draw, by: int) -> None:
        chance = Chance(7)
        for _ in range(14):
            x, y = chance.randrange(800), chance.randrange(600)
            box = [side * by for side in (x, y, x + chance.randrange(60, 200), y + chance.randrange(40, 160))]
            draw.rectangle(box, chance.choice(("#c8e6b0", "#e4dccf", "#b5d6ee")))
        for number in range(24):
            ends = [chance.randrange(-100, 900) * by for _ in range(4)]
            draw.line(ends, "#b9b0a2", (10 if number % 4 else 16) * by)
            draw.line(ends, "white" if number % 4 else "#ffd35c", (7 if number % 4 else 12) * by)
        for _ in range(22):
            place = chance.randrange(700) * by, chance.randrange(570) * by
            draw.text(place, chance.choice(WORDS), "#444444", _font(14 * by))

    return _soft(paint, "#f2efe9")


def pixel_art() -> Image.Image:
    """Large square pixels of few colours."""
    chance = np.random.default_rng(8)
    palette = np.array([tuple(bytes.fromhex(colour[1:])) for colour in (*COLOURS, "#ffffff", "#000000")], np.uint8)
    half = chance.integers(0, len(palette), (30, 20))
    cells = np.concatenate((half, half[:, ::-1]), axis=1)
    return Image.fromarray(palette[cells]).resize(SIZE, Image.Resampling.NEAREST)


def form_of_a_program() -> Image.Image:
    """Buttons, fields and a table, as a screen shows them."""
    image, font = Image.new("RGB", SIZE, "#f5f6f8"), _font(15)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 800, 44), "#2b579a")
    draw.text((16, 12), "Pictures of this week", "white", font)
    for row in range(15):
        top = 110 + 30 * row
        draw.rectangle((20, top, 780, top + 29), "white" if row % 2 else "#eef2f8", "#d0d4da")
        for column, word in enumerate(WORDS[row : row + 5]):
            draw.text((30 + 150 * column, top + 6), word, "#c00000" if (row + column) % 6 == 0 else "#222222", font)
    for number, name in enumerate(("Save", "Open", "Send", "Close")):
        left = 20 + 120 * number
        draw.rounded_rectangle((left, 58, left + 108, 94), 6, COLOURS[number], "#888888")
        draw.text((left + 54, 76), name, "white", font, anchor="mm")
    return image


def diagram() -> Image.Image:
    """Boxes that thin coloured lines join."""

    def paint(draw: Draw, by: int) -> None:
        chance = Chance(10)
        places = [(70 + 180 * (number % 4), 60 + 130 * (number // 4)) for number in range(16)]
        for _ in range(26):
            first, last = chance.sample(places, 2)
            ends = [(x + 60) * by for x in (first[0], last[0])], [(y + 25) * by for y in (first[1], last[1])]
            draw.line(list(zip(*ends, strict=True)), chance.choice(COLOURS), by)
        for number, (x, y) in enumerate(places):
            box = [side * by for side in (x, y, x + 120, y + 50)]
            draw.rounded_rectangle(box, 8 * by, "#fdfdf2", "black", by)
            draw.text(((x + 60) * by, (y + 25) * by), WORDS[number], "black", _font(18 * by), anchor="mm")

    return _soft(paint)


MAKERS = {
    maker.__name__: maker
    for maker in (
        *(page_of_text, code_on_dark, line_chart, bar_chart, logo),
        *(comic, street_map, pixel_art, form_of_a_program, diagram),
    )
}
"""The drawings by the names of the functions that make them."""
