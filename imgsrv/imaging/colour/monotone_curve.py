"""Monotone cubic interpolation: a smooth curve through points that never overshoots them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from imgsrv.imaging.model.number_lists import Point


def interpolate(points: Sequence[Point], at: Iterable[float]) -> list[float]:
    """The values at `at` of the curve through `points`; it is flat before the first point and after the last.

    points: at least two (x, y), from left to right.
    Source: Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput. 5, 300-304; ends by Moler, Numerical Computing with
    MATLAB (2004), section 3.6.
    """
    slopes = _slopes(points)
    return [_height(points, slopes, place) for place in at]


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


def _height(points: Sequence[Point], slopes: Sequence[float], place: float) -> float:
    if place <= points[0][0]:
        return points[0][1]
    for at, ((left, low), (right, high)) in enumerate(pairwise(points)):
        if place <= right:
            width, t = right - left, (place - left) / (right - left)
            start, end = slopes[at] * width, slopes[at + 1] * width
            # The cubic Hermite polynomial, in Horner's form.
            return low + t * (start + t * (3 * (high - low) - 2 * start - end + t * (2 * (low - high) + start + end)))
    return points[-1][1]
