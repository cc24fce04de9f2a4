"""The compositor of all animations: paints the parts of frames on one canvas, as browsers do.

The canvas is transparent until something is painted.  The background colours of GIF and WebP are ignored, as browsers
ignore them.  Alpha is straight.  Only the canvas and what `Disposal.RESTORE` asks for are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.animation import Disposal, Part
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST, DeepFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

Corners = tuple[int, int, int, int]
"""Left, top, right and bottom."""

Deep: TypeAlias = "NDArray[np.uint16]"
"""(H, W, 4): straight RGBA of 16 bits."""

MODES = ("L", "RGB", "RGBA")
"""Modes of frames; each holds every colour of those before it."""

CLEAR = (0, 0, 0, 0)


class Canvas:
    """The canvas of an animation.  A frame that it has shown is never changed afterwards."""

    def __init__(self, size: Size) -> None:
        self._size = size
        # None stands for a canvas that is transparent everywhere.
        self._before: Frame | None = None
        self._shown: Frame | None = None
        self._last: Part | None = None

    def show(self, still: Frame, part: Part) -> Frame:
        """The canvas with the next frame, in mode L or RGB only where it is opaque.

        still: the pixels of the part, in mode L, RGB or RGBA; or all of them with 16 bits, as the canvas then has.
        """
        self._before, self._last = self._disposed(), part
        box = _on_canvas(part, self._size)
        if (box[2] - box[0], box[3] - box[1]) != still.size:
            still = still.crop((0, 0, box[2] - box[0], box[3] - box[1]))
        below, covers = self._before, box == (0, 0, *self._size)
        if covers and (below is None or not part.is_over or still.mode in ("L", "RGB", "RGB;16", "I;16")):
            self._shown = still
        elif still.mode.endswith(";16"):
            self._shown = _painted_deep(below, self._size, still, box, is_over=part.is_over)
        else:
            self._shown = _painted(below, self._size, still, box, is_over=part.is_over)
        return self._shown

    def _disposed(self) -> Frame | None:
        """The canvas after the last frame has been disposed of."""
        last, shown = self._last, self._shown
        if last is None or shown is None or last.disposal is Disposal.KEEP:
            return shown
        if last.disposal is Disposal.RESTORE:
            return self._before
        box = _on_canvas(last, self._size)
        if box == (0, 0, *self._size):
            return None
        if shown.mode.endswith(";16"):
            pixels = _deep_rgba(shown)
            pixels[box[1] : box[3], box[0] : box[2]] = 0
            return DeepFrame(pixels)
        # convert() gives a copy in any case.
        left = shown.convert("RGBA")
        left.paste(CLEAR, box)
        return left


def alike(frames: list[Frame]) -> tuple[Frame, ...]:
    """The frames in the one mode that holds all of them, such as RGBA where one is not opaque."""
    modes = {frame.mode for frame in frames}
    if len(modes) == 1:
        return tuple(frames)
    if any(mode.endswith(";16") for mode in modes):
        return tuple(DeepFrame(_deep_rgba(frame)) for frame in frames)
    mode = max(modes, key=MODES.index)
    return tuple(frame if frame.mode == mode else frame.convert(mode) for frame in frames)


def _on_canvas(part: Part, size: Size) -> Corners:
    """The place of the part, as far as it is on the canvas."""
    (left, top), (width, height) = part.place, part.size
    return min(left, size[0]), min(top, size[1]), min(left + width, size[0]), min(top + height, size[1])


def is_on_canvas(part: Part, size: Size) -> bool:
    """Some pixels of the part are on a canvas of that size."""
    left, top, right, bottom = _on_canvas(part, size)
    return left < right and top < bottom


def _painted(below: Frame | None, size: Size, still: Frame, box: Corners, *, is_over: bool) -> Frame:
    """A new canvas with the still picture."""
    if below is None:
        result = Image.new("RGBA", size)
        result.paste(still.convert("RGBA"), box)
    elif not is_over or still.mode != "RGBA":
        mode = max(below.mode, still.mode, key=MODES.index)
        result = below.convert(mode)
        result.paste(still.convert(mode), box)
    elif below.mode == "RGBA":
        result = below.copy()
        result.alpha_composite(still, box[:2])
    else:
        result = below.convert("RGB")
        result.paste(still, box, still)
    return result


def _painted_deep(below: Frame | None, size: Size, still: Frame, box: Corners, *, is_over: bool) -> Frame:
    """A new canvas with the still picture, of 16 bits.

    Over: αo = αs + αb × (1 − αs) and co = (cs × αs + cb × αb × (1 − αs)) / αo.
    Source: Portable Network Graphics (Third Edition), §11.3.7.2 with §13.16.
    """
    pixels = np.zeros((size[1], size[0], 4), np.uint16) if below is None else _deep_rgba(below)
    covered, above = pixels[box[1] : box[3], box[0] : box[2]], _deep_rgba(still)
    if is_over:
        alpha = above[..., 3:] / MOST
        kept = covered[..., 3:] / MOST * (1 - alpha)
        total = alpha + kept
        mixed = (above[..., :3] * alpha + covered[..., :3] * kept) / np.where(total > 0, total, 1)
        above = np.concatenate([mixed, total * MOST], axis=2).round().astype(np.uint16)
    covered[:] = above
    return DeepFrame(pixels)


def _deep_rgba(frame: Frame) -> Deep:
    """The pixels of a frame of 16 bits, as a copy."""
    pixels = frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)[..., None]
    if pixels.shape[2] == len("RGBA"):
        return pixels.copy()
    result = np.full((*pixels.shape[:2], 4), MOST, np.uint16)
    result[..., :3] = pixels
    return result
