"""Operations that put a second picture over the first."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.imaging.codecs.second_picture import SecondPicture
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Gravity, PartName, Unit
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.composite import Blend, composite, composite_at, place_in_margins


@operation(part=SecondPicture, keeps_depth=always)
def watermark(
    frame: Frame,
    picture: SecondPicture,
    *,
    part: PartName = "watermark",
    scale: Annotated[
        float | None,
        Field(
            ge=0.01, le=1, description="Width of the mark as a fraction of the picture's; the mark's own if not given."
        ),
    ] = None,
    gravity: Annotated[Gravity, Field(description="Where the mark stands.")] = "southeast",
    margin: Annotated[
        float, Field(ge=0, le=0.5, description="Distance to the edges as a fraction of the shorter side.")
    ] = 0.03,
    opacity: Annotated[Unit, Field(description="1 keeps the opacity of the mark, 0 makes it invisible.")] = 1.0,
    tile: Annotated[
        bool, Field(description="Repeat the mark over the whole picture, with `margin` between the copies.")
    ] = False,
    blend: Annotated[Blend, Field(description="Blend mode of the mark's colours with the picture's.")] = "normal",
) -> Frame:
    """Put a second picture over this one: a part of the upload with the name `watermark`, or the one in `part`.

    A mark that is larger than the picture is shrunk to fit.  Send both as multipart/form-data: `-F file=@photo.jpg
    -F watermark=@logo.png`.
    """
    space = round(margin * min(frame.size))
    mark = _sized(picture, frame.size, space, scale)
    if opacity < 1:
        mark.putalpha(mark.getchannel("A").point([round(level * opacity) for level in range(256)]))
    if tile:
        return composite(frame, _tiled(mark, frame.size, space), blend)
    return composite_at(frame, mark, place_in_margins(frame.size, mark.size, space, gravity), blend)


def _sized(mark: SecondPicture, picture: Size, space: int, scale: float | None) -> Frame:
    """The mark at the wanted width, shrunk to fit into the margins."""
    width, height = mark.size
    room = max(1, picture[0] - 2 * space), max(1, picture[1] - 2 * space)
    wanted = width if scale is None else max(1.0, picture[0] * scale)
    factor = min(wanted / width, room[0] / width, room[1] / height)
    return mark.at((max(1, round(width * factor)), max(1, round(height * factor))))


def _tiled(mark: Frame, picture: Size, space: int) -> Frame:
    """A layer with copies of the mark all over, one of them in the middle."""
    cell = np.pad(np.asarray(mark), ((0, space), (0, space), (0, 0)))
    starts = [
        -((side - length) // 2) % step
        for side, length, step in zip(picture[::-1], mark.size[::-1], cell.shape, strict=False)
    ]
    ends = [start + side for start, side in zip(starts, picture[::-1], strict=True)]
    counts = [math.ceil(end / step) for end, step in zip(ends, cell.shape, strict=False)]
    layer = np.tile(cell, (*counts, 1))[starts[0] : ends[0], starts[1] : ends[1]]
    return Image.fromarray(np.ascontiguousarray(layer))
