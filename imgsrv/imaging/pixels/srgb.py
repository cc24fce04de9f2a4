"""The transfer curve of sRGB, between levels and linear light (IEC 61966-2-1, 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsrv.imaging.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GAMMA, OFFSET, SLOPE = 2.4, 0.055, 12.92
"""`light = ((level + OFFSET) / (1 + OFFSET)) ^ GAMMA`, and `level / SLOPE` near black."""

KNEE_LEVEL, KNEE_LIGHT = 0.04045, 0.0031308
"""Level and light up to which the curve is a straight line."""


def light_of(level: Floats) -> Floats:
    """Linear light of levels; both from 0 to 1."""
    light: Floats = np.where(level <= KNEE_LEVEL, level / SLOPE, ((level + OFFSET) / (1 + OFFSET)) ** GAMMA)
    return light


def level_of(light: Floats) -> Floats:
    """Levels of linear light, both from 0 to 1: the inverse of `light_of`."""
    level: Floats = np.where(light <= KNEE_LIGHT, light * SLOPE, (1 + OFFSET) * light ** (1 / GAMMA) - OFFSET)
    return level
