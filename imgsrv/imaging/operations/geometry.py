"""Operations that move pixels: size, shape and direction."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import Field

from imgsrv.errors import OperationDoesNotFit
from imgsrv.imaging.arrays import Pixels, premultiplied
from imgsrv.imaging.limits import Box, Size
from imgsrv.imaging.parameters import (
    TRANSPARENT,
    Colour,
    ColourParameter,
    Gravity,
    Side,
    gravity_point,
)
from imgsrv.imaging.picture import Frame, Source
from imgsrv.imaging.registry import operation
from imgsrv.imaging.resample import Kernel, resample

Fit = Literal["inside", "outside", "cover", "contain", "fill"]

MAX_TURNED_SIDE = 32_766
"""OpenCV counts the pixels of a side in 16 bits while it turns by any angle."""

QUARTER_TURN, HALF_TURN, FULL_TURN = 90, 180, 360


def _rounded(width: float, height: float) -> Size:
    return max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5))


def _needs_a_side(arguments: Any) -> None:
    if arguments.width is None and arguments.height is None:
        raise ValueError("width or height is needed; give one of them or both")


def _scaled_size(before: Size, wanted: tuple[int | None, int | None], fit: Fit, *, enlarge: bool) -> Size:
    """The size of the whole picture after scaling, before any cropping or padding."""
    factors = [side / have for side, have in zip(wanted, before, strict=True) if side is not None]
    most = math.inf if enlarge else 1.0
    if fit == "fill":
        return _rounded(
            *(have if side is None else min(side, have * most) for side, have in zip(wanted, before, strict=True))
        )
    scale = min(max(factors) if fit in ("cover", "outside") else min(factors), most)
    return _rounded(before[0] * scale, before[1] * scale)


def _resized_size(before: Size, arguments: Any) -> Size:
    wanted = (arguments.width, arguments.height)
    scaled = _scaled_size(before, wanted, arguments.fit, enlarge=arguments.enlarge)
    if None in wanted or arguments.fit in ("inside", "outside", "fill"):
        return scaled
    if arguments.fit == "contain":
        return wanted
    return _covered_size(scaled, wanted)


def _covered_size(scaled: Size, wanted: Size) -> Size:
    """The wanted shape, smaller where the picture is too small for it."""
    shrink = min(1.0, scaled[0] / wanted[0], scaled[1] / wanted[1])
    return _rounded(wanted[0] * shrink, wanted[1] * shrink)


def _cover_box(before: Size, after: Size, gravity: Gravity) -> Box:
    """The largest part of the picture that has the shape of the result."""
    scale = min(before[0] / after[0], before[1] / after[1])
    width, height = after[0] * scale, after[1] * scale
    x, y = gravity_point(gravity)
    return (before[0] - width) * x, (before[1] - height) * y, width, height


@operation(size=_resized_size, check=_needs_a_side, is_reduction=True)
def resize(
    frame: Frame,
    source: Source,
    *,
    width: Annotated[
        Side | None, Field(description="Width of the result in pixels; at most the picture's own unless `enlarge`.")
    ] = None,
    height: Annotated[
        Side | None, Field(description="Height of the result in pixels; at most the picture's own unless `enlarge`.")
    ] = None,
    fit: Annotated[
        Fit,
        Field(
            description="With both sides given: `inside` them, `outside` them, `cover` them and crop, "
            "be `contain`ed in them with bars, or `fill` them and distort."
        ),
    ] = "inside",
    gravity: Annotated[Gravity, Field(description="Which part stays (cover) or where it sits (contain).")] = "center",
    kernel: Annotated[Kernel, Field(description="Resampling kernel.")] = "lanczos",
    enlarge: Annotated[bool, Field(description="Also make a picture larger than it is.")] = False,
    background: Annotated[ColourParameter, Field(description="Colour of the bars of `contain`.")] = TRANSPARENT,
) -> Frame:
    """Change the size; one side alone keeps the proportions.

    A picture is never enlarged unless `enlarge` is true: `inside`, `outside` and `fill` stop at its own size,
    `cover` keeps the wanted shape at the largest size the picture has, `contain` keeps the canvas and centres it.
    """
    wanted = (width, height)
    scaled = _scaled_size(source.size, wanted, fit, enlarge=enlarge)
    if width is None or height is None or fit in ("inside", "outside", "fill"):
        return resample(frame, scaled, box=source.box, kernel=kernel)
    if fit == "contain":
        return _on_canvas(resample(frame, scaled, box=source.box, kernel=kernel), (width, height), gravity, background)
    after = _covered_size(scaled, (width, height))
    box = source.part(_cover_box(source.size, after, gravity))
    return resample(frame, after, box=box, kernel=kernel)


def _on_canvas(frame: Frame, size: Size, gravity: Gravity, background: Colour) -> Frame:
    if frame.size == size:
        return frame
    mode = "RGB" if background.is_opaque and frame.mode != "RGBA" else "RGBA"
    canvas = Image.new(mode, size, background[: len(mode)])
    x, y = gravity_point(gravity)
    canvas.paste(frame.convert(mode), (round((size[0] - frame.width) * x), round((size[1] - frame.height) * y)))
    return canvas


def _crop_corner(before: Size, arguments: Any) -> tuple[int, int]:
    x, y = gravity_point(arguments.gravity)
    left = round((before[0] - arguments.width) * x) if arguments.left is None else arguments.left
    top = round((before[1] - arguments.height) * y) if arguments.top is None else arguments.top
    return left, top


def _cropped_size(before: Size, arguments: Any) -> Size:
    left, top = _crop_corner(before, arguments)
    right, bottom = left + arguments.width, top + arguments.height
    if min(left, top) < 0 or right > before[0] or bottom > before[1]:
        reason = (
            f"the box {arguments.width}×{arguments.height} at left={max(left, 0)}, top={max(top, 0)} does not lie "
            f"inside the picture of {before[0]}×{before[1]}"
        )
        raise OperationDoesNotFit("crop", reason)
    return arguments.width, arguments.height


@operation(size=_cropped_size)
def crop(
    frame: Frame,
    *,
    width: Annotated[Side, Field(description="Width of the part in pixels.")],
    height: Annotated[Side, Field(description="Height of the part in pixels.")],
    left: Annotated[int | None, Field(ge=0, description="Left edge in pixels; by `gravity` if not given.")] = None,
    top: Annotated[int | None, Field(ge=0, description="Top edge in pixels; by `gravity` if not given.")] = None,
    gravity: Annotated[Gravity, Field(description="Where the part lies when its edges are not given.")] = "center",
) -> Frame:
    """Cut out a part, in pixels of the upright picture."""
    x, y = gravity_point(gravity)
    corner_x = round((frame.width - width) * x) if left is None else left
    corner_y = round((frame.height - height) * y) if top is None else top
    return frame.crop((corner_x, corner_y, corner_x + width, corner_y + height))


def _rotated_size(before: Size, arguments: Any) -> Size:
    degrees = arguments.degrees % FULL_TURN
    if degrees % HALF_TURN == 0:
        return before
    if degrees % QUARTER_TURN == 0:
        return before[1], before[0]
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    width, height = before
    after = math.ceil(width * cosine + height * sine - 1e-6), math.ceil(width * sine + height * cosine - 1e-6)
    if max(*before, *after) > MAX_TURNED_SIDE:
        reason = (
            f"turning {width}×{height} by {arguments.degrees:g} degrees makes {after[0]}×{after[1]}, and no side may "
            f"be longer than {MAX_TURNED_SIDE} pixels before or after; only multiples of 90 degrees have no such limit"
        )
        raise OperationDoesNotFit("rotate", reason)
    return after


_QUARTERS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@operation(size=_rotated_size)
def rotate(
    frame: Frame,
    *,
    degrees: Annotated[float, Field(ge=-360, le=360, description="Angle, clockwise.")],
    background: Annotated[ColourParameter, Field(description="Colour of the corners that open.")] = TRANSPARENT,
) -> Frame:
    """Turn clockwise by any angle; the canvas grows so that nothing is cut off.

    Quarter turns move pixels exactly; other angles are sampled bicubically with premultiplied alpha.
    """
    turn = degrees % FULL_TURN
    if turn == 0:
        return frame
    if turn in _QUARTERS:
        return frame.transpose(_QUARTERS[int(turn)])
    mode = "RGB" if background.is_opaque and frame.mode != "RGBA" else "RGBA"
    size = _rotated_size(frame.size, _Turn(degrees))
    # Negative: OpenCV counts angles counter-clockwise.
    centre = ((frame.width - 1) / 2, (frame.height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, -degrees, 1.0), np.float64)
    matrix[:, 2] += np.subtract(size, frame.size, dtype=np.float64) / 2
    weighted = np.array(background, np.float64)
    weighted[:3] *= background.alpha / 255

    def turned(pixels: Pixels) -> Pixels:
        return cv2.warpAffine(  # type: ignore[return-value]  # OpenCV types every array as a union
            pixels,
            matrix,
            size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=tuple(weighted[: pixels.shape[2]]),
        )

    return premultiplied(frame.convert(mode), turned)


class _Turn:
    """What `_rotated_size` reads of the arguments of rotate."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


@operation()
def flip(frame: Frame) -> Frame:
    """Mirror top to bottom."""
    return frame.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


@operation()
def flop(frame: Frame) -> Frame:
    """Mirror left to right."""
    return frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
