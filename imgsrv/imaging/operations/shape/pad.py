"""Operations that add margins around a picture."""

from __future__ import annotations

from typing import Annotated, TypedDict, Unpack

from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import (
    BLACK,
    TRANSPARENT,
    Aspect,
    AspectParameter,
    Colour,
    ColourParameter,
    Gravity,
    Side,
    gravity_point,
)
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import always, operation
from imgsrv.imaging.pixels.canvas import Filling, Margins, framed
from imgsrv.imaging.pixels.placement import top_left

Edge = Annotated[int, Field(ge=0, le=10_000)]

FillingParameter = Annotated[
    Filling,
    Field(
        description="What fills the margins: a `colour`, the `mirror`ed picture, a `copy` of its outermost pixels, or "
        "the picture itself, enlarged and `blur`red."
    ),
]
Background = Annotated[ColourParameter, Field(description="Colour of the margins for mode=colour.")]


class _Edges(TypedDict):
    """The parameters of pad that say the widths of the margins, in pixels."""

    edge: int
    left: int | None
    top: int | None
    right: int | None
    bottom: int | None


def _margins(**edges: Unpack[_Edges]) -> Margins:
    sides = (edges["left"], edges["top"], edges["right"], edges["bottom"])
    left, top, right, bottom = (edges["edge"] if side is None else side for side in sides)
    return left, top, right, bottom


def _check_pad(*, mode: Filling, colour: Colour, **edges: Unpack[_Edges]) -> None:
    if not any(_margins(**edges)):
        raise ValueError("there is nothing to add; give edge, left, top, right or bottom")
    _check_filling(mode, colour)


def _check_filling(mode: Filling, colour: Colour) -> None:
    if mode != "colour" and colour != TRANSPARENT:
        raise ValueError(f"mode={mode} has no use for colour; leave one of them out")


def _padded_size(before: Size, **edges: Unpack[_Edges]) -> Size:
    left, top, right, bottom = _margins(**edges)
    return before[0] + left + right, before[1] + top + bottom


def _margins_add_alpha(*, mode: Filling, colour: Colour) -> bool:
    return mode == "colour" and not colour.is_opaque


@operation(size=_padded_size, check=_check_pad, keeps_depth=always, adds_alpha=_margins_add_alpha)
def pad(
    frame: Frame,
    *,
    edge: Annotated[Edge, Field(examples=[20], description="Pixels on each side without a value of its own.")] = 0,
    left: Annotated[Edge | None, Field(description="Pixels on the left.")] = None,
    top: Annotated[Edge | None, Field(description="Pixels at the top.")] = None,
    right: Annotated[Edge | None, Field(description="Pixels on the right.")] = None,
    bottom: Annotated[Edge | None, Field(description="Pixels at the bottom.")] = None,
    mode: FillingParameter = "colour",
    colour: Background = TRANSPARENT,
) -> Frame:
    """Add margins of given widths around the picture."""
    return framed(frame, _margins(edge=edge, left=left, top=top, right=right, bottom=bottom), mode, colour)


def _check_extend(
    *, width: int | None, height: int | None, aspect: Aspect | None, mode: Filling, colour: Colour
) -> None:
    if width is None and height is None and aspect is None:
        raise ValueError("width, height or aspect is needed; give one of them, or width and height")
    if aspect is not None and (width is not None or height is not None):
        raise ValueError("aspect says the shape and width and height the size; leave one of them out")
    _check_filling(mode, colour)


def _extended_size(before: Size, *, width: int | None, height: int | None, aspect: Aspect | None) -> Size:
    if aspect is None:
        return max(before[0], width or 0), max(before[1], height or 0)
    ratio = aspect.ratio
    return max(before[0], round(before[1] * ratio)), max(before[1], round(before[0] / ratio))


def _free_margins(before: Size, after: Size, gravity: Gravity) -> Margins:
    left, top = top_left(after, before, gravity_point(gravity))
    return left, top, after[0] - before[0] - left, after[1] - before[1] - top


def _is_shape(*, aspect: Aspect | None) -> bool:
    return aspect is not None


@operation(
    size=_extended_size,
    check=_check_extend,
    keeps_depth=always,
    adds_alpha=_margins_add_alpha,
    is_scale_free=_is_shape,
)
def extend(
    frame: Frame,
    *,
    width: Annotated[Side | None, Field(description="Least width of the result in pixels.")] = None,
    height: Annotated[Side | None, Field(description="Least height of the result in pixels.")] = None,
    aspect: Annotated[AspectParameter | None, Field(description="Aspect ratio of the result.")] = None,
    gravity: Annotated[Gravity, Field(description="Where the picture lies in the result.")] = "center",
    mode: FillingParameter = "colour",
    colour: Background = TRANSPARENT,
) -> Frame:
    """Add margins up to a size or an aspect ratio; the picture is neither scaled nor cropped."""
    after = _extended_size(frame.size, width=width, height=height, aspect=aspect)
    return framed(frame, _free_margins(frame.size, after, gravity), mode, colour)


def _bordered_size(before: Size, *, width: int) -> Size:
    return before[0] + 2 * width, before[1] + 2 * width


def _line_adds_alpha(*, colour: Colour) -> bool:
    return not colour.is_opaque


@operation(size=_bordered_size, keeps_depth=always, adds_alpha=_line_adds_alpha)
def border(
    frame: Frame,
    *,
    width: Annotated[int, Field(ge=1, le=10_000, examples=[10], description="Width of the line in pixels.")],
    colour: Annotated[ColourParameter, Field(description="Colour of the line.")] = BLACK,
) -> Frame:
    """Draw a line around the outside of the picture."""
    return framed(frame, (width, width, width, width), "colour", colour)
