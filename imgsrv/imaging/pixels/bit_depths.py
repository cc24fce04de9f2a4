"""Samples of 9 to 15 bits and of 16 bits into one another, rounded, and colours without their alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsrv.imaging.lazy import np
from imgsrv.imaging.pixels.sixteen_bit import MOST, DeepPixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND_ROWS = 64
"""Rows that are worked on at once, so that no second copy of the picture is needed."""


def to_16_bits(pixels: DeepPixels, depth: int) -> DeepPixels:
    """Samples of `depth` bits as 16 bits: value × 65535 / (2^depth − 1), rounded.

    pixels: (H, W, channels).  Samples that do not fit count as the largest.  Returns a new array without gaps.
    """
    most = (1 << depth) - 1
    table = np.rint(np.arange(MOST + 1).clip(0, most) * (MOST / most)).astype(np.uint16)
    return _through(pixels, table)


def from_16_bits(pixels: DeepPixels, depth: int) -> DeepPixels:
    """Samples of 16 bits as `depth` bits: value × (2^depth − 1) / 65535, rounded."""
    table = np.rint(np.arange(MOST + 1) * (((1 << depth) - 1) / MOST)).astype(np.uint16)
    return _through(pixels, table)


def _through(pixels: DeepPixels, table: NDArray[np.uint16]) -> DeepPixels:
    changed = np.empty(pixels.shape, np.uint16)
    for top in range(0, len(pixels), BAND_ROWS):
        changed[top : top + BAND_ROWS] = table[pixels[top : top + BAND_ROWS]]
    return changed


def make_straight(pixels: NDArray[Any]) -> None:
    """Divide the colours by the alpha that was multiplied into them, in place; black where nothing is seen.

    pixels: (H, W, channels) of uint8 or uint16; the last channel is alpha.
    """
    top = np.float32(np.iinfo(pixels.dtype).max)
    for start in range(0, len(pixels), BAND_ROWS):
        band = pixels[start : start + BAND_ROWS]
        # In 32 bits of floating point the quotient is exact to a 250th of a level of 16 bits.
        factors = top / np.maximum(band[..., -1], 1)
        for at in range(band.shape[2] - 1):
            divided = band[..., at] * factors
            divided += np.float32(0.5)
            np.minimum(divided, top, out=divided)
            divided *= band[..., -1] > 0
            band[..., at] = divided
