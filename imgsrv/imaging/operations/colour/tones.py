"""Operations that change each level by itself, through one table of 256 entries."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from imgsrv.imaging.colour.monotone_curve import interpolate
from imgsrv.imaging.model.number_lists import Curve, CurveParameter
from imgsrv.imaging.model.parameter_types import Factor
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.levels import (
    LEVELS,
    TOP,
    Floats,
    through_level,
    through_table,
    through_tables,
    visible_histogram,
)

MID_GREY = 127.5

LevelNumber = Annotated[float, Field(ge=0, le=255)]
Gamma = Annotated[float, Field(ge=0.1, le=10)]


@operation()
def brightness(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 keeps, 2 doubles every channel, 0 gives black.")],
) -> Frame:
    """Multiply every colour channel: `out = in × factor`."""
    return through_level(frame, lambda level: level * factor)


@operation()
def contrast(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 keeps, 2 doubles the distance to mid-grey, 0 gives grey.")],
) -> Frame:
    """Move every colour channel away from mid-grey: `out = 127.5 + (in − 127.5) × factor`."""
    return through_level(frame, lambda level: MID_GREY + (level - MID_GREY) * factor)


@operation()
def gamma(
    frame: Frame,
    *,
    value: Annotated[Gamma, Field(description="1 keeps, 2 brightens and 0.5 darkens; black and white stay.")],
) -> Frame:
    """Brighten or darken the middle: `out = 255 × (in / 255) ^ (1 / value)`.

    The direction is that of ImageMagick's -gamma: above 1 is brighter.
    """
    return through_level(frame, lambda level: TOP * (level / TOP) ** (1 / value))


def _black_below_white(*, black: float, white: float) -> None:
    if black >= white:
        raise ValueError(f"black ({black:g}) has to be less than white ({white:g})")


@operation(check=_black_below_white)
def levels(
    frame: Frame,
    *,
    black: Annotated[float, Field(ge=0, le=254, description="Level that becomes `out_black`, with all below it.")] = 0,
    white: Annotated[
        float, Field(ge=1, le=255, description="Level that becomes `out_white`, with all above it.")
    ] = 255,
    gamma: Annotated[Gamma, Field(description="Above 1 brightens what lies between, below 1 darkens it.")] = 1,
    out_black: Annotated[LevelNumber, Field(description="What black becomes; more than `out_white` inverts.")] = 0,
    out_white: Annotated[LevelNumber, Field(description="What white becomes.")] = 255,
) -> Frame:
    """Stretch the levels from `black` to `white` over those from `out_black` to `out_white`.

    `out = out_black + (out_white − out_black) × t ^ (1 / gamma)` with `t = (in − black) / (white − black)`, clipped
    to 0..1: the dialogue that image editors call Levels.
    """

    def level(value: Floats) -> Floats:
        share: Floats = ((value - black) / (white - black)).clip(0, 1)
        return out_black + (out_white - out_black) * share ** (1 / gamma)

    return through_level(frame, level)


@operation()
def normalize(
    frame: Frame,
    *,
    lower: Annotated[float, Field(ge=0, le=49, description="Percentile of the luma that becomes black.")] = 1,
    upper: Annotated[float, Field(ge=51, le=100, description="Percentile of the luma that becomes white.")] = 99,
) -> Frame:
    """Stretch the contrast so that luma from the `lower` to the `upper` percentile fills the whole range.

    All channels are stretched alike, which stretches the luma by the same and keeps grey grey.  Percentiles count
    the pixels that can be seen; each frame of an animation has its own.  A picture of one luma is kept.
    """
    counts = visible_histogram(frame)
    low, high = _percentile(counts, lower), _percentile(counts, upper)
    if low >= high:
        return frame
    return through_level(frame, lambda level: (level - low) * TOP / (high - low))


def _percentile(counts: list[int], percentage: float) -> int:
    """The lowest level that at least this part of the pixels does not exceed; that of the first pixel for 0."""
    wanted = max(1, sum(counts) * percentage / 100)
    return next((level for level, count in enumerate(itertools.accumulate(counts)) if count >= wanted), 0)


@operation()
def invert(frame: Frame) -> Frame:
    """Give the negative: `out = 255 − in`."""
    return through_level(frame, lambda level: TOP - level)


@operation()
def posterize(
    frame: Frame,
    *,
    levels: Annotated[int, Field(ge=2, le=256, description="How many levels are left; 256 keeps all.", examples=[4])],
) -> Frame:
    """Leave only a few levels of every colour channel, evenly spread from black to white, and take the nearest."""
    return through_level(frame, lambda level: np.rint(level * (levels - 1) / TOP) * TOP / (levels - 1))


@operation()
def solarize(
    frame: Frame,
    *,
    threshold: Annotated[int, Field(ge=0, le=256, description="Lowest level that is inverted; 256 keeps all.")] = 128,
) -> Frame:
    """Invert the bright part of every colour channel: `out = 255 − in` where `in ≥ threshold`."""
    return through_level(frame, lambda level: np.where(level >= threshold, TOP - level, level))


@operation()
def curves(
    frame: Frame,
    *,
    points: Annotated[
        CurveParameter,
        Field(description="Input and output, 0 to 1, of each point; flat before the first, after the last."),
    ],
    channel: Annotated[
        Literal["all", "red", "green", "blue"], Field(description="Which colour channel follows the curve.")
    ] = "all",
) -> Frame:
    """Map levels along a smooth curve through points such as `0:0;0.5:0.6;1:1`.

    The curve is monotone between points, so that it never overshoots them; two points are a straight line.
    Source: Fritsch & Butland, A method for constructing local monotone piecewise cubic interpolants, SIAM J. Sci.
    Stat. Comput. 5 (1984), 300-304; with Moler's ends, as SciPy's PchipInterpolator.
    """
    curve = _heights(points)
    if channel == "all":
        return through_table(frame, curve)
    return through_tables(frame, [curve if channel == name else LEVELS for name in ("red", "green", "blue")])


@lru_cache(maxsize=64)
def _heights(curve: Curve) -> tuple[float, ...]:
    """The output of every level.  Kept, because the same curve comes again and takes longer than a small picture."""
    return tuple(TOP * height for height in interpolate(curve.points, [level / TOP for level in LEVELS]))
