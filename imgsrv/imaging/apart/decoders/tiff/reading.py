"""The layout of a directory of a TIFF, understood and checked before anything is decoded.

Section numbers are those of TIFF 6.0 (1992).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.apart.decoders.tiff.layout import Kind, Layout
from imgsrv.imaging.apart.decoders.tiff.tags import (
    BITS,
    CIELAB,
    CMYK,
    COEFFICIENTS,
    COLOUR_MAP,
    COLOURS,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    HEIGHT,
    INK_SET,
    JPEG,
    JPEG_TABLES,
    LOG_L,
    LOG_LUV,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NONE,
    OF_PILLOW,
    PALETTE,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    PROFILE,
    READ_COMPRESSIONS,
    REFERENCE,
    RGB,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    SGI_LOG,
    SGI_LOG_24,
    STRIP_BYTES,
    STRIP_OFFSETS,
    SUBSAMPLING,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_OFFSETS,
    TILE_WIDTH,
    UNREAD_COLOURS,
    UNREAD_COMPRESSIONS,
    WIDTH,
    WITH_PREDICTOR,
    YCBCR,
    number,
    numbers,
    octets_of,
    rationals,
)
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.limits import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_SAMPLES = 32
"""Most samples of a pixel; those that are neither colour nor alpha are left out."""

MOST_SEGMENTS = 1 << 20
"""Most strips and tiles of a page: 100 megapixels in tiles of 16×16 have 390,000."""

MOST_STRIP_BYTES, MOST_BYTES_PER_PIXEL = 64 << 20, 24
"""Most bytes of a compressed strip or tile, which is decompressed as a whole: so many, or so many for each pixel."""

MOST_INDEX_BITS = 16
"""Most bits of an index of a colour map, which then has 65,536 colours."""

UNASSOCIATED, ASSOCIATED, COREL_ALPHA = 2, 1, 999
"""Values of ExtraSamples that mean alpha; the last one is of CorelDRAW 10."""

FLOAT_BITS, INTEGER_BITS = (16, 24, 32, 64), (*range(1, 33), 64)

Tags = Mapping[int, Any]


class NotReadError(Exception):
    """A TIFF has something that is not read; the text begins with what it is."""


def read_layout(tags: Tags, addresses: Mapping[int, NDArray[np.uint64]], *, is_big: bool) -> Layout:
    """The layout of a directory.

    addresses: the values of the tags of offsets and byte counts.  is_big: the byte order of the file.
    Raises NotReadError for what is not read, ValueError for tags that make no sense.
    """
    photometric, samples, colours, extra = _samples(tags)
    bits, kind = _sample_type(tags, samples)
    is_planar = number(tags, PLANAR, 1) == 2 and samples > 1  # noqa: PLR2004
    size = number(tags, WIDTH, 0), number(tags, HEIGHT, 0)
    if min(size) < 1:
        raise ValueError("it has no width or no height")
    is_tiled, segment = _segment(tags, size)
    compression = number(tags, COMPRESSION, NONE)
    if photometric == YCBCR and bits != 8 and (compression != JPEG or is_planar):  # noqa: PLR2004
        raise NotReadError(f"a TIFF of YCbCr with {bits} bits per sample")
    _check_strip(size, segment, samples if not is_planar else 1, bits, compression)
    offsets, counts = _addresses(
        addresses, is_tiled=is_tiled, wanted=_segments(size, segment, samples if is_planar else 1)
    )
    alpha = next((colours + at for at, value in enumerate(extra) if value in (1, 2, COREL_ALPHA)), None)
    return Layout(
        size=size,
        bits=bits,
        kind=kind,
        samples=samples,
        colours=colours,
        alpha=alpha,
        is_associated=alpha is not None and extra[alpha - colours] == ASSOCIATED,
        is_planar=is_planar,
        photometric=photometric,
        compression=compression,
        predictor=number(tags, PREDICTOR, 1) if compression in WITH_PREDICTOR else 1,
        fill_order=number(tags, FILL_ORDER, 1),
        is_big=is_big,
        is_tiled=is_tiled,
        segment=segment,
        offsets=offsets,
        counts=counts,
        colour_map=_colour_map(tags, bits) if photometric == PALETTE else None,
        subsampling=_subsampling(tags),
        coefficients=rationals(tags, COEFFICIENTS, (0.299, 0.587, 0.114)),
        reference=rationals(tags, REFERENCE, (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)),
        tables=octets_of(tags.get(JPEG_TABLES)),
        has_profile=PROFILE in tags,
    )


def _kinds(tags: Tags) -> tuple[int, int]:
    """The compression and the photometric interpretation.  Raises NotReadError for those that are not read."""
    compression = number(tags, COMPRESSION, NONE)
    if compression in UNREAD_COMPRESSIONS:
        raise NotReadError(f"a TIFF with {UNREAD_COMPRESSIONS[compression]} compression")
    if compression not in READ_COMPRESSIONS:
        raise NotReadError(f"a TIFF with compression {compression}")
    photometric = number(tags, PHOTOMETRIC, _likely_colours(tags, compression))
    if photometric in (LOG_L, LOG_LUV) and compression not in (SGI_LOG, SGI_LOG_24):
        raise NotReadError("a TIFF of logarithmic luminance without a compression of SGI's")
    if photometric in UNREAD_COLOURS:
        raise NotReadError(f"a TIFF of {UNREAD_COLOURS[photometric]}")
    if photometric not in COLOURS:
        raise NotReadError(f"a TIFF of photometric interpretation {photometric}")
    if compression in WITH_PREDICTOR and number(tags, PREDICTOR, 1) not in (1, 2, 3):
        raise NotReadError(f"a TIFF with predictor {number(tags, PREDICTOR, 1)}")
    return compression, photometric


def _likely_colours(tags: Tags, compression: int) -> int:
    """The photometric interpretation of a file that leaves it out: libtiff's guess."""
    if number(tags, SAMPLES, 1) >= COLOURS[RGB]:
        return RGB
    return MIN_IS_WHITE if compression in OF_PILLOW else MIN_IS_BLACK


