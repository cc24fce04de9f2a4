"""Round corners and circles; in a module of its own, because its name hides Python's round."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import TRANSPARENT, ColourParameter, Length
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.strips import Pixels, bands

USUAL_RADIUS = 0.1


def _rounded_size(before: Size, arguments: Any) -> Size:
    return before if arguments.shape == "corners" else (min(before), min(before))


def _check_round(arguments: Any) -> None:
    if arguments.shape == "circle" and arguments.radius is not None:
        raise ValueError("a circle reaches from edge to edge and has no use for radius; leave one of them out")


@operation(size=_rounded_size, check=_check_round)
def round(  # noqa: A001  the name that everybody looks for
    frame: Frame,
    *,
    radius: Annotated[
        Length | None,
        Field(
            examples=[0.1],
            description="Radius of the corners in pixels, or below 1 as a fraction of the shorter side; a tenth of it "
            "if not given.",
        ),
    ] = None,
    shape: Annotated[
        Literal["corners", "circle"], Field(description="`circle` keeps the middle of the picture in a circle.")
    ] = "corners",
    background: Annotated[
        ColourParameter, Field(description="Colour of the corners, and behind what is transparent.")
    ] = TRANSPARENT,
) -> Frame:
    """Round the corners, or cut a circle; their edges are soft as text is."""
    side = min(frame.size)
    if shape == "circle":
        left, top = (frame.width - side) // 2, (frame.height - side) // 2
        frame, reach = frame.crop((left, top, left + side, top + side)), side / 2
    else:
        length = radius or USUAL_RADIUS
        reach = min(side / 2, length * side if length < 1 else length)
    mask = _mask(frame.size, reach)
    result = frame.convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), mask) if frame.mode == "RGBA" else mask)
    if background == TRANSPARENT:
        return result
    behind = Image.alpha_composite(Image.new("RGBA", frame.size, background), result)
    return behind.convert("RGB") if background.is_opaque else behind


def _mask(size: Size, radius: float) -> Frame:
    """White with rounded corners: a pixel is as opaque as its middle lies inside of the arc, to half a pixel."""
    mask: Pixels = np.full(size[::-1], 255, np.uint8)
    reach = min(int(np.ceil(radius)), *size)
    # Where the arcs of two corners meet, pixels of the next quarter are as far from its middle line.
    off = np.maximum(radius - (np.arange(reach) + 0.5), 0).astype(np.float32)
    quarter: Pixels = np.empty((reach, reach), np.uint8)
    for rows in bands(reach, reach):
        inside = np.float32(radius + 0.5) - np.hypot(off[rows, None], off[None, :])
        quarter[rows] = np.clip(inside, 0, 1) * 255 + 0.5
    for down, across, corner_ in (
        (slice(0, reach), slice(0, reach), quarter),
        (slice(0, reach), slice(size[0] - reach, None), quarter[:, ::-1]),
        (slice(size[1] - reach, None), slice(0, reach), quarter[::-1]),
        (slice(size[1] - reach, None), slice(size[0] - reach, None), quarter[::-1, ::-1]),
    ):
        mask[down, across] = np.minimum(mask[down, across], corner_)
    return Image.fromarray(mask)
