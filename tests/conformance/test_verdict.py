"""The verdict on a picture beside those of other readers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conformance.readers import Pixels
from tests.conformance.verdict import judge, ratio


def flat(level: int, alpha: int = 255, side: int = 4) -> Pixels:
    return np.full((side, side, 4), (level, level, level, alpha), np.uint8)


@pytest.mark.parametrize(
    ("ours", "others", "kind"),
    [
        (flat(9), {"a": flat(9), "b": flat(9), "c": flat(99)}, "as the others"),
        (flat(99), {"a": flat(9), "b": flat(9), "c": flat(99)}, "as some"),
        (flat(50), {"a": flat(9), "b": flat(9), "c": flat(99)}, "otherwise"),
        (flat(9, side=5), {"a": flat(9)}, "otherwise"),
        (None, {"a": flat(9), "b": None}, "refused"),
        (None, {"a": flat(9), "b": None, "c": None}, "refused as by most"),
        (None, {"a": None}, "refused by all"),
        (flat(9), {"a": None}, "read alone"),
        ("TypeError", {"a": flat(9)}, "failed"),
    ],
)
def test_a_reading_is_judged_by_the_largest_group_that_agrees(
    ours: Pixels | str | None, others: dict[str, Pixels | None], kind: str
) -> None:
    assert judge(ours, others).kind == kind


def test_colours_that_nobody_sees_do_not_count() -> None:
    assert ratio(flat(9, 0), flat(200, 0)) == 100
    assert ratio(flat(9), flat(10)) == pytest.approx(49.4, abs=0.1)
