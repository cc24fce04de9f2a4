"""A letter that no font has: an error with the way out, or a fallback that was named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from made.fonts import font_file
from pictures import result
from PIL import Image

from imgsrv.errors import BadSetting, InvalidParameter, UnusableParameters
from imgsrv.imaging.lettering import fonts
from imgsrv.imaging.lettering.fonts import BUILT_IN, font_facts, font_names, typeface, use_fallbacks, use_fonts

HEBREW = "שלום"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for fonts; what a test makes of it is forgotten."""
    monkeypatch.setattr(fonts, "_FOLDERS", [])
    monkeypatch.setattr(fonts, "_FALLBACKS", [])
    fonts._files.cache_clear()
    yield tmp_path
    fonts._files.cache_clear()


def write(text: str, more: str = "") -> Image.Image:
    return result(Image.new("RGB", (300, 100)), f"text:text={quote(text)}{more}")


def give(folder: Path, script: str) -> str:
    """Put Noto Sans for a script into the folder, and use it."""
    shutil.copy(font_file(script), folder)
    use_fonts(folder)
    return font_file(script).stem


def test_a_letter_that_no_font_has_is_named() -> None:
    with pytest.raises(UnusableParameters, match=r"for ש U\+05E9 \(HEBREW LETTER SHIN\).* Hebrew; no font here"):
        write(f"Hello {HEBREW}")


def test_no_more_letters_are_told_than_can_be_read() -> None:
    with pytest.raises(UnusableParameters) as caught:
        write("".join(map(chr, range(0x5D0, 0x5EA))))
    assert "and 23 more" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_fonts_that_have_the_letters_are_named_and_work(folder: Path) -> None:
    name = give(folder, "Hebrew")
    with pytest.raises(UnusableParameters, match=f"{name} has them: write font={name}, or start with"):
        write(HEBREW)
    assert np.asarray(write(HEBREW, f",font={name}")).any()


def test_a_named_fallback_writes_what_the_font_lacks(folder: Path) -> None:
    name = give(folder, "Hebrew")
    use_fallbacks([name])
    latin, both = np.asarray(write("Hi")), np.asarray(write(f"Hi {HEBREW}"))
    assert np.count_nonzero(both) > np.count_nonzero(latin)


def test_scripts_that_no_single_font_has_are_answered_with_a_chain_of_fonts(folder: Path) -> None:
    hebrew, thai = give(folder, "Hebrew"), give(folder, "Thai")
    with pytest.raises(UnusableParameters, match=f"has them all: start with --font-fallback={hebrew},{thai}$"):
        write(f"{HEBREW} \u0e01")
    use_fallbacks([hebrew, thai])
    assert np.asarray(write(f"{HEBREW} \u0e01")).any()


def test_the_advice_keeps_the_fallbacks_of_today(folder: Path) -> None:
    hebrew, thai = give(folder, "Hebrew"), give(folder, "Thai")
    use_fallbacks([hebrew])
    with pytest.raises(UnusableParameters, match=f"start with --font-fallback={hebrew},{thai}$"):
        write(f"{HEBREW} \u0e01")


def test_of_several_scripts_the_one_that_no_font_has_is_named(folder: Path) -> None:
    give(folder, "Hebrew")
    with pytest.raises(UnusableParameters, match="no font here has them of Thai: put one that has"):
        write(f"{HEBREW} \u0e01")


def test_a_fallback_is_not_used_for_what_the_font_has(folder: Path) -> None:
    before = np.asarray(write("Hi 12, (ok)"))
    use_fallbacks([give(folder, "Thai")])
    assert np.array_equal(before, np.asarray(write("Hi 12, (ok)")))


def test_an_unknown_fallback_is_refused_with_the_known_ones(folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(BadSetting, match=r"there is no font 'Comic'; there are SourceSansPro-Black, "):
        use_fallbacks(["Comic"])


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301",
        "\u00e9",
        "\u0065\u0323\u0302",
        "a\u00a0b",
        "a\u00adb",
        "a\u200bb",
        "x\ufe0f",
        "a\tb",
        "a\x07b",
    ],
    ids=[
        "composed",
        "whole",
        "two-marks",
        "hard-space",
        "soft-hyphen",
        "zero-width-space",
        "selector",
        "tab",
        "bell",
    ],
)
def test_what_can_be_shown_in_another_way_is_not_missing(text: str) -> None:
    assert np.asarray(write(text)).any()


@pytest.mark.parametrize("text", ["😀", "\ue000", "\U0003fffe", "👨‍👩‍👧", "\u0e01"])
def test_emoji_private_and_unassigned_characters_are_missing(text: str) -> None:
    with pytest.raises(UnusableParameters, match="no glyph for"):
        write(text)


def test_a_font_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidParameter, match=r"there are SourceSansPro-Black, .*; did you mean SourceSansPro-Bold\?"):
        write("Hi", ",font=sourcesanspro-bol")


def test_a_font_packed_for_browsers_is_left_out_with_the_reason(folder: Path) -> None:
    (folder / "Packed.woff2").write_bytes(b"wOF2" + bytes(60))
    shutil.copy(typeface(BUILT_IN).file, folder / "Good.ttf")
    use_fonts(folder)
    assert "Good" in font_names()
    assert "Packed" not in font_names()
    with pytest.raises(InvalidParameter, match="its file is a WOFF2, packed for browsers"):
        write("Hi", ",font=Packed")


def test_a_list_of_fonts_tells_what_they_are() -> None:
    facts = {row["name"]: row for row in font_facts()}
    assert facts["SourceSansPro-BoldIt"] == {
        "name": "SourceSansPro-BoldIt",
        "family": "Source Sans Pro",
        "style": "Bold Italic",
        "file": "SourceSansPro-BoldIt.ttf",
        "scripts": facts["SourceSansPro-BoldIt"]["scripts"],
        "axes": [],
        "fallback": None,
    }
    assert set(facts[BUILT_IN]["scripts"]) == {"Latn", "Cyrl", "Grek"}
