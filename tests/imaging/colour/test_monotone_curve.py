"""Monotone curves, compared with those of SciPy, and their guarantees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pictures import drawn, picture, result

from imgsrv.imaging.colour.monotone_curve import interpolate
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

AT = [0.05, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97]

SCIPY = {
    ((0, 0), (0.5, 0.6), (1, 1)): [0.06918, 0.26592, 0.38688, 0.55062, 0.69344, 0.8225, 0.93536, 0.981572],
    ((0, 0.1), (0.25, 0.1), (0.5, 0.9), (0.75, 0.7), (1, 1)): [0.1, 0.1, 0.1832, 0.8168, 0.8296, 0.7, 0.8152, 0.936966],
    ((0, 1), (0.1, 0.2), (1, 0)): [0.497507, 0.147447, 0.104791, 0.057193, 0.026285, 0.008718, 0.001147, 9.3e-05],
}
"""What scipy.interpolate.PchipInterpolator of SciPy 1.17.1 gives for these points at these places."""


@pytest.mark.parametrize("points", SCIPY, ids=str)
def test_a_curve_is_that_of_scipy(points: tuple[tuple[float, float], ...]) -> None:
    assert interpolate(points, AT) == pytest.approx(SCIPY[points], abs=1e-6)


def test_a_curve_goes_through_its_points() -> None:
    points = [(0.1, 0.3), (0.2, 0.9), (0.6, 0.1), (0.9, 0.8)]
    assert interpolate(points, [x for x, _ in points]) == pytest.approx([y for _, y in points])


def test_a_curve_is_flat_outside_of_its_points() -> None:
    assert interpolate([(0.2, 0.3), (0.5, 0.4), (0.8, 0.9)], [0, 0.1, 0.9, 1]) == [0.3, 0.3, 0.9, 0.9]


def test_a_curve_never_overshoots_its_points() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        across = np.unique(random.random(6).round(3))
        points = [(float(x), float(y)) for x, y in zip(across, random.random(len(across)), strict=True)]
        for (left, low), (right, high) in itertools.pairwise(points):
            inside = np.array(interpolate(points, np.linspace(left, right, 40)))
            assert min(low, high) - 1e-9 <= inside.min() <= inside.max() <= max(low, high) + 1e-9


def test_a_curve_of_one_channel_makes_a_grey_picture_coloured() -> None:
    assert drawn(result(picture("KW", "L"), "curves:points=0:1;1:1,channel=red")) == "RW"


def test_a_curve_can_be_percent_encoded_like_any_value() -> None:
    encoded = "curves:points=0%3A0%3B0.5%3A0.6%3B1%3A1"
    assert str(parse_pipeline(encoded)) == "curves:points=0:0;0.5:0.6;1:1"
