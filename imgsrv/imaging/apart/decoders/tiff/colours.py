"""Colours of a TIFF: from levels of samples to pixels of grey, RGB, CMYK or CIELAB, with straight alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.apart.decoders.tiff.tags import CIELAB, CMYK, MIN_IS_WHITE, PALETTE
from imgsrv.imaging.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pixels = Any
"""NDArray of uint8 or uint16, (rows, columns, channels)."""

HALF_RANGE = 128
"""Level of 8 bits at which a and b of ICCLAB are 0."""


def coloured(numbers: NDArray[Any], layout: Layout, depth: type[np.uint8 | np.uint16]) -> Pixels | None:
    """Pixels of samples for which levels are not enough: indices, luma and chroma, CIELAB; else None.

    numbers: the colour samples, (rows, columns, colours).
    """
    if layout.photometric == PALETTE:
        assert layout.colour_map is not None  # noqa: S101  for the type checker
        found = layout.colour_map.T
        # The high byte, as libtiff and Pillow have it: writers shift as often as they multiply.
        return np.take(found if depth is np.uint16 else (found >> 8).astype(np.uint8), numbers[..., 0], axis=0)
    if layout.is_lab:
        return _lab(numbers, layout)
    return None


def _lab(numbers: NDArray[Any], layout: Layout) -> Pixels:
    """CIELAB of 8 bits as Pillow unpacks it: lightness, and a and b with a sign.

    Of 16 bits, CIELAB has the lightness 65,535 and ICCLAB 65,280 for white; a and b are in 256ths.
    """
    if layout.bits == 8:  # noqa: PLR2004
        found = numbers.astype(np.uint8)
    else:
        white = 65_535 if layout.photometric == CIELAB else 65_280
        found = np.empty(numbers.shape, np.uint8)
        found[..., 0] = np.minimum(255, np.rint(numbers[..., 0] * (255 / white)))
        if layout.photometric == CIELAB:
            shifted = numbers[..., 1:].astype(np.uint16).view(np.int16).astype(np.int32)
            found[..., 1:] = np.clip((shifted + 128) >> 8, -128, 127).astype(np.int8).view(np.uint8)
        else:
            found[..., 1:] = np.minimum(255, (numbers[..., 1:].astype(np.uint32) + 128) >> 8)
    if layout.photometric != CIELAB:
        found[..., 1:] ^= HALF_RANGE
    return found


def rgb_of_ycbcr(samples: NDArray[Any], layout: Layout) -> Pixels:
    """RGB of 8 bits from luma and chroma of 8 bits (section 21).  samples: (rows, columns, 3)."""
    red, green, blue = layout.coefficients
    code = layout.reference
    scales = (255 / ((code[1] - code[0]) or 1), 127 / ((code[3] - code[2]) or 1), 127 / ((code[5] - code[4]) or 1))
    luma, chroma_blue, chroma_red = (
        (samples[..., at].astype(np.float32) - np.float32(code[2 * at])) * np.float32(scales[at]) for at in range(3)
    )
    found = np.empty(samples.shape, np.uint8)
    green = green or 1.0
    shades = (
        luma + (2 - 2 * red) * chroma_red,
        luma - (2 - 2 * red) * red / green * chroma_red - (2 - 2 * blue) * blue / green * chroma_blue,
        luma + (2 - 2 * blue) * chroma_blue,
    )
    for at, shade in enumerate(shades):
        found[..., at] = np.clip(np.rint(shade), 0, 255)
    return found


def finished(pixels: Pixels, layout: Layout, mode: str) -> Pixels:
    """Pixels in the mode, from the levels of colour and alpha; see Layout.mode."""
    if layout.is_ycbcr and layout.is_planar:
        pixels[..., :3] = rgb_of_ycbcr(pixels[..., :3], layout)
    if layout.photometric == MIN_IS_WHITE:
        pixels[..., : layout.colours] = np.iinfo(pixels.dtype).max - pixels[..., : layout.colours]
    if layout.photometric == CMYK and mode == "RGBA":
        inks = pixels.astype(np.uint32)
        colours = ((255 - inks[..., :3]) * (255 - inks[..., 3:4]) + 127) // 255
        return np.concatenate((colours.astype(np.uint8), pixels[..., 4:5]), axis=2)
    if mode in ("RGBA", "RGBA;16") and pixels.shape[2] == 2:  # noqa: PLR2004
        return np.take(pixels, (0, 0, 0, 1), axis=2)
    return pixels
