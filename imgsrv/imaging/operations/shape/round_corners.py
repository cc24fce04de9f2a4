"""Rounded corners and circles; alone in this module, because the name of the operation hides Python's round."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import TRANSPARENT, Colour, ColourParameter, Length
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.composite import composite, faded
from imgsrv.imaging.pixels.strips import bands
from imgsrv.imaging.pixels.working_frame import Pixels, blank

USUAL_RADIUS = 0.1

Shape = Literal["corners", "circle"]


def _rounded_size(before: Size, *, shape: Shape) -> Size:
    return before if shape == "corners" else (min(before), min(before))


def _check_round(*, shape: Shape, radius: Length | None) -> None:
    if shape == "circle" and radius is not None:
        raise ValueError("a circle reaches from edge to edge and has no use for radius; leave one of them out")


def _corners_add_alpha(*, background: Colour) -> bool:
    return not background.is_opaque


@operation(size=_rounded_size, check=_check_round, keeps_depth=always, adds_alpha=_corners_add_alpha)
def round(  # noqa: A001  the name that everybody looks for
    frame: Frame,
    *,
    radius: Annotated[
        Length | None,
        Field(
            examples=[0.1],
            description="Radius of the corners in pixels, or below 1 as a fraction of the shorter side; usually 0.1.",
        ),
    ] = None,
    shape: Annotated[Shape, Field(description="`circle` keeps a circle in the middle of the picture.")] = "corners",
    background: Annotated[
        ColourParameter, Field(description="Colour of the corners, and behind transparent pixels.")
    ] = TRANSPARENT,
) -> Frame:
    """Round the corners, or cut out a circle, with antialiased edges."""
    side = min(frame.size)
    if shape == "circle":
        left, top = (frame.width - side) // 2, (frame.height - side) // 2
        frame, reach = frame.crop((left, top, left + side, top + side)), side / 2
    else:
        length = radius or USUAL_RADIUS
        reach = min(side / 2, length * side if length < 1 else length)
    mask = _mask(frame.size, reach)
    result = faded(frame, mask)
    if background == TRANSPARENT:
        return result
    behind = composite(blank(frame, "RGBA", frame.size, background), result)
    return behind.convert("RGB") if background.is_opaque else behind


def _mask(size: Size, radius: float) -> Frame:
    """A white mask (mode L) with rounded corners; a pixel's coverage is how far its middle lies inside the arc."""
    mask: Pixels = np.full(size[::-1], 255, np.uint8)
    reach = min(int(np.ceil(radius)), *size)
    # Clipped at 0, because where two arcs meet the quarter can reach half a pixel beyond its centre.
    off = np.maximum(radius - (np.arange(reach) + 0.5), 0).astype(np.float32)
    quarter: Pixels = np.empty((reach, reach), np.uint8)
    for rows in bands(reach, reach):
        inside = np.float32(radius + 0.5) - np.hypot(off[rows, None], off[None, :])
        quarter[rows] = np.clip(inside, 0, 1) * 255 + 0.5
    for down, across, arc in (
        (slice(0, reach), slice(0, reach), quarter),
        (slice(0, reach), slice(size[0] - reach, None), quarter[:, ::-1]),
        (slice(size[1] - reach, None), slice(0, reach), quarter[::-1]),
        (slice(size[1] - reach, None), slice(size[0] - reach, None), quarter[::-1, ::-1]),
    ):
        mask[down, across] = np.minimum(mask[down, across], arc)
    return Image.fromarray(mask)
