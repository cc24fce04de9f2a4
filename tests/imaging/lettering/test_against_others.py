"""Text as HarfBuzz's own program and as Chromium draw it, in scripts of both directions."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.fonts import chain, drawn, drawn_by_chromium, drawn_by_harfbuzz, font_file, likeness

from imgsrv.imaging.lettering.typeface import Typeface

pytestmark = pytest.mark.slow

ONE_SCRIPT = [
    pytest.param("Arabic", "مرحبا بالعالم", id="arabic"),
    pytest.param("Hebrew", "שלום עולם", id="hebrew"),
    # A vowel that stands before its consonant, and conjuncts.
    pytest.param(
        "Devanagari",
        "हिन्दी क्षत्रिय ज्ञान",
        id="devanagari",
    ),
    # A tone mark over a vowel, and one that is pushed aside.
    pytest.param("Thai", "ภาษาไทย น้ำใจ", id="thai"),
]

MIXED = [
    pytest.param(("Hebrew",), "שלום 123-456 (עולם) 50%", id="hebrew-with-digits"),
    pytest.param(("Arabic",), "مرحبا 2024 World (سلام)", id="arabic-with-latin"),
    pytest.param(
        ("Hebrew", "Arabic", "Devanagari"),
        "Hello שלום 12 & مرحبا (abc) हिन्दी!",
        id="four-scripts",
    ),
    pytest.param(
        ("Hebrew", "Arabic"),
        "Line one\nשלום שתיים\nتجربة ثلاثة",
        id="several-lines",
    ),
]


@pytest.mark.parametrize(("script", "text"), ONE_SCRIPT)
def test_a_script_is_shaped_as_hb_view_shapes_it(script: str, text: str, tmp_path: Path) -> None:
    font = font_file(script)
    assert likeness(drawn(text, [Typeface(script, font)], 80), drawn_by_harfbuzz(text, font, 80, tmp_path)) > 0.97


@pytest.mark.parametrize(("script", "text"), ONE_SCRIPT)
def test_a_script_is_drawn_as_in_chromium(script: str, text: str, tmp_path: Path) -> None:
    fonts = [Typeface(script, font_file(script))]
    assert likeness(drawn(text, fonts, 80), drawn_by_chromium(text, fonts, 80, tmp_path)) > 0.97


@pytest.mark.parametrize("align", ["left", "center", "right"])
@pytest.mark.parametrize(("scripts", "text"), MIXED)
def test_both_directions_and_several_fonts_are_drawn_as_in_chromium(
    scripts: tuple[str, ...], text: str, align: str, tmp_path: Path
) -> None:
    if align != "left" and "\n" not in text:
        pytest.skip("one line is aligned in any way alike")
    fonts = chain(*scripts)
    ours, theirs = drawn(text, fonts, 80, align), drawn_by_chromium(text, fonts, 80, tmp_path, align)
    assert likeness(ours, theirs) > 0.97


def test_latin_letters_are_kerned_and_joined_as_in_chromium(tmp_path: Path) -> None:
    text = "AVATAR fi ffl To. Wörld"
    assert likeness(drawn(text, chain(), 60), drawn_by_chromium(text, chain(), 60, tmp_path)) > 0.97
