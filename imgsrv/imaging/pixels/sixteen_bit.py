"""Colours of 16 bits a channel, for which Pillow has no mode: reading, transposing and cropping.

`imgsrv/imaging/formats/` writes TIFFs and PNGs.  Grey of 16 bits is an image of Pillow's, of
mode I;16, but resampled here too.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

from imgsrv.imaging.lazy import cv2, np
from imgsrv.imaging.model.picture import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

DeepPixels: TypeAlias = "NDArray[np.uint16]"
"""(H, W, 1), (H, W, 3) or (H, W, 4): grey, RGB or RGBA."""

MODES = {3: "RGB;16", 4: "RGBA;16"}
"""Names that we give these modes, by number of channels."""

RAW_MODES = tuple(f"{mode}{order}" for mode in MODES.values() for order in "BLN")
"""Pillow's names for such pixels in a file; it keeps only their high bytes."""

GREY = "I;16"

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
        """The frame in its 8 high bits, as Pillow reads it."""
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


def read_deep(image: Image.Image) -> DeepFrame | None:
    """The pixels of an opened PNG or TIFF with 16 bits a channel; None for any other picture.

    Pillow keeps the high byte of each sample, and the low one if it is given the opposite byte order.  So the file is
    read twice.
    """
    if not isinstance(image, PngImagePlugin.PngImageFile | TiffImagePlugin.TiffImageFile) or image.fp is None:
        return None
    if not all(_raw_mode(tile) in RAW_MODES for tile in image.tile) or image.tell() or "transparency" in image.info:
        return None
    image.fp.seek(0)
    other = Image.open(io.BytesIO(image.fp.read()), formats=[str(image.format)])
    other.tile = [tile._replace(args=_exchanged(tile)) for tile in other.tile]
    high, low = np.asarray(image, np.uint16), np.asarray(other)
    return DeepFrame(high << 8 | low)


def _raw_mode(tile: ImageFile._Tile) -> str:
    """The layout of the pixels in the file."""
    return str(tile.args[0] if isinstance(tile.args, tuple) else tile.args)


def _exchanged(tile: ImageFile._Tile) -> Any:
    """The arguments of the tile's decoder for the opposite byte order."""
    raw_mode = _raw_mode(tile)
    is_big = raw_mode[-1] == "B" or (raw_mode[-1] == "N" and sys.byteorder == "big")
    exchanged = raw_mode[:-1] + ("L" if is_big else "B")
    return (exchanged, *tile.args[1:]) if isinstance(tile.args, tuple) else exchanged
