"""Frames as numpy arrays and back, for the operations that OpenCV does faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.opencv import cv2

Pixels = NDArray[np.uint8]
"""(H, W) for mode L, (H, W, 3) for RGB, (H, W, 4) for RGBA."""

ArrayFunction = Callable[[Pixels], Pixels]

FrameFunction = Callable[[Frame], Frame]

BAND_PIXELS = 1 << 17
"""Pixels that are worked on at once in floating point: a picture of 100 megapixels would take 400 MB a channel."""

WHOLE_PIXELS, STRIP_PIXELS = 1 << 21, 1 << 18
"""A frame of up to so many pixels is worked on as a whole, a larger one in strips of about so many.

Arrays of all its pixels, their copies and the result would take up to seven times the memory of the frame itself.
"""

STRIPS_PER_REACH = 16
"""A strip is at least so many times as high as what is read above and below it."""


def is_large(frame: Frame) -> bool:
    """It is worked on in strips."""
    return frame.width * frame.height > WHOLE_PIXELS


def through_array(frame: Frame, function: ArrayFunction) -> Frame:
    """The frame after `function` on its pixels."""
    return Image.fromarray(function(_pixels(frame, frame.mode)))


def through_strips(frame: Frame, function: FrameFunction, reach: int = 0) -> Frame:
    """The frame after a function for which only `reach` rows above and below a pixel count, or no others at all.

    A large one is cut into strips, so that no more than source and result are ever in memory as a whole.
    """
    height = frame.height
    strips = _strips(frame, STRIPS_PER_REACH * reach)
    # Strips that are hardly smaller than the frame would save nothing.
    if len(strips) == 1 or 3 * (strips[0].stop + 2 * reach) > 2 * height:
        return function(frame)
    # An even number, for those who halve the size.
    halo = reach + reach % 2

    def strip(rows: slice) -> Frame:
        top, bottom = max(0, rows.start - halo), min(height, rows.stop + halo)
        result = function(frame.crop((0, top, frame.width, bottom)))
        return result.crop((0, rows.start - top, result.width, rows.stop - top)) if halo else result

    return assembled(frame, strips, strip)


def through_rows(frame: Frame, function: Callable[[Frame, slice], Frame], into: Frame | None = None) -> Frame:
    """The frame after a function on strips of it, which is told what rows they are.

    into: a frame of the result's mode that is written over.
    """
    strips = _strips(frame)

    def strip(rows: slice) -> Frame:
        part = frame if len(strips) == 1 else frame.crop((0, rows.start, frame.width, rows.stop))
        return function(part, rows)

    return assembled(frame, strips, strip, into)


def _strips(frame: Frame, least: int = 1) -> list[slice]:
    """The rows of strips, each from an even row on."""
    if not is_large(frame):
        return [slice(0, frame.height)]
    rows = max(least, STRIP_PIXELS // frame.width)
    return [slice(top, min(top + rows + rows % 2, frame.height)) for top in range(0, frame.height, rows + rows % 2)]


def assembled(
    frame: Frame, strips: Sequence[slice], function: Callable[[slice], Frame], into: Frame | None = None
) -> Frame:
    """The strips that a function makes, each as wide as the frame, one below the other."""
    first = function(strips[0])
    if len(strips) == 1:
        return first
    result = into or Image.new(first.mode, frame.size)
    result.paste(first, (0, 0))
    for rows in strips[1:]:
        result.paste(function(rows), (0, rows.start))
    return result


def beside_alpha(frame: Frame, function: FrameFunction) -> Frame:
    """The frame after a function of each colour by itself; alpha is kept unchanged."""
    if frame.mode != "RGBA":
        return function(frame)
    return through_strips(frame, lambda strip: with_alpha_of(strip, function(strip.convert("RGB"))))


def with_alpha_of(frame: Frame, colours: Frame) -> Frame:
    """The colours, grey or RGB, with the alpha of the frame if it has one."""
    if frame.mode != "RGBA":
        return colours
    result = colours.convert("RGB")
    result.putalpha(frame.getchannel("A"))
    return result


def bands(height: int, width: int, least: int = 1) -> Iterator[slice]:
    """The rows of a picture in bands of at least so many, for what needs many bytes a pixel."""
    rows = max(least, BAND_PIXELS // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def premultiplied(frame: Frame, function: ArrayFunction, mode: str | None = None) -> Frame:
    """The frame after `function` on pixels whose colours are weighted by their alpha.

    mode: to which the frame is converted before.
    Without the weighting, what a transparent pixel would show if it could be seen bleeds into its neighbours.
    """
    return unweighted(function(weighted(frame, mode or frame.mode)))


def weighted(frame: Frame, mode: str) -> Pixels:
    """The pixels in a mode, their colours weighted by their alpha."""
    # 1.1 ms a megapixel for both ways, where Pillow's mode RGBa takes 5.2 and cuts off what it should round.
    return _pixels(frame, mode, cv2.COLOR_RGBA2mRGBA if mode == "RGBA" else None)


def unweighted(pixels: Pixels) -> Frame:
    """The frame of pixels whose colours are weighted by their alpha; they are changed."""
    if pixels.shape[2:] != (len("RGBA"),):
        return Image.fromarray(pixels)
    for rows in bands(*pixels.shape[:2]):
        part = pixels[rows]
        # A kernel with negative lobes leaves colours above their alpha; on the way back they would start again at 0.
        alpha = cv2.extractChannel(part, 3)
        pixels[rows] = cv2.cvtColor(cv2.min(part, cv2.merge([alpha] * 4)), cv2.COLOR_mRGBA2RGBA)
    return Image.fromarray(pixels)


def _pixels(frame: Frame, mode: str, conversion: int | None = None) -> Pixels:
    """The pixels in a mode, after a conversion of OpenCV's; of a large frame without a second copy for the while."""

    def part(frame: Frame) -> Pixels:
        pixels = np.asarray(frame if frame.mode == mode else frame.convert(mode))
        return pixels if conversion is None else np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)

    strips = _strips(frame)
    if len(strips) == 1:
        return part(frame)
    channels = len(mode)
    result = np.empty((frame.height, frame.width, channels)[: 2 + (channels > 1)], np.uint8)
    for rows in strips:
        result[rows] = part(frame.crop((0, rows.start, frame.width, rows.stop)))
    return result
