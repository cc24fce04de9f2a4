"""The outline around a glyph: everything that is at most a radius away from its letters' edges.

The edge is drawn with a round pen on a mask that is finer than the pixels, which is then reduced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.lettering.typeface import UNITS

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
"""Pixels of outlines that are kept for further places of the same glyph."""

Point = tuple[float, float]


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
        start = self.lines[-1][-1]
        bend = abs(start[0] - 2 * control[0] + end[0]) + abs(start[1] - 2 * control[1] + end[1])
        for t in self._steps(bend / 4):
            self.lines[-1].append(
                tuple(  # type: ignore[arg-type]  # of two numbers
                    (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c
                    for a, b, c in zip(start, control, end, strict=True)
                )
            )

    def curveTo(self, first: Point, second: Point, end: Point) -> None:  # noqa: N802
        start = self.lines[-1][-1]
        triples = (start, first, second), (first, second, end)
        bends = (abs(a - 2 * b + c) for three in triples for a, b, c in zip(*three, strict=True))
        for t in self._steps(sum(bends) * 3 / 4):
            self.lines[-1].append(
                tuple(  # type: ignore[arg-type]  # of two numbers
                    (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t * t * (1 - t) * c + t**3 * d
                    for a, b, c, d in zip(start, first, second, end, strict=True)
                )
            )

    def closePath(self) -> None:  # noqa: N802
        """Every line is closed."""

    def _steps(self, bend: float) -> list[float]:
        """Where a curve is cut.  bend: how far it is from a line, times the square of the number of pieces."""
        pieces = min(MOST_PIECES, int((bend * self.scale / FLAT) ** 0.5) + 1)
        return [number / pieces for number in range(1, pieces + 1)]


@dataclass(frozen=True, slots=True)
class Stroke:
    """The mask of an outline.  left, top: of the mask, in pixels from the glyph's place, rounded down; y downwards."""

    mask: Mask
    left: int
    top: int


class Strokes:
    """The outlines of glyphs of some fonts at a size in pixels.  radius: of the pen, in pixels."""

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
            made = self._drawn(font, number, part)
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
