"""Sizes of scaling: how large a picture becomes that is to fit, cover or fill a box, and which part `cover` keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.pixels.placement import Position

Fit = Literal["inside", "outside", "cover", "contain", "fill"]


@dataclass(frozen=True, slots=True)
class Target:
    """The size that resize is asked for."""

    width: int | None
    height: int | None
    fit: Fit = "cover"
    enlarge: bool = False
    dpr: float = 1.0
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None

    @property
    def box(self) -> tuple[int | None, int | None]:
        """Width and height in device pixels."""
        return self._dense(self.width), self._dense(self.height)

    @property
    def canvas(self) -> Size | None:
        """The exact size that `cover` and `contain` give; None for any other fit."""
        width, height = self.box
        return (width, height) if width and height and self.fit in ("cover", "contain") else None

    def scaled_size(self, before: Size) -> Size:
        """The size of the whole picture after scaling and before cropping or padding."""
        own = math.inf if self.enlarge else 1.0
        wanted = self._factors(before, self.width, self.height, none=0.0)
        least = self._factors(before, self.min_width, self.min_height, none=0.0)
        most = self._factors(before, self.max_width, self.max_height, none=math.inf)
        if self.fit == "fill":
            sides = (
                have * min(max(min(factor or 1.0, upper), lower), own)
                for have, factor, lower, upper in zip(before, wanted, least, most, strict=True)
            )
            return _rounded(*sides)
        given = [factor for factor in wanted if factor] or [1.0]
        scale = max(given) if self.fit in ("cover", "outside") else min(given)
        scale = min(max(min(scale, *most), *least), own)
        return _rounded(before[0] * scale, before[1] * scale)

    def result_size(self, before: Size) -> Size:
        """The size of the picture after scaling, and after cropping or padding."""
        if self.canvas is None:
            return self.scaled_size(before)
        return self.canvas if self.fit == "contain" else _covered_size(self.scaled_size(before), self.canvas)

    def _factors(self, before: Size, width: int | None, height: int | None, *, none: float) -> tuple[float, float]:
        """Scale factor along each side from its own length to the given one; `none` where none is given."""
        across, down = self._dense(width), self._dense(height)
        return across / before[0] if across else none, down / before[1] if down else none

    def _dense(self, side: int | None) -> int | None:
        return None if side is None else max(1, math.floor(side * self.dpr + 0.5))


def _rounded(width: float, height: float) -> Size:
    return max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5))


def _covered_size(scaled: Size, wanted: Size) -> Size:
    """The wanted size, shrunk in proportion where the scaled picture is smaller."""
    shrink = min(1.0, scaled[0] / wanted[0], scaled[1] / wanted[1])
    return _rounded(wanted[0] * shrink, wanted[1] * shrink)


def covering(before: Size, after: Size) -> tuple[float, float]:
    """Width and height of the largest part of the picture that has the aspect ratio of `after`."""
    scale = min(before[0] / after[0], before[1] / after[1])
    return after[0] * scale, after[1] * scale


def cover_box(before: Size, after: Size, position: Position) -> Box:
    """The largest part of the picture that has the aspect ratio of `after`, where the position puts it."""
    width, height = covering(before, after)
    return (before[0] - width) * position[0], (before[1] - height) * position[1], width, height
