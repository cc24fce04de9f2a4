"""The outline around a glyph: everything that is at most a radius away from its letters' edges.

The edge is drawn with a round pen on a mask that is finer than the pixels, which is then reduced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.lettering.typeface import UNITS
from imgsrv.imaging.memory.kept import Kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.uint8]

LARGE = 400
"""Letters from this size in pixels on are outlined on a mask 2 times as fine as the pixels, smaller ones 4 times."""

SHIFT = 6
"""Binary digits of UNITS, for coordinates in OpenCV."""

FLAT = 16.0
"""A curve is drawn as lines whose distance from it is at most this many UNITS of a sample."""

MOST_PIECES = 64

KEPT_PIXELS = 1 << 24
"""Pixels of outlines that are kept for further places of the same glyph in one text."""

KEPT_BYTES = 2 << 20
"""Bytes of outlines that a process keeps for further texts: of small letters some hundreds."""

Point = tuple[float, float]


@lru_cache(MOST_PIECES)
def _parabola(pieces: int) -> list[tuple[float, float, float]]:
    """The weights of the three points of a quadratic curve at the end of each piece."""
    return [((1 - t) ** 2, 2 * t * (1 - t), t * t) for t in _ends(pieces)]


@lru_cache(MOST_PIECES)
def _cubic(pieces: int) -> list[tuple[float, float, float, float]]:
    """The weights of the four points of a cubic curve at the end of each piece."""
    return [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in _ends(pieces)]


def _ends(pieces: int) -> list[float]:
    return [number / pieces for number in range(1, pieces + 1)]


@dataclass
class _Edges:
    """The edges of a glyph as closed lines, in the coordinates of its font; a pen as fontTools defines it."""

    scale: int
    lines: list[list[Point]] = field(default_factory=list)

    def moveTo(self, point: Point) -> None:  # noqa: N802  the name of the protocol
        self.lines.append([point])

    def lineTo(self, point: Point) -> None:  # noqa: N802
        self.lines[-1].append(point)

    def qCurveTo(self, control: Point, end: Point) -> None:  # noqa: N802
        line = self.lines[-1]
        (ax, ay), (bx, by), (cx, cy) = line[-1], control, end
        bend = abs(ax - 2 * bx + cx) + abs(ay - 2 * by + cy)
        for a, b, c in _parabola(self._pieces(bend / 4)):
            line.append((a * ax + b * bx + c * cx, a * ay + b * by + c * cy))

    def curveTo(self, first: Point, second: Point, end: Point) -> None:  # noqa: N802
        line = self.lines[-1]
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = line[-1], first, second, end
        bends = abs(ax - 2 * bx + cx), abs(ay - 2 * by + cy), abs(bx - 2 * cx + dx), abs(by - 2 * cy + dy)
        for a, b, c, d in _cubic(self._pieces(sum(bends) * 3 / 4)):
            line.append((a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy))

    def closePath(self) -> None:  # noqa: N802
        """Every line is closed."""

    def _pieces(self, bend: float) -> int:
        """Into how many lines a curve is cut.  bend: how far it is from a line, times the square of that number."""
        return min(MOST_PIECES, int((bend * self.scale / FLAT) ** 0.5) + 1)


@dataclass(frozen=True, slots=True)
class Stroke:
    """The mask of an outline.  left, top: of the mask, in pixels from the glyph's place, rounded down; y downwards."""

    mask: Mask
    left: int
    top: int


_KEPT: Kept[tuple[Any, int, int, int], Stroke] = Kept(KEPT_BYTES, lambda _key, stroke: stroke.mask.nbytes)
"""By font, radius, glyph and part of a pixel; one font is one size of a file (`Typeface.at`)."""


class Strokes:
    """The outlines of the glyphs of one text, in some fonts at a size in pixels.  radius: of the pen, in pixels."""

    def __init__(self, fonts: list[Any], size: int, radius: int) -> None:
        self._fonts, self._radius = fonts, radius
        self._fine = 4 if size < LARGE else 2
        self._kept: dict[tuple[int, int, int], Stroke] = {}
        self._kept_pixels = 0

    def of(self, font: int, number: int, x: int) -> Stroke:
        """The outline of a glyph that stands at x, in UNITS; parts of samples are rounded."""
        part = x % UNITS * self._fine // UNITS
        key = font, number, part
        if key not in self._kept:
            made = _KEPT.of((self._fonts[font], self._radius, number, part), lambda: self._drawn(font, number, part))
            self._kept_pixels += made.mask.size
            if self._kept_pixels > KEPT_PIXELS:
                self._kept.clear()
                self._kept_pixels = made.mask.size
            self._kept[key] = made
        return self._kept[key]

    def _drawn(self, font: int, number: int, part: int) -> Stroke:
        fine, edge = self._fine, self._radius + 1
        edges = _Edges(fine)
        self._fonts[font].draw_glyph_with_pen(number, edges)
        lines = [np.asarray(line) * (fine, -fine) for line in edges.lines]
        if not lines:
            return Stroke(np.zeros((0, 0), np.uint8), 0, 0)
        points = np.concatenate(lines) / (UNITS * fine)
        left, top = np.floor(points.min(axis=0)).astype(int) - edge
        right, bottom = np.ceil(points.max(axis=0)).astype(int) + edge + 1
        width, height = int(right - left), int(bottom - top)
        mask = np.zeros((height * fine, width * fine), np.uint8)
        # OpenCV counts from the middle of the first sample.
        start = np.array((left * fine - part, top * fine)) * UNITS + UNITS // 2
        whole = [np.round(line - start).astype(np.int32) for line in lines]
        cv2.polylines(mask, whole, True, 255, 2 * self._radius * fine - 1, cv2.LINE_8, SHIFT)
        reduced = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        return Stroke(np.asarray(reduced, np.uint8), int(left), int(top))