def _samples(tags: Tags) -> tuple[int, int, int, tuple[int, ...]]:
    """The photometric interpretation, the samples of a pixel and of its colour, and what the others are."""
    compression, photometric = _kinds(tags)
    is_colour_jpeg = compression == JPEG and photometric in (RGB, YCBCR)
    samples = number(tags, SAMPLES, 3 if is_colour_jpeg else max(1, len(numbers(tags, BITS))))
    if not 0 < samples <= MOST_SAMPLES:
        raise NotReadError(f"a TIFF of {samples} samples per pixel")
    colours = COLOURS[photometric]
    if photometric in (YCBCR, CIELAB) and samples < colours:
        photometric, colours = MIN_IS_BLACK, 1  # luma or lightness alone
    if samples < colours:
        raise ValueError(f"it has {samples} samples per pixel and its colours have {colours}")
    if photometric == CMYK and number(tags, INK_SET, 1) != 1:
        raise NotReadError("a TIFF of inks that are not cyan, magenta, yellow and black")
    return photometric, samples, colours, _extra(tags, samples - colours, photometric)


def _extra(tags: Tags, count: int, photometric: int) -> tuple[int, ...]:
    """The kind of each of so many further samples."""
    extra = numbers(tags, EXTRA_SAMPLES)
    if not extra and count and photometric == RGB:
        return (UNASSOCIATED,)  # writers that leave out the tag mean alpha
    # The samples that the tag does not name are the first ones.
    return (0,) * (count - len(extra)) + extra[:count]


