"""Tags of a TIFF and their values.

Section numbers are those of TIFF 6.0 (1992); the later ones are of Adobe's technical notes, of DNG and of codecs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 317, 320, 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 332, 338, 339, 347
COEFFICIENTS, SUBSAMPLING, REFERENCE, PROFILE = 529, 530, 532, 34675

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
LOG_L, LOG_LUV = 32_844, 32_845

GREYS = (MIN_IS_WHITE, MIN_IS_BLACK, MASK, LOG_L)

COLOURS = {
    MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, PALETTE: 1, MASK: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3, LOG_L: 1,
    LOG_LUV: 3,
}  # fmt: skip
"""Samples of a colour, by the photometric interpretations that are read."""

UNREAD_COLOURS = {
    10: "ITULAB colours",
    32_803: "the raw data of a camera's sensor",
    34_892: "the linear raw data of a camera",
    51_177: "a depth map",
    52_527: "a photometric mask",
}

RAW_SENSOR = (32_803, 34_892)
"""Photometric interpretations of camera raw files: a colour filter array, and its samples put together."""

NONE, LZW, OLD_JPEG, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS, PIXTIFF = 1, 5, 6, 7, 8, 32_946, 32_773, 50_013
LZMA, ZSTD, OLD_ZSTD, WEBP, OLD_WEBP, LERC = 34_925, 50_000, 34_926, 50_001, 34_927, 34_887
JPEG_2000 = (33_003, 33_004, 33_005, 33_007, 34_712)
JPEG_XL = (50_002, 52_546)

OF_PILLOW = (2, 3, 4, OLD_JPEG, 32_771)
"""Compressions that Pillow reads by libtiff: those of fax machines, and the first one of JPEG."""

NEXT, THUNDERSCAN, SGI_LOG, SGI_LOG_24 = 32_766, 32_809, 34_676, 34_677

OF_LIBTIFF = (NEXT, THUNDERSCAN, SGI_LOG, SGI_LOG_24)
"""Compressions that libtiff alone reads, into 8 bits."""

UNREAD_COMPRESSIONS = {
    9: "JBIG",
    10: "JBIG",
    32_908: "Pixar run-length",
    32_909: "Pixar log",
    34_661: "JBIG",
    34_892: "lossy JPEG of raw data",
    34_933: "PNG",
    34_934: "JPEG XR",
    22_610: "JPEG XR",
}

READ_COMPRESSIONS = {
    *OF_PILLOW,
    *OF_LIBTIFF,
    *(NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PIXTIFF, PACKBITS, LZMA, ZSTD, OLD_ZSTD, WEBP, OLD_WEBP, LERC),
    *(*JPEG_2000, *JPEG_XL),
}

WITH_PREDICTOR = (LZW, DEFLATE, OLD_DEFLATE, PIXTIFF, LZMA, ZSTD, OLD_ZSTD)
"""Compressions that the tag Predictor changes; libtiff ignores it for the others."""

OF_PICTURES = (JPEG, WEBP, OLD_WEBP, LERC, *JPEG_2000, *JPEG_XL)
"""Compressions whose data gives the size and the samples of a picture, and not just bytes."""


def numbers(tags: Mapping[int, Any], tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The whole numbers of a tag of any integer type.  Raises ValueError for a tag of another type."""
    value = tags.get(tag)
    if value is None:
        return default
    found = tuple(value) if isinstance(value, bytes | tuple) else (value,)
    if not all(isinstance(each, int) for each in found):
        raise ValueError(f"its tag {tag} is not a whole number")
    return found or default


def number(tags: Mapping[int, Any], tag: int, default: int) -> int:
    """The first number of a tag."""
    return numbers(tags, tag, (default,))[0]


def rationals(tags: Mapping[int, Any], tag: int, default: tuple[float, ...]) -> tuple[float, ...]:
    """The numbers of a tag of so many fractions; the default where there are none, or others."""
    found = tags.get(tag, ())
    try:
        values = tuple(float(value) for value in found)
    except (TypeError, ValueError, ArithmeticError):
        return default
    return values if len(values) == len(default) and all(map(math.isfinite, values)) else default


def octets_of(value: object) -> bytes:
    """The bytes of a tag of the type UNDEFINED or BYTE; none of any other."""
    return value if isinstance(value, bytes) else b""
