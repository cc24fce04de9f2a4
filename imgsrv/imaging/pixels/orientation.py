"""The eight EXIF orientations, and the turn that makes each upright (CIPA DC-008, tag 274)."""

from __future__ import annotations

from PIL import Image

from imgsrv.imaging.model.picture import Frame

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""


def upright(frame: Frame, orientation: int) -> Frame:
    """The upright frame; an unknown orientation changes nothing."""
    return frame.transpose(_TRANSPOSED[orientation]) if orientation in _TRANSPOSED else frame
