"""The eight ways in which a picture can be stored, and what makes each upright (CIPA DC-008, tag 274)."""

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
"""The orientations that exchange width and height."""


def upright(frame: Frame, orientation: int) -> Frame:
    """The frame as the orientation asks for; a number that means nothing changes nothing."""
    return frame.transpose(_TRANSPOSED[orientation]) if orientation in _TRANSPOSED else frame
