"""A text as lines of glyphs: its direction, its fonts, its shapes, and where it is broken.

A run is a part of a line with one direction, one font and one script.  HarfBuzz turns it into glyphs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from imgsrv.imaging.lazy import hb
from imgsrv.imaging.lettering.bidi import base_level, embedding_levels, line_levels, visual_order
from imgsrv.imaging.lettering.typeface import UNITS, Typeface, script_of

ZERO_WIDTH_SPACE = "\u200b"
JOINERS = "\u200c\u200d"

NO_SCRIPT = "Zyyy"
"""ISO 15924 for characters of all scripts."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A glyph of a font.  x, y: where it stands, in UNITS from the start of the line, and upwards from the baseline."""

    font: int
    number: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line.  width, above, below: in UNITS, the last two from the baseline, with half of the gap between lines."""

    glyphs: tuple[Glyph, ...]
    width: int
    above: int
    below: int


class Writer:
    """Shapes text in a font of a size in pixels, and in further fonts what that one lacks."""

    def __init__(self, chain: Sequence[Typeface], size: int) -> None:
        self.chain = chain
        self.fonts = [face.at(size) for face in chain]
        self.heights = [_heights(font) for font in self.fonts]

    def lines(self, text: str, widest: float) -> Iterator[Line]:
        """The lines of a text.  widest: in pixels; a longer line is broken between words, else between letters."""
        for paragraph in text.splitlines():
            shaped = _Paragraph(self, shown_letters(paragraph))
            yield from (shaped.line(start, end) for start, end in shaped.breaks(widest * UNITS))


class _Paragraph:
    """One paragraph: what is known of each of its characters."""

    def __init__(self, writer: Writer, text: str) -> None:
        self._writer, self._text = writer, text
        self._letters = list(map(ord, text))
        self._base = base_level(text)
        self._levels = embedding_levels(text, self._base)
        self._fonts = _fonts(text, writer.chain)
        self._scripts = _scripts(text)

    def line(self, start: int, end: int) -> Line:
        """The glyphs of a part of the paragraph that becomes a line."""
        glyphs: list[Glyph] = []
        at, fonts = 0, {0}
        runs = list(self._runs(start, end))
        for place in visual_order([level for _start, _end, level in runs]):
            first, last, level = runs[place]
            fonts.add(self._fonts[first])
            for info, position in self._shaped(first, last, level):
                x, y = at + position.x_offset, position.y_offset
                glyphs.append(Glyph(self._fonts[first], info.codepoint, x, y))
                at += position.x_advance
        above, below = (max(self._writer.heights[font][side] for font in fonts) for side in (0, 1))
        return Line(tuple(glyphs), at, above, below)

    def breaks(self, widest: float) -> Iterator[tuple[int, int]]:
        """Where each line begins and ends, so that it is at most this wide, in UNITS."""
        reach, starts = self._reach()
        start, space, at = 0, -1, 0
        while at < len(self._text):
            if self._text[at] in (" ", ZERO_WIDTH_SPACE):
                space = at
            elif reach[at + 1] - reach[start] > widest:
                inside = next((place for place in range(at, start, -1) if place in starts), start)
                end, following = (space, space + 1) if space > start else (inside, inside)
                if following > start:
                    yield start, end
                    # The rest is measured again from its own start.
                    start, space, at = following, -1, max(at, following)
                    continue
            at += 1
        yield start, len(self._text)

    def _reach(self) -> tuple[list[int], set[int]]:
        """How wide the paragraph is before each character and as a whole, and where glyphs begin."""
        widths = [0] * len(self._text)
        starts = set()
        for start, end, level in self._runs(0, len(self._text)):
            for info, position in self._shaped(start, end, level):
                widths[info.cluster] += position.x_advance
                starts.add(info.cluster)
        return [0, *accumulate(widths)], starts

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Start, end and level of each run of a line, in the order in which it is read."""
        levels = line_levels(self._text[start:end], self._levels[start:end], self._base)

        def kind(at: int) -> tuple[int, int, str]:
            return levels[at - start], self._fonts[at], self._scripts[at]

        for (level, _font, _script), places in groupby(range(start, end), kind):
            found = list(places)
            yield found[0], found[-1] + 1, level

    def _shaped(self, start: int, end: int, level: int) -> Iterator[tuple[Any, Any]]:
        """Glyphs and positions of a run, from left to right."""
        buffer = hb.Buffer()
        buffer.add_codepoints(self._letters, start, end - start)
        buffer.direction = "rtl" if level % 2 else "ltr"
        buffer.script = self._scripts[start]
        # The language of the process, which HarfBuzz takes otherwise, is not that of the text.
        buffer.language = "und"
        hb.shape(self._writer.fonts[self._fonts[start]], buffer)
        return zip(buffer.glyph_infos, buffer.glyph_positions or [], strict=True)


def shown_letters(paragraph: str) -> str:
    """The paragraph without control characters, which have no glyph; a tab is a space."""
    return "".join(one for one in paragraph.replace("\t", " ") if unicodedata.category(one) != "Cc")


def clusters(text: str) -> Iterator[str]:
    """The letters of a text, each with the marks on it."""
    cluster = ""
    for letter in text:
        if cluster and (unicodedata.category(letter)[0] == "M" or letter in JOINERS or cluster[-1] == JOINERS[1]):
            cluster += letter
            continue
        if cluster:
            yield cluster
        cluster = letter
    if cluster:
        yield cluster


def _fonts(text: str, chain: Sequence[Typeface]) -> list[int]:
    """The place in the chain of the font that writes each character: the first that can."""
    found: list[int] = []
    for cluster in clusters(text):
        able = (place for place, face in enumerate(chain) if face.can_write(cluster))
        found += [next(able, 0)] * len(cluster)
    return found


def _scripts(text: str) -> list[str]:
    """The script of each character; one of all scripts has that of the letter before, or of the first letter."""
    own = list(map(script_of, text))
    script = next(filter(None, own), NO_SCRIPT)
    found = []
    for one in own:
        script = one or script
        found.append(script)
    return found


def _heights(font: Any) -> tuple[int, int]:
    """Above and below the baseline, in UNITS, as browsers space lines: by ascender, descender and the gap."""
    extents = font.get_font_extents("ltr")
    half = extents.line_gap // 2
    return extents.ascender + half, -extents.descender + extents.line_gap - half
