"""The bidirectional algorithm, by the conformance tests of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsrv.imaging.lettering.bidi import base_level, embedding_levels, line_levels, visual_order

UNICODE = Path("/usr/share/unicode")
"""Where the Debian package unicode-data puts the files of the Unicode Character Database."""

BASES = {"0": 0, "1": 1, "2": None}


def resolved(text: str, base: int | None) -> tuple[int, list[int]]:
    level = base_level(text) if base is None else base
    return level, line_levels(text, embedding_levels(text, base), level)


def rows(name: str) -> Iterator[str]:
    if not (UNICODE / name).exists():
        pytest.skip(f"{name} (Debian package unicode-data) is not on this machine")
    yield from (line for line in (UNICODE / name).read_text().splitlines() if line and line[0] != "#")


@pytest.mark.slow
def test_every_row_of_the_character_test_of_unicode_is_right() -> None:
    wrong = []
    for number, row in enumerate(rows("BidiCharacterTest.txt")):
        letters, direction, level, levels, order = row.split(";")
        text = "".join(chr(int(letter, 16)) for letter in letters.split())
        base, found = resolved(text, BASES[direction])
        shown = [at for at, expected in enumerate(levels.split()) if expected != "x"]
        got = [found[at] for at in shown]
        expected = [int(one) for one in levels.split() if one != "x"]
        from_left = [shown[at] for at in visual_order(got)]
        if (base, got, from_left) != (int(level), expected, [int(one) for one in order.split()]):
            wrong.append((number, row))
    assert wrong == []


@pytest.mark.slow
def test_the_classes_test_of_unicode_is_right_for_a_row_of_ten() -> None:
    samples: dict[str, str] = {"ON": "!"}
    for number in range(0x30000):
        samples.setdefault(unicodedata.bidirectional(chr(number)), chr(number))
    wrong, expected = [], ""
    for number, row in enumerate(rows("BidiTest.txt")):
        if row.startswith("@"):
            expected = row.removeprefix("@Levels:") if row.startswith("@Levels:") else expected
            continue
        kinds, _, bits = row.partition(";")
        if number % 10:
            continue
        text = "".join(samples[kind] for kind in kinds.split())
        for bit, base in ((1, None), (2, 0), (4, 1)):
            if int(bits, 16) & bit:
                _level, found = resolved(text, base)
                pairs = zip(found, expected.split(), strict=True)
                wrong += [(row, base) for got, right in pairs if right != "x" and got != int(right)][:1]
    assert wrong == []


def test_text_of_one_direction_is_left_as_it_is() -> None:
    assert embedding_levels("Hello, 12 (of) 3%!") == [0] * 18


def test_numbers_in_a_hebrew_sentence_run_from_left_to_right() -> None:
    text = "\u05d0\u05d1 12 \u05d2"
    _base, levels = resolved(text, None)
    assert "".join(text[at] for at in visual_order(levels)) == "\u05d2 12 \u05d1\u05d0"


def test_a_sentence_with_more_levels_than_there_are_is_read() -> None:
    assert max(embedding_levels("\u202b\u202a" * 200 + "a")) <= 126
