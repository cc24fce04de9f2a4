"""Operations that add a pattern of their own: blocks, a vignette, grain."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import BLACK, OPAQUE, OpaqueColourParameter, Unit
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation, pixels
from imgsrv.imaging.pixels.strips import bands, beside_alpha, through_array, through_rows, through_strips, with_alpha_of
from imgsrv.imaging.pixels.working_frame import DEPTHS, Pixels, frame_of, steps_of


@operation(keeps_depth=always)
def pixelate(
    frame: Frame,
    *,
    size: Annotated[int, Field(ge=2, le=1000, description="Side of a block in pixels.", examples=[12])],
) -> Frame:
    """Show the picture in square blocks; each has the mean colour of its pixels.

    Blocks begin at the top left.  Blocks that the right and bottom edges cut have the mean of the pixels inside.  Alpha
    is premultiplied.
    """
    # Pillow's reduce() premultiplies, and averages only the pixels inside the picture.
    small = frame.reduce(size)
    return small.resize(frame.size, Image.Resampling.NEAREST, box=(0, 0, frame.width / size, frame.height / size))


@operation(keeps_depth=always)
def vignette(
    frame: Frame,
    *,
    strength: Annotated[Unit, Field(description="Fraction of the colour in the corners; 0 changes nothing.")] = 0.5,
    radius: Annotated[
        float, Field(ge=0, le=0.95, description="Where the fade begins, from 0 in the middle to 1 in the corners.")
    ] = 0.4,
    colour: Annotated[OpaqueColourParameter, Field(description="Colour that the picture fades to.")] = BLACK,
) -> Frame:
    """Fade to a colour towards the corners.

    `out = in + (colour − in) × strength × (3t² − 2t³)` with `t = (d − radius) / (1 − radius)`, at least 0.  The
    distance d is 0 in the middle and 1 in the corners; its contours are ellipses of the picture's shape.  Alpha is kept
    unchanged.
    """
    if frame.mode == "L" and len({*colour[:3]}) > 1:
        frame = frame.convert("RGB")
    size = frame.size

    def faded(strip: Frame, rows: slice) -> Frame:
        result = strip.convert("RGB") if strip.mode == "RGBA" else strip.copy()
        mask = _rim(size, rows, strength, radius, 255 * steps_of(frame))
        result.paste(colour[0] if result.mode == "L" else colour[:3], (0, 0), frame_of(mask))
        return with_alpha_of(strip, result)

    return through_rows(frame, faded)


def _rim(size: Size, strip: slice, strength: float, radius: float, most: int) -> Pixels:
    """(rows, W): the weight of the colour at every pixel of some rows, from 0 to `most`."""
    across, down = (
        np.square((np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)) * np.float32(math.sqrt(2) / side))
        for side in size
    )
    down = down[strip]
    mask = np.empty((len(down), len(across)), np.uint8 if most == OPAQUE else np.uint16)
    for rows in bands(*mask.shape):
        distance = np.sqrt(across[None, :] + down[rows, None])
        share = np.maximum(0, (distance - np.float32(radius)) / np.float32(1 - radius))
        mask[rows] = np.rint(share * share * (3 - 2 * share) * np.float32(most * strength))
    return mask


def _noise_work(before: Size, _after: Size, *, kind: Literal["mono", "colour"]) -> float:
    return pixels(before) * (3 if kind == "colour" else 1)


@operation(keeps_depth=always, work=_noise_work)
def noise(
    frame: Frame,
    *,
    amount: Annotated[
        float,
        Field(ge=0, le=128, description="Standard deviation of the noise in levels; 0 changes nothing.", examples=[12]),
    ] = 12,
    kind: Annotated[
        Literal["mono", "colour"],
        Field(
            description="`mono` adds the same to all channels, as film grain; `colour` adds different noise to each."
        ),
    ] = "mono",
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Another seed gives another pattern.")] = 0,
) -> Frame:
    """Add Gaussian noise: `out = in + amount × N(0, 1)`; the same seed and size give the same noise.

    All frames of an animation get the same noise; alpha is kept unchanged.
    """
    if kind == "colour" and frame.mode == "L":
        frame = frame.convert("RGB")

    # Twice as fast as numpy's default, and the same on every machine; noise needs no secure generator.
    random = np.random.Generator(np.random.SFC64(seed))

    def grained(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        planes = 1 if pixels.ndim == 2 else 3  # noqa: PLR2004  axes of a grey picture
        result = np.empty_like(pixels)
        for rows in bands(height, width):
            shape = (rows.stop - rows.start, width, planes if kind == "colour" else 1)
            grain: cv2.typing.MatLike = random.standard_normal(shape, np.float32) * np.float32(amount)
            grain *= np.float32(steps_of(pixels))
            if shape[2] < planes:
                grain = cv2.merge([grain[..., 0]] * planes)
            result[rows] = cv2.add(pixels[rows], grain.reshape(pixels[rows].shape), dtype=DEPTHS[pixels.itemsize])
        return result

    return through_strips(frame, lambda strip: beside_alpha(strip, lambda colours: through_array(colours, grained)))
