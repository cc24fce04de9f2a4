"""Resizing with cykooz-resizer: 8 bits in Pillow's own memory, 16 bits as arrays.

`by_pillow` has the same functions, for machines without its wheel.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.model.limits import Box, Size
from imgsrv.imaging.model.picture import Frame

Sample = TypeVar("Sample", np.uint8, np.uint16)

_ALGORITHMS = {
    "nearest": ResizeAlg.nearest(),
    "box": ResizeAlg.convolution(FilterType.box),
    "bilinear": ResizeAlg.convolution(FilterType.bilinear),
    "bicubic": ResizeAlg.convolution(FilterType.catmull_rom),
    "mitchell": ResizeAlg.convolution(FilterType.mitchell),
    "lanczos": ResizeAlg.convolution(FilterType.lanczos3),
}

_PIXEL_TYPES = {
    (np.uint8, 1): PixelType.U8,
    (np.uint8, 2): PixelType.U8x2,
    (np.uint16, 1): PixelType.U16,
    (np.uint16, 3): PixelType.U16x3,
    (np.uint16, 4): PixelType.U16x4,
}
"""By the type of a sample and the number of channels."""


def options(kernel: str, box: Box, *, use_alpha: bool) -> Any:
    """The options for the functions below, which do not change them.  box: left, top, width and height."""
    return ResizeOptions(_ALGORITHMS[kernel], use_alpha, CropBox(*box))


def resize_frame(frame: Frame, size: Size, given: Any) -> Frame:
    """A frame of 8 bits at another size, mixed with premultiplied alpha."""
    result = Image.new(frame.mode, size)
    Resizer().resize_pil(frame, result, given)
    return result


def resize_pixels(pixels: NDArray[Sample], size: Size, given: Any) -> NDArray[Sample]:
    """Pixels of shape (H, W, C) at another size: one or two channels of 8 bits, or one, three or four of 16."""
    height, width, channels = pixels.shape
    kind = _PIXEL_TYPES[pixels.dtype.type, channels]
    result = ImageData(*size, kind)
    Resizer().resize(ImageData(width, height, kind, pixels.tobytes()), result, given)
    return np.frombuffer(result.get_buffer(), pixels.dtype).reshape(size[1], size[0], channels)
