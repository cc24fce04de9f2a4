"""Colours through a 3D look-up table, interpolated trilinearly."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from imgsrv.imaging.lazy import cv2
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import MOST
from imgsrv.imaging.pixels.strips import bands
from imgsrv.imaging.pixels.working_frame import WorkingFrame

Table = NDArray[np.float32]
"""(side³, 3): colours from 0 to 1; red changes fastest."""


def through_cube(frame: Frame, side: int, table: Table) -> Frame:
    """The frame, of mode L or RGB, in RGB with each colour looked up in a table of `side` steps a channel."""
    coloured = frame if frame.mode == "RGB" else frame.convert("RGB")
    if not isinstance(coloured, WorkingFrame):
        return coloured.filter(ImageFilter.Color3DLUT(side, table.reshape(-1)))
    planes = [np.ascontiguousarray(table[:, channel]) * np.float32(MOST) for channel in range(3)]
    result = np.empty_like(coloured.pixels)
    for rows in bands(coloured.height, coloured.width):
        result[rows] = _looked_up(coloured.pixels[rows], side, planes)
    return WorkingFrame(result)


def _looked_up(pixels: NDArray[np.uint16], side: int, planes: list[Table]) -> NDArray[np.uint16]:
    """planes: (side³,) each, red, green and blue of the table, from 0 to MOST.

    Planes one after another, and one channel of the colour after another: 1.7 times as fast as rows of colours.
    """
    steps = [np.multiply(plane, np.float32((side - 1) / MOST), dtype=np.float32) for plane in cv2.split(pixels)]
    lower = [np.minimum(step.astype(np.int32), side - 2) for step in steps]
    red, green, blue = (step - low for step, low in zip(steps, lower, strict=True))
    start = lower[0] + side * lower[1] + side * side * lower[2]
    corners = [start + offset for offset in map(sum, itertools.product((0, side * side), (0, side), (0, 1)))]
    found = []
    for plane in planes:
        values = [plane.take(corner) for corner in corners]
        for share in (red, green, blue):
            # Neighbours in red stand side by side, then those in green, then those in blue.
            values = [low + (high - low) * share for low, high in zip(values[::2], values[1::2], strict=True)]
        found.append(values[0])
    return np.asarray(np.rint(cv2.merge(found)), np.uint16)
