"""Monotone cubic interpolation: a smooth curve through points that never overshoots them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.model.number_lists import Point

Floats = NDArray[np.float64]


def interpolate(points: Sequence[Point], at: Iterable[float]) -> list[float]:
    """`heights` of a few places."""
    found: list[float] = heights(points, np.fromiter(at, np.float64)).tolist()
    return found


def heights(points: Sequence[Point], at: Floats) -> Floats:
    """The values at `at` of the curve through `points`; it is flat before the first point and after the last.

    points: at least two (x, y), from left to right.
    Source: Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput. 5, 300-304; ends by Moler, Numerical Computing with
    MATLAB (2004), section 3.6.
    """
    across, up = np.array(points, np.float64).T
    slopes = np.array(_slopes(points))
    inside = at.clip(across[0], across[-1])
    part = np.searchsorted(across[1:-1], inside)
    low, high, width = up[part], up[part + 1], across[part + 1] - across[part]
    t = (inside - across[part]) / width
    start, end = slopes[part] * width, slopes[part + 1] * width
    # The cubic Hermite polynomial, in Horner's form.
    inner = low + t * (start + t * (3 * (high - low) - 2 * start - end + t * (2 * (low - high) + start + end)))
    found: Floats = np.where(at <= across[0], up[0], np.where(at > across[-1], up[-1], inner))
    return found


def _slopes(points: Sequence[Point]) -> list[float]:
    """The slope of the curve at every point."""
    widths = [right[0] - left[0] for left, right in pairwise(points)]
    rises = [(right[1] - left[1]) / (right[0] - left[0]) for left, right in pairwise(points)]
    if len(rises) == 1:
        return rises * 2
    inner = [_mean(*pair) for pair in zip(pairwise(widths), pairwise(rises), strict=True)]
    first = _end(widths[0], widths[1], rises[0], rises[1])
    last = _end(widths[-1], widths[-2], rises[-1], rises[-2])
    return [first, *inner, last]


def _mean(widths: tuple[float, float], rises: tuple[float, float]) -> float:
    """The weighted harmonic mean of the slopes on both sides; 0 at a local extreme."""
    if rises[0] * rises[1] <= 0:
        return 0.0
    left, right = 2 * widths[1] + widths[0], widths[1] + 2 * widths[0]
    return (left + right) / (left / rises[0] + right / rises[1])


def _end(width: float, next_width: float, rise: float, next_rise: float) -> float:
    """The slope at an end: that of the parabola through three points, limited so that the curve stays monotone."""
    slope = ((2 * width + next_width) * rise - width * next_rise) / (width + next_width)
    if slope * rise <= 0:
        return 0.0
    if rise * next_rise <= 0 and abs(slope) > 3 * abs(rise):
        return 3 * rise
    return slope