def _sample_type(tags: Tags, samples: int) -> tuple[int, Kind]:
    """The bits of a sample and what they are."""
    bits = set(numbers(tags, BITS, (1,))[:samples])
    if len(bits) > 1:
        raise NotReadError("a TIFF whose samples have different depths")
    (depth,) = bits
    formats = set(numbers(tags, SAMPLE_FORMAT, (1,))[:samples])
    if len(formats) > 1:
        raise NotReadError("a TIFF whose samples have different formats")
    (form,) = formats
    if form in (5, 6):
        raise NotReadError("a TIFF of complex samples")
    # libtiff too reads samples without a defined format (4) as whole numbers.
    # Programs that write signed samples of 8 bits mean unsigned ones, and every reader takes them so.
    kind: Kind = "int" if form == 2 and depth > 8 else "float" if form == 3 else "uint"  # noqa: PLR2004
    if depth not in (FLOAT_BITS if kind == "float" else INTEGER_BITS):
        raise NotReadError(f"a TIFF of {depth}-bit {'floating-point ' if kind == 'float' else ''}samples")
    return depth, kind


def _segment(tags: Tags, size: Size) -> tuple[bool, Size]:
    """Whether it has tiles, and the size of a tile or strip."""
    if TILE_WIDTH in tags or TILE_HEIGHT in tags:
        tile = number(tags, TILE_WIDTH, 0), number(tags, TILE_HEIGHT, 0)
        if min(tile) < 1:
            raise ValueError("its tiles have no width or no height")
        return True, tile
    rows = number(tags, ROWS_PER_STRIP, size[1])
    return False, (size[0], min(rows, size[1]) if rows > 0 else size[1])


def _check_strip(size: Size, segment: Size, samples: int, bits: int, compression: int) -> None:
    """Raise NotReadError for strips or tiles that take much more memory than the picture."""
    found = segment[0] * segment[1] * samples * bits // 8
    if compression != NONE and found > max(MOST_STRIP_BYTES, MOST_BYTES_PER_PIXEL * size[0] * size[1]):
        raise NotReadError(f"a TIFF with strips or tiles of {found:,} bytes")


def _segments(size: Size, segment: Size, planes: int) -> int:
    count = math.ceil(size[0] / segment[0]) * math.ceil(size[1] / segment[1]) * planes
    if count > MOST_SEGMENTS:
        raise NotReadError(f"a TIFF of {count:,} strips or tiles")
    return count


def _addresses(
    addresses: Mapping[int, NDArray[np.uint64]], *, is_tiled: bool, wanted: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The offsets and byte counts of so many segments.  Some writers use the tags of strips for tiles."""
    nothing = np.zeros(0, np.uint64)
    tile, strip = (addresses.get(tag, nothing) for tag in (TILE_OFFSETS, STRIP_OFFSETS))
    offsets = (tile if len(tile) else strip) if is_tiled else (strip if len(strip) else tile)
    tile, strip = (addresses.get(tag, nothing) for tag in (TILE_BYTES, STRIP_BYTES))
    counts = (tile if len(tile) else strip) if is_tiled else (strip if len(strip) else tile)
    if len(offsets) < wanted:
        raise ValueError(f"it has {len(offsets):,} of {wanted:,} strips or tiles")
    if len(counts) < wanted:
        counts = np.zeros(wanted, np.uint64)
    return offsets[:wanted], counts[:wanted]


def _colour_map(tags: Tags, bits: int) -> NDArray[np.uint16]:
    """The colour map, as three rows of levels of 16 bits."""
    if bits > MOST_INDEX_BITS:
        raise NotReadError(f"a TIFF with a palette and {bits} bits per sample")
    levels = np.array(numbers(tags, COLOUR_MAP), np.uint64)
    if len(levels) < 3 << bits:
        raise ValueError("its colour map is too short")
    rows = levels[: 3 << bits].reshape(3, 1 << bits)
    # Some writers store 8 bits; libtiff sees it by the largest value.
    return (rows * 257 if rows.max() < 256 else rows).astype(np.uint16)  # noqa: PLR2004


def _subsampling(tags: Tags) -> tuple[int, int]:
    across, down = numbers(tags, SUBSAMPLING, (2, 2))[:2]
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise ValueError(f"its chroma is subsampled {across}×{down}")
    return across, down
