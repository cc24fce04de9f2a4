"""Pictures on a larger canvas."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from PIL import ImageFilter

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Colour
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.composite import composite_at
from imgsrv.imaging.pixels.placement import Position, top_left
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.pixels.strips import premultiplied, through_array
from imgsrv.imaging.pixels.working_frame import Pixels, WorkingFrame, blank

Margins = tuple[int, int, int, int]
"""Pixels on the left, at the top, on the right and at the bottom."""

Filling = Literal["colour", "mirror", "copy", "blur"]

BLURRED_SIDE = 96
"""Longest side of the small copy that fills a blurred margin: too few pixels to show any detail."""

SIGMA = BLURRED_SIDE / 24
"""Standard deviation of its blur, in its pixels."""

PASSES = 3


def mode_with(frame: Frame, colour: Colour) -> str:
    """The mode that holds both the frame and the colour; a grey picture becomes RGB."""
    return "RGB" if colour.is_opaque and frame.mode != "RGBA" else "RGBA"


def on_canvas(frame: Frame, size: Size, position: Position, background: Colour) -> Frame:
    """The frame on a canvas of one colour; its alpha is kept unchanged."""
    if frame.size == size:
        return frame
    mode = mode_with(frame, background)
    canvas = blank(frame, mode, size, background[: len(mode)])
    canvas.paste(frame.convert(mode), top_left(size, frame.size, position))
    return canvas


def framed(frame: Frame, margins: Margins, filling: Filling, background: Colour) -> Frame:
    """The frame with margins, filled with the colour or from the picture itself."""
    left, top, right, bottom = margins
    size = frame.width + left + right, frame.height + top + bottom
    if filling in ("mirror", "copy"):
        kind = cv2.BORDER_REFLECT if filling == "mirror" else cv2.BORDER_REPLICATE
        return through_array(
            frame, lambda pixels: np.asarray(cv2.copyMakeBorder(pixels, top, bottom, left, right, kind), pixels.dtype)
        )
    if filling == "blur":
        canvas = _blurred(frame, size)
        if frame.mode == "RGBA":
            return composite_at(canvas, frame, (left, top))
        canvas.paste(frame, (left, top))
        return canvas
    mode = mode_with(frame, background)
    canvas = blank(frame, mode, size, background[: len(mode)])
    canvas.paste(frame if frame.mode == mode else frame.convert(mode), (left, top))
    return canvas


def _blurred(frame: Frame, size: Size) -> Frame:
    """The largest part in the middle of the frame with the aspect ratio of `size`, scaled to `size` and blurred."""
    scale = min(frame.width / size[0], frame.height / size[1])
    width, height = size[0] * scale, size[1] * scale
    box = ((frame.width - width) / 2, (frame.height - height) / 2, width, height)
    shrink = min(1.0, BLURRED_SIDE / max(size))
    small = resample(frame, (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))), box=box)
    return resample(_soft(small), size, kernel="bicubic")


def _soft(small: Frame) -> Frame:
    if isinstance(small, WorkingFrame):
        return premultiplied(small, _softened)
    colours = small.convert("RGBa") if small.mode == "RGBA" else small
    return colours.filter(ImageFilter.GaussianBlur(SIGMA)).convert(small.mode)


def _softened(pixels: Pixels) -> Pixels:
    """Blur as Pillow's GaussianBlur does: a box with soft edges three times over, which repeats edge pixels each time.

    Source: Gwosdek et al., Theoretical foundations of Gaussian convolution by extended box filtering, SSVM (2011).
    """
    variance = SIGMA**2 / PASSES
    inner = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    edge = (2 * inner + 1) * (inner * (inner + 1) - 3 * variance) / (6 * (variance - (inner + 1) ** 2))
    kernel = np.array([edge, *[1.0] * (2 * inner + 1), edge])
    kernel /= kernel.sum()
    for _ in range(PASSES):
        pixels = np.asarray(cv2.sepFilter2D(pixels, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE), np.uint16)
    return pixels
