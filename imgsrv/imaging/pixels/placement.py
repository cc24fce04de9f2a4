"""Where a part lies in a picture, or a picture on a canvas: by gravity, by a focal point, or by saliency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.parameter_types import Gravity, Unit, gravity_point
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.pixels.faces import faces_in
from imgsrv.imaging.pixels.saliency import most_salient

Position = tuple[float, float]
"""Fractions of the free width and height, as CSS's object-position: (0, 0) is top left, (½, ½) is the middle."""

CropGravity = Literal[Gravity, "smart", "face"]
"""`smart` is the most salient part, `face` the one with the faces."""

LOOKING = ("smart", "face")
"""Gravities that look at the pixels."""

MOST_FRAMES = 8
"""Frames of an animation that are searched for faces, evenly spaced."""

FocusX = Annotated[
    Unit | None,
    Field(description="Point to keep nearest the middle, as a fraction of the width; replaces `gravity`."),
]
FocusY = Annotated[Unit | None, Field(description="The same point, as a fraction of the height.")]


def check_focus(gravity: CropGravity, focus_x: float | None, focus_y: float | None) -> None:
    """Raise ValueError where a focal point and a gravity are given at once."""
    if has_focus(focus_x, focus_y) and gravity != "center":
        raise ValueError("focus_x and focus_y take the place of gravity; leave one of them out")


def has_focus(focus_x: float | None, focus_y: float | None) -> bool:
    """True if a focal point is given."""
    return focus_x is not None or focus_y is not None


def position_of_part(
    frames: Sequence[Frame],
    source: Source,
    part: tuple[float, float],
    *,
    gravity: CropGravity,
    focus_x: float | None,
    focus_y: float | None,
) -> Position:
    """The position of a part of the picture.

    source: what each frame shows.  part: width and height in pixels of the picture.
    """
    if gravity == "smart":
        return most_salient(frames, source, part)
    if gravity == "face":
        return position_of_faces(frames, source, part)
    if not has_focus(focus_x, focus_y):
        return gravity_point(gravity)
    return _centred_on(focus_x, source.size[0], part[0]), _centred_on(focus_y, source.size[1], part[1])


def position_of_faces(frames: Sequence[Frame], source: Source, part: tuple[float, float]) -> Position:
    """The position of a part in the middle of the largest face, and of those that fit in beside it.

    The first frame with a face decides; without any, that of the most salient part.
    """
    chosen = frames[:: -(-len(frames) // MOST_FRAMES)]
    faces = next(filter(None, (faces_in(frame, source) for frame in chosen)), [])
    if not faces:
        return most_salient(frames, source, part)
    left, top, right, bottom = 1.0, 1.0, 0.0, 0.0
    for number, face in enumerate(faces):
        wider = min(left, face.left), min(top, face.top)
        to = max(right, face.left + face.width), max(bottom, face.top + face.height)
        fits = (to[0] - wider[0]) * source.size[0] <= part[0] and (to[1] - wider[1]) * source.size[1] <= part[1]
        if fits or number == 0:
            (left, top), (right, bottom) = wider, to
    across, down = (left + right) / 2, (top + bottom) / 2
    return _centred_on(across, source.size[0], part[0]), _centred_on(down, source.size[1], part[1])


def _centred_on(focus: float | None, side: int, part: float) -> float:
    """The position along one side that brings the focus to the part's middle, or as near as possible."""
    free = side - part
    if focus is None or free <= 0:
        return 0.5
    return min(1.0, max(0.0, (focus * side - part / 2) / free))


def top_left(whole: Size, part: Size, position: Position) -> tuple[int, int]:
    """Left and top pixel of a part at a position in the whole."""
    return round((whole[0] - part[0]) * position[0]), round((whole[1] - part[1]) * position[1])
