"""Boxes that cover the faces of all frames, for those who must not show one.

The detector sees 256 pixels of a side, so that a face in a group is too small for it.  In a larger picture it also
looks at PARTS by PARTS overlapping parts of half the width and height.  A face that moves is covered in every frame
wherever it was found in one: in the frames between, the detector may miss it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.picture import Frame, Source
from imgsrv.imaging.pixels.faces.detector import SIDE, faces_in
from imgsrv.imaging.pixels.working_frame import shallow

PARTS = 3
"""Parts along each side, each of half of it."""

LEAST_SIDE = 2 * SIDE
"""A picture with a shorter longer side is looked at as a whole only; its parts would be enlarged."""

LEAST_SCORE = 0.75
"""Probability from which on a guess is covered: lower than where one is shown, because a face must not be missed."""

SHARED = 0.5
"""Boxes are covered by one if they have this part of the smaller one in common."""

PixelBox = tuple[int, int, int, int]
"""Left, top, width and height in pixels, inside the frame."""


def looks(size: Size) -> int:
    """How often the detector looks at a picture of that size."""
    return 1 if max(size) < LEAST_SIDE else 1 + PARTS**2


def pixels_looked_at(size: Size) -> float:
    """The pixels of all looks together: the whole, and parts of a quarter of it."""
    return size[0] * size[1] * (1 + (looks(size) - 1) / 4)


def face_boxes(frames: Sequence[Frame], margin: float) -> tuple[PixelBox, ...]:
    """Boxes around all faces of all frames, which have one size.

    margin: how far a box reaches beyond the face at each side, as a fraction of the face's width or height.
    """
    found = (face for frame in frames for face in _found(frame))
    size = frames[0].size
    boxes = (_widened(face, margin, size) for face in found)
    return tuple(_whole(box, size) for box in merged(boxes))


def merged(boxes: Iterable[Box]) -> list[Box]:
    """The boxes, those that overlap as the one box around them.  Boxes are left, top, width and height."""
    found: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box[2] * box[3]):
        at = next((at for at, other in enumerate(found) if _shared(box, other) >= SHARED), None)
        if at is None:
            found.append(box)
        else:
            found[at] = _around(box, found[at])
    return found


def _found(frame: Frame) -> Iterator[Box]:
    """The boxes of the faces of a frame, in its pixels."""
    # Once for all looks: resampling 16 bits a channel, or transparency, takes a copy of the frame.  A face below
    # transparent pixels is covered too: whoever reads the file can see it.  Grey stays grey, a quarter of the memory.
    seen = shallow(frame)
    seen = seen.convert("RGB") if seen.mode == "RGBA" else seen
    for left, top, width, height in _parts(frame.size):
        size = max(1, round(width)), max(1, round(height))
        for face in faces_in(seen, Source(size, (left, top, width, height)), LEAST_SCORE):
            yield left + face.left * width, top + face.top * height, face.width * width, face.height * height


def _parts(size: Size) -> Iterator[Box]:
    """The whole picture, and parts of it if that helps."""
    width, height = map(float, size)
    yield 0.0, 0.0, width, height
    if looks(size) > 1:
        for number in range(PARTS**2):
            down, across = divmod(number, PARTS)
            step = 1 / (2 * (PARTS - 1))
            yield across * step * width, down * step * height, width / 2, height / 2


def _widened(box: Box, margin: float, size: Size) -> Box:
    """The box with its margin, cut off at the edges of the frame."""
    left, top = max(0.0, box[0] - margin * box[2]), max(0.0, box[1] - margin * box[3])
    right = min(float(size[0]), box[0] + (1 + margin) * box[2])
    bottom = min(float(size[1]), box[1] + (1 + margin) * box[3])
    return left, top, max(0.0, right - left), max(0.0, bottom - top)


def _whole(box: Box, size: Size) -> PixelBox:
    """The smallest box of whole pixels around a box, of at least one pixel."""
    left, top = min(size[0] - 1, math.floor(box[0])), min(size[1] - 1, math.floor(box[1]))
    right, bottom = min(size[0], math.ceil(box[0] + box[2])), min(size[1], math.ceil(box[1] + box[3]))
    return left, top, max(1, right - left), max(1, bottom - top)


def _shared(one: Box, other: Box) -> float:
    """The common area of two boxes as a part of the smaller one."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(0.0, across) * max(0.0, down) / smaller if smaller > 0 else 0.0


def _around(one: Box, other: Box) -> Box:
    left, top = min(one[0], other[0]), min(one[1], other[1])
    right, bottom = max(one[0] + one[2], other[0] + other[2]), max(one[1] + one[3], other[1] + other[3])
    return left, top, right - left, bottom - top
