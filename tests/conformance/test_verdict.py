"""The verdict on a picture beside those of other readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conformance.known import KNOWN, Known
from tests.conformance.readers import Pixels
from tests.conformance.verdict import judge, ratio


def flat(level: int, alpha: int = 255, side: int = 4) -> Pixels:
    return np.full((side, side, 4), (level, level, level, alpha), np.uint8)


@pytest.mark.parametrize(
    ("ours", "others", "kind"),
    [
        (flat(9), {"a": flat(9), "b": flat(9), "c": flat(99)}, "as the majority"),
        (flat(99), {"a": flat(9), "b": flat(9), "c": flat(99)}, "otherwise"),
        (flat(9, side=5), {"a": flat(9), "b": flat(9)}, "otherwise"),
        (None, {"a": flat(9), "b": flat(9), "c": None}, "refused"),
        (flat(9), {"a": flat(9), "b": flat(9), "c": flat(99), "d": flat(99)}, "as some"),
        (flat(9), {"a": flat(9), "b": None}, "as some"),
        (flat(9), {"a": flat(99), "b": None}, "as none"),
        (None, {"a": flat(9), "b": None}, "refused here"),
        (None, {"a": None}, "by none"),
        (flat(9), {"a": None}, "read alone"),
        ("TypeError", {"a": flat(9)}, "failed"),
    ],
)
def test_a_reading_is_judged_by_two_readers_or_more_that_agree(
    ours: Pixels | str | None, others: dict[str, Pixels | None], kind: str
) -> None:
    assert judge(ours, others).kind == kind


@pytest.mark.parametrize(
    ("others", "votes"),
    [
        ({"sharp": flat(9), "magick": flat(9)}, "None"),
        ({"sharp": flat(9), "ffmpeg": flat(9)}, "True"),
        ({"sharp": flat(9), "magick": flat(9), "ffmpeg": flat(99), "tifffile": flat(99)}, "False"),
    ],
)
def test_programs_with_one_library_have_one_vote(others: dict[str, Pixels], votes: str) -> None:
    assert str(judge(flat(9), others, "tiff").by_libraries) == votes


def test_the_known_files_have_reasons(tmp_path: Path) -> None:
    known = Known.read(KNOWN)
    assert {meaning for meaning, *_ in known.rows} == {"invalid", "specified", "undecided", "unread"}
    assert all(pattern and reason for _meaning, pattern, reason in known.rows)
    assert known.meaning(tmp_path / "fail" / "a.png")[0] == "invalid"
    assert known.meaning(Path("right.png")) == ("", "")


def test_colours_that_nobody_sees_do_not_count() -> None:
    assert ratio(flat(9, 0), flat(200, 0)) == 100
    assert ratio(flat(9), flat(10)) == pytest.approx(49.4, abs=0.1)
