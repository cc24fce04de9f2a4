"""The parts of a written animated PNG: frames in one mode, the parts of them that change, and the chunks beside pixels.

Source: Portable Network Graphics (Third Edition), §11.3.6.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction

from PIL import Image, ImageChops

from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.animation import Milliseconds
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import GREY, DeepFrame

MOST_PARTS = 65_535
"""The largest numerator and denominator of a delay."""

MOST_PLAYS = (1 << 31) - 1

REPLACED = 0
"""The disposal that keeps the canvas, and the blending that replaces what is on it."""

PIXEL = (0, 0, 1, 1)

Corners = tuple[int, int, int, int]


def alike(frames: Sequence[Frame]) -> list[Frame]:
    """The frames in the mode that holds all of them; a palette and grey of 16 bits become RGB or RGBA."""
    frames = [_spread(frame) for frame in frames]
    modes = {frame.mode for frame in frames}
    if len(modes) == 1:
        return frames
    shallow = [frame.shallow() if isinstance(frame, DeepFrame) else frame for frame in frames]
    return [frame.convert("RGBA") for frame in shallow]


def _spread(frame: Frame) -> Frame:
    if frame.mode == "P":
        return frame.convert("RGBA" if frame.has_transparency_data else "RGB")
    if frame.mode == GREY:
        return DeepFrame(np.repeat(np.asarray(frame)[..., None], 3, axis=2))
    return frame


def changed(before: Frame, frame: Frame) -> Corners:
    """The part that differs from the frame before, or one pixel."""
    if isinstance(frame, DeepFrame) and isinstance(before, DeepFrame):
        return Image.fromarray((before.pixels != frame.pixels).any(axis=2)).getbbox() or PIXEL
    return ImageChops.difference(before, frame).getbbox(alpha_only=False) or PIXEL


def plays_chunk(frames: int, plays: int) -> bytes:
    """The data of acTL."""
    return struct.pack(">II", frames, min(plays, MOST_PLAYS))


def control_chunk(number: int, box: Corners, duration: Milliseconds) -> bytes:
    """The data of fcTL for a part that replaces what is on the canvas.  box: left, top, right and bottom."""
    left, top, right, bottom = box
    parts = _delay(duration)
    return struct.pack(
        ">IIIIIHHBB", number, right - left, bottom - top, left, top, *parts.as_integer_ratio(), REPLACED, REPLACED
    )


def _delay(duration: Milliseconds) -> Fraction:
    """The seconds, exact where they fit; else in steps of 1, 10 or 1000 ms, the first of them that fits."""
    seconds = Fraction(duration) / 1000
    for found in (seconds, *(Fraction(round(seconds * parts), parts) for parts in (1000, 100, 1))):
        if max(found.as_integer_ratio()) <= MOST_PARTS:
            return found
    return Fraction(MOST_PARTS)
