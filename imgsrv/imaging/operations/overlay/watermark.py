"""Operations that lay a second picture over the first."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgsrv.imaging.codecs.decode import decode_first_frame
from imgsrv.imaging.model.limits import Data, Limits, Size
from imgsrv.imaging.model.parameter_types import Gravity, PartName, Unit, gravity_point
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.resample import resample

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
"""Separable blend modes of W3C Compositing and Blending Level 1, §9.1: colours below and above to the mixed one."""


def _read_mark(data: Data, limits: Limits) -> Frame:
    """The first frame of the picture that is laid over."""
    return decode_first_frame(data, limits).convert("RGBA")


@operation(part=_read_mark)
def watermark(
    frame: Frame,
    mark: Frame,
    *,
    part: PartName = "watermark",
    scale: Annotated[
        float | None,
        Field(ge=0.01, le=1, description="Width of the mark as a fraction of the picture's; if not given, its own."),
    ] = None,
    gravity: Annotated[Gravity, Field(description="Where the mark sits.")] = "southeast",
    margin: Annotated[
        float, Field(ge=0, le=0.5, description="Distance to the edges as a fraction of the shorter side.")
    ] = 0.03,
    opacity: Annotated[Unit, Field(description="1 is as opaque as the mark is, 0 invisible.")] = 1.0,
    tile: Annotated[bool, Field(description="Repeat the mark over the whole picture, `margin` apart.")] = False,
    blend: Annotated[Blend, Field(description="How the colours of mark and picture mix.")] = "normal",
) -> Frame:
    """Lay a second picture over this one: a part of the upload, named `watermark` or as `part` says.

    A mark that is larger than the picture is made to fit.  Send both as multipart/form-data: `-F file=@photo.jpg
    -F watermark=@logo.png`.
    """
    space = round(margin * min(frame.size))
    mark = _sized(mark, frame.size, space, scale)
    if opacity < 1:
        mark.putalpha(mark.getchannel("A").point([round(level * opacity) for level in range(256)]))
    if tile:
        return composite(frame, _tiled(mark, frame.size, space), blend)
    return laid(frame, mark, corner(frame.size, mark.size, space, gravity), blend)


def laid(frame: Frame, layer: Frame, at: tuple[int, int], blend: Blend = "normal") -> Frame:
    """The frame with a small layer (RGBA) composed over the part of it whose corner is `at`."""
    covered = composite(frame.crop((*at, at[0] + layer.width, at[1] + layer.height)), layer, blend)
    # Always a copy: a frame may be another operation's or another frame's.
    result = frame.convert(covered.mode) if frame.mode != covered.mode else frame.copy()
    result.paste(covered, at)
    return result


def corner(picture: Size, layer: Size, space: int, gravity: Gravity) -> tuple[int, int]:
    """Left and top of a layer that gravity pulls to an edge, `space` pixels away from it."""
    x, y = gravity_point(gravity)
    return (
        round(space + (picture[0] - 2 * space - layer[0]) * x),
        round(space + (picture[1] - 2 * space - layer[1]) * y),
    )


def composite(below: Frame, above: Frame, blend: Blend = "normal") -> Frame:
    """The layer `above` (RGBA) over the frame, in the frame's mode, grey becoming RGB.

    co = cs × αs × (1 − αb) + blended × αs × αb + cb × αb × (1 − αs) over αo, of W3C Compositing Level 1 §5 and §9.
    """
    if blend != "normal":
        above = _blended(below, above, blend)
    if below.mode == "RGBA":
        return Image.alpha_composite(below, above)
    result = below.convert("RGB") if below.mode == "L" else below.copy()
    result.paste(above.convert("RGB"), mask=above.getchannel("A"))
    return result


def _blended(below: Frame, above: Frame, blend: Blend) -> Frame:
    """The layer with its colours mixed with those below, as far as there is something below."""
    colours = above.convert("RGB")
    mixed = _BLENDS[blend](below.convert("RGB"), colours)
    if below.mode == "RGBA":
        mixed = Image.composite(mixed, colours, below.getchannel("A"))
    mixed.putalpha(above.getchannel("A"))
    return mixed


def _sized(mark: Frame, picture: Size, space: int, scale: float | None) -> Frame:
    """The mark at its wanted width, at most what the picture has room for."""
    room = max(1, picture[0] - 2 * space), max(1, picture[1] - 2 * space)
    wanted = mark.width if scale is None else max(1.0, picture[0] * scale)
    factor = min(wanted / mark.width, room[0] / mark.width, room[1] / mark.height)
    size = max(1, round(mark.width * factor)), max(1, round(mark.height * factor))
    # A copy, where the size is right already: the mark is laid over every frame of an animation.
    return mark.copy() if size == mark.size else resample(mark, size)


def _tiled(mark: Frame, picture: Size, space: int) -> Frame:
    """A layer of marks over the whole picture, one of them in its middle."""
    cell = np.pad(np.asarray(mark), ((0, space), (0, space), (0, 0)))
    starts = [
        -((side - length) // 2) % step
        for side, length, step in zip(picture[::-1], mark.size[::-1], cell.shape, strict=False)
    ]
    ends = [start + side for start, side in zip(starts, picture[::-1], strict=True)]
    counts = [math.ceil(end / step) for end, step in zip(ends, cell.shape, strict=False)]
    layer = np.tile(cell, (*counts, 1))[starts[0] : ends[0], starts[1] : ends[1]]
    return Image.fromarray(np.ascontiguousarray(layer))
