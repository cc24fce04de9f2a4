"""The resizer on arrays, for pixels that Pillow has no mode for; `resample` has it straight on Pillow's memory."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from cykooz_resizer import ImageData, PixelType, ResizeOptions, Resizer
from numpy.typing import NDArray

from imgsrv.imaging.model.limits import Size

Sample = TypeVar("Sample", np.uint8, np.uint16)

_TYPES = {
    (np.uint8, 2): PixelType.U8x2,
    (np.uint16, 1): PixelType.U16,
    (np.uint16, 3): PixelType.U16x3,
    (np.uint16, 4): PixelType.U16x4,
}
"""By the type of a sample and the number of channels."""


def resize_array(pixels: NDArray[Sample], size: Size, options: ResizeOptions) -> NDArray[Sample]:
    """Pixels of shape (H, W, C) at another size: two channels of 8 bits, or one, three or four of 16."""
    height, width, channels = pixels.shape
    kind = _TYPES[pixels.dtype.type, channels]
    result = ImageData(*size, kind)
    Resizer().resize(ImageData(width, height, kind, pixels.tobytes()), result, options)
    return np.frombuffer(result.get_buffer(), pixels.dtype).reshape(size[1], size[0], channels)
