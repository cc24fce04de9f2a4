"""Frames as numpy arrays and back, in strips where a frame is large, for operations by OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.working_frame import (
    BAND_PIXELS,
    Pixels,
    WorkingFrame,
    blank,
    frame_of,
    premultiplied_pixels,
    straight_pixels,
)

ArrayFunction = Callable[[Pixels], Pixels]

FrameFunction = Callable[[Frame], Frame]

WHOLE_PIXELS, STRIP_PIXELS = 1 << 21, 1 << 18
"""A frame with more than WHOLE_PIXELS is processed in strips of about STRIP_PIXELS.

As a whole, its array, the copies of it and the result would take up to seven times the memory of the frame.
"""

STRIPS_PER_RADIUS = 16
"""Least height of a strip, as a multiple of the rows that are read above and below it."""


def is_large(frame: Frame) -> bool:
    """True if the frame is processed in strips."""
    return frame.width * frame.height > WHOLE_PIXELS


def through_array(frame: Frame, function: ArrayFunction) -> Frame:
    """The frame with the function applied to its pixels."""
    return frame_of(function(_pixels(frame, frame.mode)))


def through_strips(frame: Frame, function: FrameFunction, radius: int = 0) -> Frame:
    """The frame with a function applied that reads at most `radius` rows above and below each pixel.

    A large frame is cut into strips, so that only source and result are ever in memory as a whole.
    """
    height = frame.height
    strips = _strips(frame, STRIPS_PER_RADIUS * radius)
    # Strips nearly as large as the frame would save nothing.
    if len(strips) == 1 or 3 * (strips[0].stop + 2 * radius) > 2 * height:
        return function(frame)
    # An even number, for functions that halve the size.
    halo = radius + radius % 2

    def strip(rows: slice) -> Frame:
        top, bottom = max(0, rows.start - halo), min(height, rows.stop + halo)
        result = function(frame.crop((0, top, frame.width, bottom)))
        return result.crop((0, rows.start - top, result.width, rows.stop - top)) if halo else result

    return assembled(frame, strips, strip)


def through_rows(frame: Frame, function: Callable[[Frame, slice], Frame], into: Frame | None = None) -> Frame:
    """The frame with a function applied to each of its strips; the function also gets the rows of the strip.

    into: a frame of the result's mode and size that is overwritten; None for a new one.
    """
    strips = _strips(frame)

    def strip(rows: slice) -> Frame:
        part = frame if len(strips) == 1 else frame.crop((0, rows.start, frame.width, rows.stop))
        return function(part, rows)

    return assembled(frame, strips, strip, into)


def _strips(frame: Frame, least: int = 1) -> list[slice]:
    """The rows of each strip; every strip begins at an even row.  least: rows of a strip."""
    if not is_large(frame):
        return [slice(0, frame.height)]
    rows = max(least, STRIP_PIXELS // frame.width)
    return [slice(top, min(top + rows + rows % 2, frame.height)) for top in range(0, frame.height, rows + rows % 2)]


def assembled(
    frame: Frame, strips: Sequence[slice], function: Callable[[slice], Frame], into: Frame | None = None
) -> Frame:
    """The strips that the function returns, one below the other.

    frame: gives the size.  into: as for `through_rows`.
    """
    first = function(strips[0])
    if len(strips) == 1:
        return first
    result = into or blank(first, first.mode, frame.size)
    result.paste(first, (0, 0))
    for rows in strips[1:]:
        result.paste(function(rows), (0, rows.start))
    return result


def beside_alpha(frame: Frame, function: FrameFunction) -> Frame:
    """The frame with a function applied to its colours, each pixel on its own; alpha is kept unchanged."""
    if frame.mode != "RGBA":
        return function(frame)
    return through_strips(frame, lambda strip: with_alpha_of(strip, function(strip.convert("RGB"))))


def with_alpha_of(frame: Frame, colours: Frame) -> Frame:
    """The colours (mode L or RGB) with the alpha of the frame, if it has one."""
    if frame.mode != "RGBA":
        return colours
    result = colours.convert("RGB")
    result.putalpha(frame.getchannel("A"))
    return result


def bands(height: int, width: int, least: int = 1) -> Iterator[slice]:
    """The rows of a picture in bands, for work that needs many bytes a pixel.  least: rows of a band."""
    rows = max(least, BAND_PIXELS // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def premultiplied(frame: Frame, function: ArrayFunction, mode: str | None = None) -> Frame:
    """The frame with the function applied to its premultiplied pixels.

    mode: the frame is converted to it first; None for its own.
    Without premultiplied alpha, the hidden colours of transparent pixels bleed into their neighbours.
    """
    return unweighted(function(weighted(frame, mode or frame.mode)))


def weighted(frame: Frame, mode: str) -> Pixels:
    """The premultiplied pixels in a mode."""
    # 1.1 ms a megapixel for both directions; Pillow's mode RGBa takes 5.2 ms, and truncates where it should round.
    return _pixels(frame, mode, cv2.COLOR_RGBA2mRGBA if mode == "RGBA" else None)


def unweighted(pixels: Pixels) -> Frame:
    """The frame of premultiplied pixels, which are overwritten."""
    if pixels.dtype == np.uint16:
        return frame_of(straight_pixels(np.asarray(np.atleast_3d(pixels), np.uint16)))
    if pixels.shape[2:] != (len("RGBA"),):
        return frame_of(pixels)
    for rows in bands(*pixels.shape[:2]):
        part = pixels[rows]
        # A kernel with negative lobes leaves colours above their alpha, which would overflow and start again at 0.
        alpha = cv2.extractChannel(part, 3)
        pixels[rows] = cv2.cvtColor(cv2.min(part, cv2.merge([alpha] * 4)), cv2.COLOR_mRGBA2RGBA)
    return frame_of(pixels)


def _pixels(frame: Frame, mode: str, conversion: int | None = None) -> Pixels:
    """The pixels in a mode, after a conversion by OpenCV; a large frame is converted strip by strip to save memory.

    OpenCV premultiplies 8 bits only.
    """
    if isinstance(frame, WorkingFrame):
        pixels = (frame if frame.mode == mode else frame.convert(mode)).pixels
        whole = pixels if conversion is None else premultiplied_pixels(pixels)
        return whole[..., 0] if mode == "L" else whole

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
