"""The TIFFs that Pillow reads right, and faster than our own decoder: plain ones of 8 bits, and those of fax machines.

`tests/imaging/formats/test_tiff.py` proves each row with the numbers that a file was made of.
"""

from __future__ import annotations

from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.apart.decoders.tiff.tags import (
    CIELAB,
    CMYK,
    DEFLATE,
    JPEG,
    LZMA,
    LZW,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NONE,
    OF_PILLOW,
    OLD_DEFLATE,
    PACKBITS,
    PALETTE,
    RGB,
    YCBCR,
    ZSTD,
)

COMPRESSIONS = (NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD, LZMA, JPEG)

SAMPLES = {
    MIN_IS_WHITE: (1,), MIN_IS_BLACK: (1, 2), RGB: (3, 4), PALETTE: (1,), CMYK: (4,), YCBCR: (3,), CIELAB: (3,),
}  # fmt: skip
"""Samples of a pixel of 8 bits, by the photometric interpretation."""

FEW_BITS = (1, 2, 4)


def is_for_pillow(layout: Layout, segments: int) -> bool:
    """Pillow reads such a picture.

    segments: strips that the file names.  Without compression, Pillow draws surplus ones over the first, and wants the
    rows of a tile too that no picture needs.
    """
    if layout.compression in OF_PILLOW:
        return True
    if layout.is_planar or layout.kind != "uint" or layout.fill_order != 1 or layout.compression not in COMPRESSIONS:
        return False
    if layout.compression == NONE and (layout.is_tiled or segments != len(layout.offsets)):
        return False
    return _has_plain_samples(layout)


def _has_plain_samples(layout: Layout) -> bool:
    if layout.bits in FEW_BITS:
        return layout.photometric in (MIN_IS_WHITE, MIN_IS_BLACK, PALETTE) and layout.samples == 1
    if layout.bits != 8 or layout.samples not in SAMPLES.get(layout.photometric, ()):  # noqa: PLR2004
        return False
    is_grey_times_alpha = layout.photometric == MIN_IS_BLACK and layout.is_associated
    return not is_grey_times_alpha and (layout.photometric != YCBCR or layout.compression == JPEG)
