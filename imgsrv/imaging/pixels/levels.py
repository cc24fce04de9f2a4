"""Tables of 256 levels, the fastest way to map each level, and histograms to make them from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.model.picture import Frame

LEVELS = range(256)
TOP = 255

Floats = NDArray[np.float64]

Level = Callable[[Floats], Floats]
"""From input levels to output levels, all from 0 to 255."""

ALL_LEVELS = np.arange(256, dtype=np.float64)


def through_level(frame: Frame, level: Level) -> Frame:
    """The frame with the function applied to every colour level; alpha is kept unchanged."""
    return through_table(frame, level(ALL_LEVELS))


def through_table(frame: Frame, levels: Iterable[float]) -> Frame:
    """The frame with level i of every colour channel replaced by `levels[i]`; alpha is kept unchanged."""
    table = rounded(levels)
    if frame.mode == "RGBA":
        return frame.point([*table * 3, *LEVELS])
    return frame.point(table * len(frame.mode))


def through_tables(frame: Frame, tables: Sequence[Iterable[float]]) -> Frame:
    """The frame mapped through a table each for red, green and blue; grey becomes RGB, alpha is kept unchanged."""
    red, green, blue = map(rounded, tables)
    coloured = frame.convert("RGB") if frame.mode == "L" else frame
    return coloured.point([*red, *green, *blue, *LEVELS][: 256 * len(coloured.mode)])


def rounded(levels: Iterable[float]) -> list[int]:
    """The levels rounded, and clipped to 0 to 255."""
    given = levels if isinstance(levels, np.ndarray) else np.fromiter(levels, np.float64)
    found: list[int] = np.rint(given).clip(0, TOP).astype(np.uint8).tolist()
    return found


def visible_histogram(frame: Frame) -> list[int]:
    """(256,): number of visible pixels of each luma."""
    return frame.convert("L").histogram(frame.getchannel("A") if frame.mode == "RGBA" else None)
