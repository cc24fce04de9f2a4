"""The eight EXIF orientations, and the turn that makes each upright (CIPA DC-008, tag 274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.picture import Frame

if TYPE_CHECKING:
    # The header of a JPEG XL needs the table below, and nothing that resamples.
    from imgsrv.imaging.pixels.resample import Plane

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

UPRIGHT = 1
"""The orientation of a picture that is stored as it is shown."""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""

FROM_RIGHT, FROM_BELOW = (2, 3, 7, 8), (3, 4, 6, 7)
"""Orientations in which the stored columns run from right to left, or the stored rows from below, once turned."""


def upright(frame: Frame, orientation: int) -> Frame:
    """The upright frame; an unknown orientation changes nothing."""
    return frame.transpose(_TRANSPOSED[orientation]) if orientation in _TRANSPOSED else frame


def stored_size(size: Size, orientation: int) -> Size:
    """The size before a picture of this size was turned upright."""
    return (size[1], size[0]) if orientation in SIDEWAYS else size


def stored_box(box: Box, size: Size, orientation: int) -> Box:
    """The part of the stored picture that is the box of the upright one.  size: of the stored picture."""
    left, top, width, height = box
    if orientation in SIDEWAYS:
        left, top, width, height = top, left, height, width
    if orientation in FROM_RIGHT:
        left = size[0] - left - width
    if orientation in FROM_BELOW:
        top = size[1] - top - height
    return left, top, width, height


def upright_plane(plane: Plane, orientation: int) -> Plane:
    """The upright plane; an unknown orientation changes nothing."""
    columns, rows = orientation in FROM_RIGHT, orientation in FROM_BELOW
    if columns or rows:
        # Both axes, columns or rows, by the numbers of OpenCV.
        plane = np.asarray(cv2.flip(plane, -1 if columns and rows else int(columns)), np.uint8)
    return np.asarray(cv2.transpose(plane), np.uint8) if orientation in SIDEWAYS else plane
