"""Text on pictures: its position, its line breaks, and scripts that need shaping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import result
from PIL import Image

from imgsrv.errors import BadSetting, InvalidParameter
from imgsrv.imaging.lettering import fonts
from imgsrv.imaging.lettering.fonts import BUILT_IN, chain_of, font_names, typeface, use_fonts
from imgsrv.imaging.lettering.lines import Writer
from imgsrv.imaging.lettering.masks import Block
from imgsrv.imaging.lettering.typeface import UNITS
from imgsrv.imaging.operations.overlay.text import LAYER_WORK
from imgsrv.imaging.pipelines.pipeline import make_step

BLACK = Image.new("RGB", (400, 200), "black")


def written(arguments: str, below: Image.Image = BLACK) -> Image.Image:
    return result(below, f"text:{arguments}")


def widths(text: str, widest: float, size: int = 20) -> list[float]:
    """The widths of the lines of a text in the built-in font, in pixels."""
    return [line.width / UNITS for line in Writer([typeface(BUILT_IN)], size).lines(text, widest)]


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    """The box of all pixels that are not black."""
    box = picture.convert("L").getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("gravity", "is_left", "is_top"),
    [("northwest", True, True), ("northeast", False, True), ("southwest", True, False), ("southeast", False, False)],
)
def test_gravity_chooses_the_corner(gravity: str, *, is_left: bool, is_top: bool) -> None:
    left, top, right, bottom = ink(written(f"text=Hi,gravity={gravity},margin=0.05"))
    assert (left < 20) == is_left
    assert (right > 380) != is_left
    assert (top < 20) == is_top
    assert (bottom > 180) != is_top


def test_the_size_is_the_height_of_the_letters() -> None:
    _left, top, _right, bottom = ink(written("text=Hg,size=100,gravity=center"))
    assert 75 <= bottom - top <= 100


@pytest.mark.parametrize("letters", ["äöüßéÀŁž", "Ελληνικά", "Кириллица"])
def test_the_built_in_font_has_the_letters_of_europe(letters: str) -> None:
    assert [letter for letter in letters if not typeface(BUILT_IN).has(letter)] == []


def test_a_long_text_is_broken_between_words_and_a_long_word_inside() -> None:
    text = "one two three four five six seven eight nine ten extraordinarilylongwordthatfitsnowhere end"
    lines = list(Writer([typeface(BUILT_IN)], 20).lines(text, 120))
    numbers = [glyph.number for line in lines for glyph in line.glyphs]
    whole = [glyph.number for line in Writer([typeface(BUILT_IN)], 20).lines(text, 1e6) for glyph in line.glyphs]
    space = whole[3]
    assert [one for one in numbers if one != space] == [one for one in whole if one != space]
    assert max(line.width for line in lines) <= 120 * UNITS
    assert len(lines) > 4


def test_a_line_feed_begins_a_new_line() -> None:
    first, second, third = widths("a\n\nb", 100)
    assert [first, third] == [*widths("a", 100), *widths("b", 100)]
    assert second == 0


def test_a_bracket_is_mirrored_where_the_text_runs_from_right_to_left() -> None:
    # Without a Hebrew letter in the font, a mark of direction makes the paragraph one from right to left.
    mirrored, plain = (np.asarray(written(f"text={text}")) for text in (quote(chr(0x200F)) + "(!", "!)"))
    assert np.array_equal(mirrored, plain)


def test_an_outline_and_a_shadow_lie_under_the_letters() -> None:
    white = Image.new("RGB", (400, 200), "white")
    plain, outlined, shaded = (
        np.asarray(written(f"text=Hi,size=80,colour=ff0000{more}", white)).astype(int)
        for more in ("", ",outline=6", ",shadow=8")
    )
    is_red = (plain == (255, 0, 0)).all(axis=2)
    assert is_red.sum() > 500
    assert (outlined.sum(axis=2) == 0).sum() > 500
    assert ((shaded == 127).all(axis=2) | (shaded == 128).all(axis=2)).sum() > 500


def test_letters_on_a_transparent_picture_have_no_dark_fringe() -> None:
    on_nothing = np.asarray(written("text=Hi,size=80,colour=white", Image.new("RGBA", (200, 100))))
    assert on_nothing[on_nothing[..., 3] > 0][:, :3].min() == 255


def test_a_text_larger_than_the_picture_is_cut_off() -> None:
    assert written("text=WWW,size=1000", Image.new("RGB", (10, 10))).size == (10, 10)


def test_a_thousand_letters_on_one_pixel_are_no_fault() -> None:
    assert written(f"text={'W' * 1000}", Image.new("L", (1, 1))).size == (1, 1)


@pytest.mark.parametrize("text", ["\u0000", "\n", " ", "\ud800", "\u202e", "a\u0301" * 100])
def test_odd_letters_are_no_fault(text: str) -> None:
    assert written(f"text={quote(text, errors='replace')}").size == BLACK.size


def test_an_unknown_font_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidParameter, match="font=Comic of text"):
        written("text=Hi,font=Comic")


# ---- shaping ----------------------------------------------------------------------------------------------


@pytest.fixture
def arabic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a font of this machine that has Arabic letters."""
    found = [
        path for root in ("/usr/share/fonts", "/usr/local/share/fonts") for path in Path(root).rglob("DejaVuSans.ttf")
    ]
    if not found:
        pytest.skip("the font DejaVu Sans, which has Arabic letters, is not on this machine")
    monkeypatch.setattr(fonts, "_FOLDERS", [])
    (tmp_path / "Arabic.ttf").write_bytes(found[0].read_bytes())
    use_fonts(tmp_path)
    yield "Arabic"
    fonts._files.cache_clear()


