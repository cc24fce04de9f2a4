"""Tables of 256 entries: the fastest way to change each level by itself, and the histograms they are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.model.picture import Frame

LEVELS = range(256)
TOP = 255

Floats = NDArray[np.float64]

Level = Callable[[Floats], Floats]
"""From input levels to output levels, all 0 to 255."""

ALL_LEVELS = np.arange(256, dtype=np.float64)


def through_level(frame: Frame, level: Level) -> Frame:
    """The frame with every colour level replaced by `level` of it; alpha is kept unchanged."""
    return through_table(frame, level(ALL_LEVELS))


def through_table(frame: Frame, levels: Iterable[float]) -> Frame:
    """The frame with level i of every colour channel replaced by the i-th of `levels`; alpha is kept unchanged."""
    table = rounded(levels)
    if frame.mode == "RGBA":
        return frame.point([*table * 3, *LEVELS])
    return frame.point(table * len(frame.mode))


def through_tables(frame: Frame, tables: Sequence[Iterable[float]]) -> Frame:
    """The frame with a table of its own for red, green and blue; grey becomes RGB, alpha is kept unchanged."""
    red, green, blue = map(rounded, tables)
    coloured = frame.convert("RGB") if frame.mode == "L" else frame
    return coloured.point([*red, *green, *blue, *LEVELS][: 256 * len(coloured.mode)])


def rounded(levels: Iterable[float]) -> list[int]:
    """The nearest whole levels, those out of range clipped."""
    given = levels if isinstance(levels, np.ndarray) else np.fromiter(levels, np.float64)
    found: list[int] = np.rint(given).clip(0, TOP).astype(np.uint8).tolist()
    return found


def visible_histogram(frame: Frame) -> list[int]:
    """How many pixels that can be seen have each level of luma."""
    return frame.convert("L").histogram(frame.getchannel("A") if frame.mode == "RGBA" else None)
