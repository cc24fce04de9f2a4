"""Resizing where cykooz-resizer has no wheel: by Pillow, 3 to 9 times slower, with results that differ by rounding.

It has the functions of `fast`.  Pillow has the same kernels but for Mitchell's, and resizes 16 bits as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.picture import Frame

Sample = TypeVar("Sample", np.uint8, np.uint16)

Floats = NDArray[np.float32]

ALPHA_AND_COLOURS = (2, 4)
"""Numbers of channels of which the last is alpha."""

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

MITCHELL = "mitchell"

MITCHELL_REACH = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """The kernel, the part of the picture (left, top, width, height), and whether the last channel is alpha."""

    kernel: str
    box: Box
    use_alpha: bool


def options(kernel: str, box: Box, *, use_alpha: bool) -> Any:
    """The options for the functions below."""
    return Options(kernel, box, use_alpha)


def resize_frame(frame: Frame, size: Size, given: Any) -> Frame:
    """A frame of 8 bits at another size, mixed with premultiplied alpha."""
    if given.kernel != MITCHELL:
        return frame.resize(size, FILTERS[given.kernel], box=_edges(given.box))
    pixels = np.asarray(frame)
    return Image.fromarray(resize_pixels(pixels.reshape(*pixels.shape[:2], -1), size, given).squeeze(), frame.mode)


def resize_pixels(pixels: NDArray[Sample], size: Size, given: Any) -> NDArray[Sample]:
    """Pixels of shape (H, W, C) at another size."""
    highest = float(np.iinfo(pixels.dtype).max)
    has_alpha = given.use_alpha and pixels.shape[2] in ALPHA_AND_COLOURS
    values = pixels.astype(np.float32)
    if has_alpha:
        values[..., :-1] *= values[..., -1:] / highest
    resized = np.stack([_channel(values[..., index], size, given) for index in range(values.shape[2])], axis=2)
    if has_alpha:
        alpha = np.clip(resized[..., -1:], 0, highest)
        resized[..., :-1] *= np.divide(highest, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    return np.rint(np.clip(resized, 0, highest)).astype(pixels.dtype)


def _channel(values: Floats, size: Size, given: Options) -> Floats:
    """One channel, of shape (H, W), at another size."""
    if given.kernel != MITCHELL:
        image = Image.fromarray(np.ascontiguousarray(values))
        return np.asarray(image.resize(size, FILTERS[given.kernel], box=_edges(given.box)))
    left, top, width, height = given.box
    across = _weighted(values.T, size[0], left, width).T
    return _weighted(across, size[1], top, height)


def _weighted(values: Floats, length: int, start: float, extent: float) -> Floats:
    """The rows of an array of shape (N, M), mixed into `length` rows of the part from `start` on.

    Each output row is a mean of the rows within the kernel's reach, which grows with the reduction.
    """
    scale = extent / length
    stretch = max(scale, 1.0)
    centres = start + (np.arange(length) + 0.5) * scale
    first = np.floor(centres - MITCHELL_REACH * stretch).astype(int)
    total, result = np.zeros(length), np.zeros((length, values.shape[1]))
    low, high = int(np.floor(start)), int(np.ceil(start + extent)) - 1
    for step in range(int(2 * np.ceil(MITCHELL_REACH * stretch)) + 2):
        rows = first + step
        weights = _mitchell((rows + 0.5 - centres) / stretch) * ((rows >= low) & (rows <= high))
        total += weights
        result += weights[:, None] * values[np.clip(rows, low, high)]
    return np.asarray(result / total[:, None], np.float32)


def _mitchell(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The kernel with B = C = 1/3 (Mitchell and Netravali, Reconstruction Filters in Computer Graphics, 1988)."""
    far = np.abs(distance)
    near = (7 * far**3 - 12 * far**2 + 16 / 3) / 6
    rest = (-7 / 3 * far**3 + 12 * far**2 - 20 * far + 32 / 3) / 6
    return np.where(far < 1, near, np.where(far < MITCHELL_REACH, rest, 0.0))


def _edges(box: Box) -> Box:
    left, top, width, height = box
    return left, top, left + width, top + height