def columns(text: str, font: str) -> NDArray[np.intp]:
    """The number of inked pixels in each column of a text, from its first column to its last."""
    left, _top, right, _bottom = ink(shown := written(f"text={quote(text)},font={font},size=80"))
    return np.asarray(np.count_nonzero(np.asarray(shown.convert("L"))[:, left:right] > 100, axis=0))


def test_arabic_letters_join(arabic: str) -> None:
    beh, apart = "\u0628", "\u200c"  # a zero-width non-joiner keeps letters apart
    assert (columns(beh * 3, arabic)[5:-5] > 0).all()
    assert (columns(apart.join([beh] * 3), arabic) == 0).any()


def test_arabic_runs_from_right_to_left(arabic: str) -> None:
    # An alef is a tall stroke; written first it stands at the right, and written last at the left.
    alef, beh = "\u0627", "\u0628"
    first, last = columns(f"{alef}{beh}{beh}", arabic), columns(f"{beh}{beh}{alef}", arabic)
    assert np.argmax(first) > len(first) * 0.8
    assert np.argmax(last) < len(last) * 0.2


def test_chinese_without_spaces_is_broken_into_lines_that_fit() -> None:
    # Breaking asks a font for widths alone, so the boxes that stand for letters it lacks will do.
    lines = list(Writer([typeface(BUILT_IN)], 20).lines("敏捷的棕色狐狸跳过了懒狗" * 4, 150))
    assert sum(len(line.glyphs) for line in lines) == 48
    assert len(lines) > 2
    assert max(line.width for line in lines) <= 150 * UNITS


# ---- a folder of fonts ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with one font; the fonts of the test are forgotten after it."""
    monkeypatch.setattr(fonts, "_FOLDERS", [])
    source = typeface(f"{BUILT_IN.partition('-')[0]}-Black").file
    (tmp_path / "Mine.ttf").write_bytes(source.read_bytes())
    fonts._files.cache_clear()
    yield tmp_path
    fonts._files.cache_clear()


def test_a_font_of_the_folder_is_used_by_its_name(folder: Path) -> None:
    use_fonts(folder)
    assert "Mine" in font_names()
    heavy, regular = (np.asarray(written(f"text=Hi,size=80,font={name}")).sum() for name in ("Mine", BUILT_IN))
    assert heavy > regular


@pytest.mark.parametrize("content", [None, b"no font"], ids=["an-empty-folder", "a-file-that-is-no-font"])
def test_a_folder_without_a_font_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "broken.ttf").write_bytes(content)
    with pytest.raises(BadSetting, match="no font"):
        use_fonts(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be read"):
        use_fonts(tmp_path / "none")


# ---- the work ------------------------------------------------------------------------------------------

TEXTS = [
    pytest.param("W" * 1000, 1000, 50, id="wide"),
    pytest.param("i" * 1000, 300, 0, id="narrow"),
    pytest.param("i" * 1000, 8, 50, id="narrow-with-a-wide-outline"),
    pytest.param("weight of words " * 60, 60, 9, id="words"),
    pytest.param("A" + "\u0301" * 900, 100, 10, id="marks"),
    pytest.param("Line\n" * 200, 40, 2, id="lines"),
    pytest.param("W" * 500 + "\n" * 498 + "i", 10, 0, id="empty-lines"),
]


@pytest.mark.parametrize("frame", [(1, 1), (300, 200), (2000, 1500)])
@pytest.mark.parametrize(("text", "size", "outline"), TEXTS)
def test_no_fewer_pixels_of_letters_are_counted_than_are_drawn(
    text: str, size: int, outline: int, frame: tuple[int, int]
) -> None:
    writer = Writer(chain_of(BUILT_IN), size)
    block = Block(list(writer.lines(text, frame[0] * 0.9)), writer.fonts, size, "center")
    left, top, right, bottom = block.ink
    start = left - outline, top - outline
    needed = min(frame[0], right - left + 2 * outline), min(frame[1], bottom - top + 2 * outline)
    box = *start, start[0] + needed[0], start[1] + needed[1]
    drawn = sum(
        ((glyph.right - glyph.left) / UNITS + 2 * outline) * ((glyph.top - glyph.bottom) / UNITS + 2 * outline)
        for glyph in block._glyphs
        if glyph.touches(box, outline + 1)
    )
    step = make_step("text", [("text", text), ("size", str(size)), ("outline", str(outline))])
    assert drawn <= step.operation.work(frame, frame, step.arguments) / (1 + (outline > 0))
    assert needed[0] * needed[1] <= step.operation.work(frame, frame, step.arguments) / LAYER_WORK
