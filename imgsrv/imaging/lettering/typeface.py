"""A font file as HarfBuzz reads it: its characters, its names, and what it can write."""

from __future__ import annotations

import unicodedata
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from imgsrv.imaging.lazy import hb

UNITS = 64
"""Positions are whole numbers of this part of a pixel."""

OUTLINES = ("glyf", "CFF ", "CFF2")
"""Tables that hold the outlines of glyphs; a font without one holds pictures of a fixed size."""

WOFF2 = b"wOF2"
LEAST_LETTERS = 20
"""A font that has fewer characters of a script does not cover it: many fonts have a µ and no other Greek letter."""

BRAILLE_BLANK = "\u2800"
"""The one visible character whose glyph is blank."""

KEPT_CLUSTERS = 4096

KEPT_FONTS = 64
"""Sizes of all fonts together in which a font is kept."""


class NoFontError(ValueError):
    """The file is no font at all."""


class Typeface:
    """One font file, whose outlines HarfBuzz gives.

    Raises OSError where it cannot be read, NoFontError, and ValueError for a font that is no use here, with the reason.
    """

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file = name, file
        with file.open("rb") as opened:
            if opened.read(len(WOFF2)) == WOFF2:
                raise ValueError(f"is a WOFF2, packed for browsers; unpack it: woff2_decompress {file.name}")
        self.face: Any = hb.Face(hb.Blob.from_file_path(str(file)))
        self.characters: Any = self.face.unicodes
        if not self.face.glyph_count or not self.characters:
            raise NoFontError("is no font: it has no characters")
        if not set(OUTLINES) & set(self.face.table_tags):
            raise ValueError("holds pictures of letters, and no outlines")
        self._can_write = lru_cache(KEPT_CLUSTERS)(self._writes)

    def at(self, size: int) -> Any:
        """The font for letters of this size in pixels; its units are UNITS.  Nobody may change it."""
        return _font(self, size)

    def has(self, letter: str) -> bool:
        """The font maps this character to a glyph."""
        return ord(letter) in self.characters

    def can_write(self, cluster: str) -> bool:
        """The font has glyphs for a letter and its marks, composed, taken apart, or replaced as Unicode allows."""
        return self._can_write(cluster)

    def _writes(self, cluster: str) -> bool:
        buffer = hb.Buffer()
        buffer.add_codepoints(list(map(ord, cluster)))
        buffer.guess_segment_properties()
        font = hb.Font(self.face)
        hb.shape(font, buffer)
        numbers = [info.codepoint for info in buffer.glyph_infos]
        if 0 in numbers:
            return False
        is_blank = cluster == BRAILLE_BLANK or unicodedata.category(cluster[0])[0] in "ZCM"
        boxes = map(font.get_glyph_extents, numbers)
        return is_blank or not numbers or any(box is not None and box.width for box in boxes)

    @property
    def family(self) -> str:
        """The name of the family, such as `Noto Sans`."""
        return self._named(16) or self._named(1) or self.name

    @property
    def style(self) -> str:
        """The name of the style, such as `Bold Italic`."""
        return self._named(17) or self._named(2) or "Regular"

    def _named(self, number: int) -> str | None:
        """A name of the font by its number in the table `name` of OpenType: typographic ones are 16 and 17."""
        return self.face.get_name(number) or None

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """The scripts of which it has LEAST_LETTERS characters, as four letters of ISO 15924, most letters first."""
        found: dict[str, int] = {}
        for number in self.characters:
            script = script_of(chr(number))
            if script is not None:
                found[script] = found.get(script, 0) + 1
        return tuple(sorted((name for name, count in found.items() if count >= LEAST_LETTERS), key=lambda n: -found[n]))

    @property
    def axes(self) -> tuple[dict[str, Any], ...]:
        """The axes of a variable font: tag, and the least, the usual and the largest value."""
        return tuple(
            {"tag": axis.tag, "min": axis.min_value, "default": axis.default_value, "max": axis.max_value}
            for axis in self.face.axis_infos
        )


@lru_cache(KEPT_FONTS)
def _font(typeface: Typeface, size: int) -> Any:
    font = hb.Font(typeface.face)
    font.scale = (size * UNITS, size * UNITS)
    return font


@lru_cache(KEPT_CLUSTERS)
def script_of(letter: str) -> str | None:
    """The script of a character by ISO 15924, such as `Arab`; None for those of all scripts, such as digits."""
    buffer = hb.Buffer()
    buffer.add_codepoints([ord(letter)])
    buffer.guess_segment_properties()
    return buffer.script or None
