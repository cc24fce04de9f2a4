"""Compositing: a layer over a frame, and a frame over a colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from PIL import Image, ImageChops

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Colour, Gravity, gravity_point
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST
from imgsrv.imaging.pixels.strips import bands
from imgsrv.imaging.pixels.working_frame import WorkingFrame, blank, deep_pixels, frame_of

Blend = Literal["normal", "multiply", "screen", "overlay", "darken", "lighten", "difference"]

_BLENDS = {
    "multiply": ImageChops.multiply,
    "screen": ImageChops.screen,
    # Pillow's overlay takes the lower picture first, as W3C's does.
    "overlay": ImageChops.overlay,
    "darken": ImageChops.darker,
    "lighten": ImageChops.lighter,
    "difference": ImageChops.difference,
}
"""Separable blend modes: the colours below and above give the mixed one.

Source: W3C Compositing and Blending Level 1, §9.1.
"""


_DEEP_BLENDS: dict[str, Callable[[Any, Any], Any]] = {
    "multiply": lambda below, above: below * above,
    "screen": lambda below, above: below + above - below * above,
    "overlay": lambda below, above: np.where(below <= HALF, 2 * below * above, 1 - 2 * (1 - below) * (1 - above)),
    "darken": lambda *both: np.min(both, axis=0),
    "lighten": lambda *both: np.max(both, axis=0),
    "difference": lambda below, above: np.abs(below - above),
}
"""The same for 16 bits, which Pillow does not mix."""

HALF = 0.5
TINY = 1e-9
"""Less than any alpha."""


def composite(below: Frame, above: Frame, blend: Blend = "normal") -> Frame:
    """The layer `above` (RGBA) over a frame of the same size, in the frame's mode; grey becomes RGB.

    co = cs × αs × (1 − αb) + blended × αs × αb + cb × αb × (1 − αs) over αo.
    Source: W3C Compositing and Blending Level 1, §5 and §9.
    """
    return composite_at(below, above, (0, 0), blend)


def _composite(below: Frame, above: Frame, blend: Blend) -> Frame:
    """`composite` of a few rows."""
    if isinstance(below, WorkingFrame):
        return _deep_composite(below, above, blend)
    if blend != "normal":
        above = _blended(below, above, blend)
    if below.mode == "RGBA":
        return Image.alpha_composite(below, above)
    result = below.convert("RGB") if below.mode == "L" else below.copy()
    result.paste(above.convert("RGB"), mask=above.getchannel("A"))
    return result


def _deep_composite(below: WorkingFrame, above: Frame, blend: Blend) -> WorkingFrame:
    ours, theirs = (deep_pixels(frame) / np.float32(MOST) for frame in (below, above))
    colours, opacity = theirs[..., :3], theirs[..., 3:]
    behind, alpha = ours[..., :3], ours[..., 3:] if below.mode == "RGBA" else np.float32(1)
    if blend != "normal":
        colours = colours + (_DEEP_BLENDS[blend](behind, colours) - colours) * alpha
    left = alpha * (1 - opacity)
    total = opacity + left
    mixed = (colours * opacity + behind * left) / np.maximum(total, np.float32(TINY))
    channels = [mixed, total] if below.mode == "RGBA" else [mixed]
    return WorkingFrame(np.rint(np.dstack(channels) * MOST).astype(np.uint16))


def composite_at(frame: Frame, layer: Frame, at: tuple[int, int], blend: Blend = "normal") -> Frame:
    """A copy of the frame with a small layer (RGBA) over it; `at` is the layer's left and top pixel."""
    # Always a copy: the frame may belong to another operation too.
    result = frame.convert("RGB") if frame.mode == "L" else frame.copy()
    left, top = at
    # In bands, because Pillow keeps the interpreter's lock while it composes: 6 ms a megapixel.
    for rows in bands(layer.height, layer.width):
        covered = result.crop((left, top + rows.start, left + layer.width, top + rows.stop))
        band = layer.crop((0, rows.start, layer.width, rows.stop))
        result.paste(_composite(covered, band, blend), (left, top + rows.start))
    return result


def place_in_margins(picture: Size, layer: Size, margin: int, gravity: Gravity) -> tuple[int, int]:
    """Left and top pixel of a layer that gravity pulls to an edge, `margin` pixels away from it."""
    x, y = gravity_point(gravity)
    return (
        round(margin + (picture[0] - 2 * margin - layer[0]) * x),
        round(margin + (picture[1] - 2 * margin - layer[1]) * y),
    )


def flatten(frame: Frame, background: Colour) -> Frame:
    """The frame in mode RGB, over a colour where it is transparent."""
    if frame.mode != "RGBA":
        return frame.convert("RGB")
    return composite(blank(frame, "RGBA", frame.size, background), frame).convert("RGB")


def faded(frame: Frame, mask: Frame) -> Frame:
    """The frame in mode RGBA, its alpha multiplied by the mask (mode L, of 8 bits)."""
    result = frame.convert("RGBA")
    if not isinstance(result, WorkingFrame):
        result.putalpha(ImageChops.multiply(result.getchannel("A"), mask) if frame.mode == "RGBA" else mask)
        return result
    alpha = cv2.multiply(cv2.extractChannel(result.pixels, 3), deep_pixels(mask)[..., 0], scale=1 / MOST)
    result.putalpha(frame_of(np.asarray(alpha, np.uint16)))
    return result


def _blended(below: Frame, above: Frame, blend: Blend) -> Frame:
    """The layer with its colours mixed with those below, in proportion to the alpha below."""
    colours = above.convert("RGB")
    mixed = _BLENDS[blend](below.convert("RGB"), colours)
    if below.mode == "RGBA":
        mixed = Image.composite(mixed, colours, below.getchannel("A"))
    mixed.putalpha(above.getchannel("A"))
    return mixed
