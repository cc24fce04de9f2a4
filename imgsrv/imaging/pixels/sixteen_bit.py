"""Colours of 16 bits a channel, for which Pillow has no mode: transposing, cropping and rounding to 8 bits.

The readers of `imgsrv/imaging/formats/` make such frames.  Grey of 16 bits is an image of Pillow's, of mode I;16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.picture import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

DeepPixels: TypeAlias = "NDArray[np.uint16]"
"""(H, W, 1), (H, W, 3) or (H, W, 4): grey, RGB or RGBA."""

MODES = {3: "RGB;16", 4: "RGBA;16"}
"""Names that we give these modes, by number of channels."""

GREY = "I;16"

MOST = 65_535
"""White, and an opaque alpha."""

STEPS_OF_8_BITS = 257
"""Steps of 16 bits in one of 8 bits: 65,535 / 255."""

_CODES: dict[Image.Transpose, tuple[int | None, int | None]] = {
    Image.Transpose.FLIP_LEFT_RIGHT: (1, None),
    Image.Transpose.FLIP_TOP_BOTTOM: (0, None),
    Image.Transpose.ROTATE_180: (None, 1),
    Image.Transpose.ROTATE_90: (None, 2),
    Image.Transpose.ROTATE_270: (None, 0),
    Image.Transpose.TRANSPOSE: (1, 2),
    Image.Transpose.TRANSVERSE: (1, 0),
}
"""OpenCV's codes of flips, 1 across and 0 down, and of the rotations after them: 0 is clockwise, 2 is not."""


class DeepFrame(Image.Image):
    """A frame with 16 bits a channel.  It has only what operations with `keeps_depth` use of a frame."""

    def __init__(self, pixels: DeepPixels) -> None:
        super().__init__()
        self.pixels = pixels
        self._mode, self._size = MODES[pixels.shape[2]], pixels.shape[1::-1]

    def load(self) -> None:
        """Do nothing: the pixels are in memory."""

    def crop(self, box: Any = None) -> DeepFrame:
        """The part between left, top, right and bottom."""
        left, top, right, bottom = box
        return DeepFrame(self.pixels[top:bottom, left:right])

    def transpose(self, method: Image.Transpose) -> DeepFrame:
        """The frame mirrored and turned."""
        return DeepFrame(turned(self.pixels, method))

    def shallow(self) -> Frame:
        """The frame in 8 bits a channel, rounded."""
        return Image.fromarray(to_8_bits(self.pixels))


def turned(pixels: DeepPixels, method: Image.Transpose) -> DeepPixels:
    """The pixels mirrored and turned."""
    flip, rotation = _CODES[method]
    # 10 × faster than a copy of numpy's view of it.
    if flip is not None:
        pixels = np.asarray(cv2.flip(pixels, flip), np.uint16)
    if rotation is not None:
        pixels = np.asarray(cv2.rotate(pixels, rotation), np.uint16)
    return np.atleast_3d(pixels)


def to_8_bits(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Samples of 16 bits as 8 bits: value / 257, rounded.  The array has two or three dimensions."""
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / STEPS_OF_8_BITS), np.uint8).reshape(pixels.shape)


def is_deep(frame: Frame) -> bool:
    """A decoded frame has 16 bits a channel."""
    return isinstance(frame, DeepFrame) or frame.mode == GREY


def shallow(frame: Frame) -> Frame:
    """A decoded frame with 8 bits a channel, rounded."""
    if isinstance(frame, DeepFrame):
        return frame.shallow()
    return Image.fromarray(to_8_bits(np.asarray(frame))) if frame.mode == GREY else frame


def deep_frame(pixels: DeepPixels) -> Frame:
    """The frame of such pixels: an image of Pillow's, of mode I;16, for grey, else a DeepFrame."""
    return DeepFrame(pixels) if pixels.shape[2] > 1 else Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
