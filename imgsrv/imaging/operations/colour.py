"""Operations that change each pixel by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from imgsrv.imaging.arrays import beside_alpha, through_array
from imgsrv.imaging.picture import Frame
from imgsrv.imaging.registry import operation

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma of ITU-R BT.601, as Pillow's mode L uses them."""

MID_GREY = 127.5

Factor = Annotated[float, Field(ge=0, le=10)]


@operation()
def grayscale(frame: Frame) -> Frame:
    """Keep the luma and drop the colours (ITU-R BT.601)."""
    return beside_alpha(frame, lambda colours: colours.convert("L"))


@operation()
def brightness(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 keeps, 2 doubles every channel, 0 gives black.")],
) -> Frame:
    """Multiply every colour channel: `out = in × factor`."""
    return _mapped(frame, lambda level: level * factor)


@operation()
def contrast(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 keeps, 2 doubles the distance to mid-grey, 0 gives grey.")],
) -> Frame:
    """Move every colour channel away from mid-grey: `out = 127.5 + (in − 127.5) × factor`."""
    return _mapped(frame, lambda level: MID_GREY + (level - MID_GREY) * factor)


@operation()
def saturation(
    frame: Frame,
    *,
    factor: Annotated[Factor, Field(description="1 keeps, 2 doubles the distance to grey, 0 gives grey.")],
) -> Frame:
    """Move every colour away from its own grey: `out = luma + (in − luma) × factor`."""
    if frame.mode == "L":
        return frame
    matrix = factor * np.eye(3, dtype=np.float32) + (1 - factor) * np.tile(LUMA, (3, 1))
    return beside_alpha(
        frame,
        lambda colours: through_array(colours, lambda pixels: np.asarray(cv2.transform(pixels, matrix), np.uint8)),
    )


def _mapped(frame: Frame, level: Callable[[float], float]) -> Frame:
    """The frame with every colour level replaced through a table, rounded and clipped to 0..255."""
    table = [min(255, max(0, round(level(value)))) for value in range(256)]
    if frame.mode == "RGBA":
        return frame.point([*table * 3, *range(256)])
    return frame.point(table * len(frame.mode))
