"""Operations that map each level through a table of 256 entries."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from imgsrv.imaging.colour.monotone_curve import heights
from imgsrv.imaging.model.number_lists import Curve, CurveParameter
from imgsrv.imaging.model.parameter_types import Factor
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.levels import (
    ALL_LEVELS,
    TOP,
    Floats,
    Level,
    through_level,
    through_levels,
    visible_histogram,
)

MID_GREY = 127.5

LevelNumber = Annotated[float, Field(ge=0, le=255)]
Gamma = Annotated[float, Field(ge=0.1, le=10)]


@operation(keeps_depth=always)
def brightness(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 changes nothing, 2 doubles every channel, 0 gives black.")],
) -> Frame:
    """Multiply every colour channel: `out = in × factor`."""
    return through_level(frame, lambda level: level * factor)


@operation(keeps_depth=always)
def contrast(
    frame: Frame,
    *,
    factor: Annotated[
        Factor, Field(description="1 changes nothing, 2 doubles the distance from mid-grey, 0 gives grey.")
    ],
) -> Frame:
    """Change how far every colour channel is from mid-grey: `out = 127.5 + (in − 127.5) × factor`."""
    return through_level(frame, lambda level: MID_GREY + (level - MID_GREY) * factor)


@operation(keeps_depth=always)
def gamma(
    frame: Frame,
    *,
    value: Annotated[Gamma, Field(description="1 changes nothing, 2 brightens, 0.5 darkens; black and white stay.")],
) -> Frame:
    """Brighten or darken the mid-tones: `out = 255 × (in / 255) ^ (1 / value)`.

    Values above 1 brighten, as with ImageMagick's -gamma.
    """
    return through_level(frame, lambda level: TOP * (level / TOP) ** (1 / value))


def _black_below_white(*, black: float, white: float) -> None:
    if black >= white:
        raise ValueError(f"black ({black:g}) has to be less than white ({white:g})")


@operation(check=_black_below_white, keeps_depth=always)
def levels(
    frame: Frame,
    *,
    black: Annotated[float, Field(ge=0, le=254, description="This level and all below it become `out_black`.")] = 0,
    white: Annotated[float, Field(ge=1, le=255, description="This level and all above it become `out_white`.")] = 255,
    gamma: Annotated[Gamma, Field(description="Above 1 brightens the levels between, below 1 darkens them.")] = 1,
    out_black: Annotated[
        LevelNumber, Field(description="Level that black becomes; more than `out_white` inverts.")
    ] = 0,
    out_white: Annotated[LevelNumber, Field(description="Level that white becomes.")] = 255,
) -> Frame:
    """Map the levels from `black` to `white` onto those from `out_black` to `out_white`, as Levels in image editors.

    `out = out_black + (out_white − out_black) × t ^ (1 / gamma)` with `t = (in − black) / (white − black)`, clipped
    to 0..1.
    """

    def level(value: Floats) -> Floats:
        share: Floats = ((value - black) / (white - black)).clip(0, 1)
        return out_black + (out_white - out_black) * share ** (1 / gamma)

    return through_level(frame, level)


@operation(keeps_depth=always)
def normalize(
    frame: Frame,
    *,
    lower: Annotated[float, Field(ge=0, le=49, description="Percentile of the luma that becomes black.")] = 1,
    upper: Annotated[float, Field(ge=51, le=100, description="Percentile of the luma that becomes white.")] = 99,
) -> Frame:
    """Stretch the contrast so that the luma between two percentiles fills the whole range.

    All channels are stretched alike, so that the luma is stretched as much and grey stays grey.  Percentiles count
    visible pixels only; each frame of an animation has its own.  A picture of one luma is kept.
    """
    counts = visible_histogram(frame)
    low, high = (_percentile(counts, share) * TOP / (len(counts) - 1) for share in (lower, upper))
    if low >= high:
        return frame
    return through_level(frame, lambda level: (level - low) * TOP / (high - low))


def _percentile(counts: list[int], percentage: float) -> int:
    """The lowest level that at least this percentage of the pixels does not exceed; for 0 the darkest level."""
    wanted = max(1, sum(counts) * percentage / 100)
    return next((level for level, count in enumerate(itertools.accumulate(counts)) if count >= wanted), 0)


@operation(keeps_depth=always)
def invert(frame: Frame) -> Frame:
    """Invert all colours: `out = 255 − in`."""
    return through_level(frame, lambda level: TOP - level)


@operation(keeps_depth=always)
def posterize(
    frame: Frame,
    *,
    levels: Annotated[
        int, Field(ge=2, le=256, description="Number of levels that are left; 256 keeps all.", examples=[4])
    ],
) -> Frame:
    """Round every colour channel to a few levels, evenly spread from black to white."""
    return through_level(frame, lambda level: np.rint(level * (levels - 1) / TOP) * TOP / (levels - 1))


@operation(keeps_depth=always)
def solarize(
    frame: Frame,
    *,
    threshold: Annotated[int, Field(ge=0, le=256, description="Lowest level that is inverted; 256 keeps all.")] = 128,
) -> Frame:
    """Invert the bright levels of every colour channel: `out = 255 − in` where `in ≥ threshold`."""
    return through_level(frame, lambda level: np.where(level >= threshold, TOP - level, level))


@operation(keeps_depth=always)
def curves(
    frame: Frame,
    *,
    points: Annotated[
        CurveParameter,
        Field(description="Input and output of each point, from 0 to 1; flat before the first and after the last."),
    ],
    channel: Annotated[
        Literal["all", "red", "green", "blue"], Field(description="Colour channel that is mapped.")
    ] = "all",
) -> Frame:
    """Map levels along a smooth curve through points such as `0:0;0.5:0.6;1:1`.

    The curve is monotone between points and never overshoots them; two points give a straight line.
    Source: Fritsch & Butland, A method for constructing local monotone piecewise cubic interpolants, SIAM J. Sci.
    Stat. Comput. 5 (1984), 300-304; its ends are Moler's, as in SciPy's PchipInterpolator.
    """
    curve = _curve(points)
    if channel == "all":
        return through_level(frame, curve)
    return through_levels(frame, [curve if channel == name else _kept for name in ("red", "green", "blue")])


@lru_cache(maxsize=64)
def _curve(points: Curve) -> Level:
    """Cached with the output of every level of 8 bits: clients repeat curves, and one takes 0.05 ms."""
    known = TOP * heights(points.points, ALL_LEVELS / TOP)
    return lambda level: known if level is ALL_LEVELS else TOP * heights(points.points, level / TOP)


def _kept(level: Floats) -> Floats:
    return level
