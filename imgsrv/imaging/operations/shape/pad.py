"""Operations that put something around a picture."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import (
    BLACK,
    TRANSPARENT,
    AspectParameter,
    ColourParameter,
    Gravity,
    Side,
    gravity_point,
)
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations.registry import operation
from imgsrv.imaging.pixels.canvas import Filling, Margins, framed
from imgsrv.imaging.pixels.placement import corner

Edge = Annotated[int, Field(ge=0, le=10_000)]

FillingParameter = Annotated[
    Filling,
    Field(
        description="What is put there: a `colour`, the picture `mirror`ed, `copy`s of its outermost pixels, or the "
        "picture itself, large and `blur`red."
    ),
]
Background = Annotated[ColourParameter, Field(description="Colour of mode=colour.")]


def _margins(arguments: Any) -> Margins:
    sides = (arguments.left, arguments.top, arguments.right, arguments.bottom)
    left, top, right, bottom = (arguments.edge if side is None else side for side in sides)
    return left, top, right, bottom


def _check_pad(arguments: Any) -> None:
    if not any(_margins(arguments)):
        raise ValueError("there is nothing to add; give edge, left, top, right or bottom")
    _check_filling(arguments)


def _check_filling(arguments: Any) -> None:
    if arguments.mode != "colour" and arguments.colour != TRANSPARENT:
        raise ValueError(f"mode={arguments.mode} has no use for colour; leave one of them out")


def _padded_size(before: Size, arguments: Any) -> Size:
    left, top, right, bottom = _margins(arguments)
    return before[0] + left + right, before[1] + top + bottom


@operation(size=_padded_size, check=_check_pad)
def pad(
    frame: Frame,
    *,
    edge: Annotated[Edge, Field(examples=[20], description="Pixels on each side that is not given by itself.")] = 0,
    left: Annotated[Edge | None, Field(description="Pixels on the left.")] = None,
    top: Annotated[Edge | None, Field(description="Pixels at the top.")] = None,
    right: Annotated[Edge | None, Field(description="Pixels on the right.")] = None,
    bottom: Annotated[Edge | None, Field(description="Pixels at the bottom.")] = None,
    mode: FillingParameter = "colour",
    colour: Background = TRANSPARENT,
) -> Frame:
    """Add so many pixels around the picture."""
    sides = (edge if side is None else side for side in (left, top, right, bottom))
    return framed(frame, (next(sides), next(sides), next(sides), next(sides)), mode, colour)


def _check_extend(arguments: Any) -> None:
    if arguments.width is None and arguments.height is None and arguments.aspect is None:
        raise ValueError("width, height or aspect is needed; give one of them, or width and height")
    if arguments.aspect is not None and (arguments.width is not None or arguments.height is not None):
        raise ValueError("aspect says the shape and width and height the size; leave one of them out")
    _check_filling(arguments)


def _extended_size(before: Size, arguments: Any) -> Size:
    if arguments.aspect is None:
        return max(before[0], arguments.width or 0), max(before[1], arguments.height or 0)
    ratio = arguments.aspect.ratio
    return max(before[0], round(before[1] * ratio)), max(before[1], round(before[0] / ratio))


def _free_margins(before: Size, after: Size, gravity: Gravity) -> Margins:
    left, top = corner(after, before, gravity_point(gravity))
    return left, top, after[0] - before[0] - left, after[1] - before[1] - top


@operation(size=_extended_size, check=_check_extend)
def extend(
    frame: Frame,
    *,
    width: Annotated[Side | None, Field(description="Least width of the result in pixels.")] = None,
    height: Annotated[Side | None, Field(description="Least height of the result in pixels.")] = None,
    aspect: Annotated[AspectParameter | None, Field(description="Shape of the result.")] = None,
    gravity: Annotated[Gravity, Field(description="Where the picture lies in it.")] = "center",
    mode: FillingParameter = "colour",
    colour: Background = TRANSPARENT,
) -> Frame:
    """Add as much around the picture as a size or a shape takes; it is neither scaled nor cut."""
    after = _extended_size(frame.size, _Extension(width, height, aspect))
    return framed(frame, _free_margins(frame.size, after, gravity), mode, colour)


class _Extension:
    """What `_extended_size` reads of the arguments of extend."""

    def __init__(self, width: int | None, height: int | None, aspect: Any) -> None:
        self.width, self.height, self.aspect = width, height, aspect


@operation(size=lambda before, arguments: (before[0] + 2 * arguments.width, before[1] + 2 * arguments.width))
def border(
    frame: Frame,
    *,
    width: Annotated[int, Field(ge=1, le=10_000, examples=[10], description="Width of the line in pixels.")],
    colour: Annotated[ColourParameter, Field(description="Its colour.")] = BLACK,
) -> Frame:
    """Draw a line around the picture, outside of it."""
    return framed(frame, (width, width, width, width), "colour", colour)
