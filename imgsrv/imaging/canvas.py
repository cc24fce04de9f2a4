"""A picture on a larger canvas."""

from __future__ import annotations

from PIL import Image

from imgsrv.imaging.limits import Size
from imgsrv.imaging.parameters import Colour
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.placement import Point, corner


def mode_with(frame: Frame, colour: Colour) -> str:
    """The mode that holds both the frame and the colour; a grey picture becomes RGB."""
    return "RGB" if colour.is_opaque and frame.mode != "RGBA" else "RGBA"


def on_canvas(frame: Frame, size: Size, point: Point, background: Colour) -> Frame:
    """The frame on a canvas of one colour, with its alpha as it is."""
    if frame.size == size:
        return frame
    mode = mode_with(frame, background)
    canvas = Image.new(mode, size, background[: len(mode)])
    canvas.paste(frame.convert(mode), corner(size, frame.size, point))
    return canvas
