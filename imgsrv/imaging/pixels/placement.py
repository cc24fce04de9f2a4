"""Where a part lies in a picture, or a picture on a canvas: by gravity, by a focal point, or by what attracts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Gravity, Unit, gravity_point
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.pixels.saliency import most_salient

Point = tuple[float, float]
"""A place as fractions of the free width and height: (0, 0) at the top left, (½, ½) in the middle."""

CropGravity = Literal[Gravity, "smart"]
"""`smart` is the part that attracts most."""

FocusX = Annotated[
    Unit | None,
    Field(description="Place to keep nearest the middle, as a fraction of the width, instead of `gravity`."),
]
FocusY = Annotated[Unit | None, Field(description="The same as a fraction of the height.")]


def check_focus(arguments: Any) -> None:
    """Raise ValueError where a focal point and a gravity are given at once."""
    if has_focus(arguments) and arguments.gravity != "center":
        raise ValueError("focus_x and focus_y take the place of gravity; leave one of them out")


def has_focus(arguments: Any) -> bool:
    """A focal point is given."""
    return arguments.focus_x is not None or arguments.focus_y is not None


def place(frames: Sequence[Frame], source: Source, window: tuple[float, float], arguments: Any) -> Point:
    """Where a part of the size `window`, in pixels of the picture, is to lie.

    source: what each frame shows.  arguments: with gravity, focus_x and focus_y.
    """
    if arguments.gravity == "smart":
        return most_salient(frames, source, window)
    if not has_focus(arguments):
        return gravity_point(arguments.gravity)
    return (
        _towards(arguments.focus_x, source.size[0], window[0]),
        _towards(arguments.focus_y, source.size[1], window[1]),
    )


def _towards(focus: float | None, side: int, part: float) -> float:
    """The part's place along one side that has the focus in its middle, or as near as it gets."""
    free = side - part
    if focus is None or free <= 0:
        return 0.5
    return min(1.0, max(0.0, (focus * side - part / 2) / free))


def corner(before: Size, part: Size, point: Point) -> tuple[int, int]:
    """The left and top pixel of a part that lies at the point."""
    return round((before[0] - part[0]) * point[0]), round((before[1] - part[1]) * point[1])
