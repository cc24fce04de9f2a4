"""Lines of glyphs as a mask: where each line stands, how far the ink reaches, and an outline around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.lazy import hb, np
from imgsrv.imaging.lettering.lines import Line
from imgsrv.imaging.lettering.strokes import Strokes
from imgsrv.imaging.lettering.typeface import UNITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.uint8]

ALIGNED = {"left": 0.0, "center": 0.5, "right": 1.0}

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; y runs downwards."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A glyph with the box of its ink.  x, y: in UNITS; y runs upwards from the first baseline."""

    font: int
    number: int
    x: int
    y: int
    left: int
    bottom: int
    right: int
    top: int

    def touches(self, box: Box, around: int) -> bool:
        """Some of the ink, or of what is this many pixels around it, may lie in the box."""
        left, top, right, bottom = box
        return (
            self.left < (right + around) * UNITS
            and self.right > (left - around) * UNITS
            and self.bottom < (around - top) * UNITS
            and self.top > (-bottom - around) * UNITS
        )


class Block:
    """Lines below each other.  Its origin is the start of the widest line, at the first baseline.

    ink: the box of the ink; empty where there is none.  It never changes, and threads may share it.
    """

    def __init__(self, lines: Sequence[Line], fonts: list[Any], size: int, align: str) -> None:
        self._fonts, self._size = fonts, size
        self._glyphs = list(_placed(lines, fonts, ALIGNED[align]))
        self.ink: Box = _ink(self._glyphs)

    def __len__(self) -> int:
        return len(self._glyphs)

    def mask(self, box: Box) -> Mask:
        """The coverage of each pixel of the box by letters: (height, width), 0 to 255."""
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        draw = hb.RasterDraw()
        draw.scale_factor = (UNITS, UNITS)
        stride = (width + 3) // 4 * 4
        draw.extents = hb.RasterExtents(x_origin=left, y_origin=-bottom, width=width, height=height, stride=stride)
        is_empty = True
        for glyph in self._glyphs:
            if glyph.touches(box, 0):
                draw.transform = (1, 0, 0, 1, glyph.x, glyph.y)
                draw.draw_glyph(self._fonts[glyph.font], glyph.number)
                is_empty = False
        if is_empty:
            return np.zeros((height, width), np.uint8)
        image = draw.render()
        if image is None:
            raise MemoryError
        extents = image.extents
        rows = np.frombuffer(image.buffer, np.uint8).reshape(extents.height, extents.stride)[::-1, : extents.width]
        return np.ascontiguousarray(rows)

    def outlined(self, box: Box, radius: int, letters: Mask | None = None) -> Mask:
        """The coverage of each pixel of the box by what is at most this many pixels away from the letters.

        letters: the `mask` of the box, where it is known.
        """
        result = self.mask(box) if letters is None else letters.copy()
        strokes = Strokes(self._fonts, self._size, radius)
        for glyph in self._glyphs:
            if glyph.touches(box, radius + 1):
                stroke = strokes.of(glyph.font, glyph.number, glyph.x)
                left, top = glyph.x // UNITS + stroke.left - box[0], -(glyph.y // UNITS) + stroke.top - box[1]
                _lay(result, stroke.mask, left, top)
        return result


def _ink(glyphs: Sequence[_Placed]) -> Box:
    shown = [glyph for glyph in glyphs if glyph.right > glyph.left]
    if not shown:
        return 0, 0, 0, 0
    left, top = min(glyph.left for glyph in shown), max(glyph.top for glyph in shown)
    right, bottom = max(glyph.right for glyph in shown), min(glyph.bottom for glyph in shown)
    return left // UNITS, -(top // UNITS) - 1, right // UNITS + 1, -(bottom // UNITS)


def _lay(below: Mask, mask: Mask, left: int, top: int) -> None:
    """Lay a mask over a part of another: the larger value of each pixel.  Changes `below`."""
    cut_left, cut_top = max(0, -left), max(0, -top)
    place = below[max(0, top) : max(0, top + mask.shape[0]), max(0, left) : max(0, left + mask.shape[1])]
    above = mask[cut_top : cut_top + place.shape[0], cut_left : cut_left + place.shape[1]]
    np.maximum(place, above, out=place)


def _placed(lines: Sequence[Line], fonts: Sequence[Any], align: float) -> Iterator[_Placed]:
    widest = max((line.width for line in lines), default=0)
    baseline = 0
    for number, line in enumerate(lines):
        if number:
            # Whole pixels: each line then has the same edges as the first.
            baseline -= round((lines[number - 1].below + line.above) / UNITS) * UNITS
        start = round((widest - line.width) * align)
        for glyph in line.glyphs:
            box = fonts[glyph.font].get_glyph_extents(glyph.number)
            x, y = start + glyph.x, baseline + glyph.y
            left, top = x + box.x_bearing, y + box.y_bearing
            yield _Placed(glyph.font, glyph.number, x, y, left, top + box.height, left + box.width, top)
