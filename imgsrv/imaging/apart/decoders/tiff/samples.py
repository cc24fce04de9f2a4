"""Samples of a TIFF: from the bytes of some rows to numbers, and from numbers to levels of 8 or 16 bits.

Levels cover the whole range: the largest whole number of the file's depth is white.  Floating-point samples are white
at 1.0 and are clipped; what is no number is black.  Signed whole numbers of more than 8 bits begin at their smallest
one, which is black.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from imgsrv.imaging.apart.decoders.tiff.layout import Layout
from imgsrv.imaging.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits the other way round, for FillOrder 2."""

TABLE_BITS = 16
"""Samples of at most so many bits are scaled by a table."""

HORIZONTAL, FLOATING = 2, 3
"""Values of Predictor: differences of neighbours (section 14), and those of the bytes of floating-point numbers."""


def row_bytes(layout: Layout, width: int, samples: int) -> int:
    """The bytes of a row: each begins with a new byte."""
    return (width * samples * layout.bits + 7) // 8


def unpacked(data: Any, layout: Layout, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The numbers of some rows in the machine's byte order.  data: their bytes.  shape: rows, columns, samples.

    They are whole numbers without sign unless the layout has floating-point samples.
    """
    rows, columns, samples = shape
    size = row_bytes(layout, columns, samples)
    octets = np.frombuffer(data, np.uint8, rows * size).reshape(rows, size)
    if layout.predictor == FLOATING and layout.kind == "float":
        return _as_floats(_without_float_differences(octets, layout, shape), layout.bits)
    order = ">" if layout.is_big else "<"
    if layout.bits in (8, 16, 32, 64):
        found = octets.view(f"{order}u{layout.bits // 8}").astype(f"u{layout.bits // 8}", copy=False)
    elif layout.bits == 24:  # noqa: PLR2004
        found = _of_three_bytes(octets, is_big=layout.is_big)
    else:
        found = _of_bits(octets, layout.bits, columns * samples)
    found = found.reshape(shape)
    if layout.predictor == HORIZONTAL:
        found = np.cumsum(found, axis=1, dtype=found.dtype)
        if layout.bits not in (8, 16, 32, 64):
            found &= (1 << layout.bits) - 1
    return np.asarray(_as_floats(found, layout.bits) if layout.kind == "float" else found)


def levels(numbers: NDArray[Any], layout: Layout, depth: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    """The numbers as levels of 8 or 16 bits."""
    top = np.iinfo(depth).max
    if numbers.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(np.rint(np.clip(np.nan_to_num(numbers, nan=0.0), 0, 1) * np.float64(top)), depth)
    is_signed = layout.kind == "int"
    if layout.bits <= TABLE_BITS:
        if (1 << layout.bits) - 1 == top and not is_signed:
            return numbers
        return np.take(_table(layout.bits, top, is_signed=is_signed), numbers, mode="clip")
    if is_signed:
        numbers = numbers ^ np.array(1 << (layout.bits - 1), numbers.dtype)
    return np.rint(numbers * (top / ((1 << layout.bits) - 1))).astype(depth)


@cache
def _table(bits: int, top: int, *, is_signed: bool) -> NDArray[Any]:
    found = np.rint(np.arange(1 << bits) * (top / ((1 << bits) - 1))).astype(np.uint8 if top < 256 else np.uint16)  # noqa: PLR2004
    return np.roll(found, 1 << (bits - 1)) if is_signed else found


def _of_three_bytes(octets: NDArray[np.uint8], *, is_big: bool) -> NDArray[np.uint32]:
    parts = octets[:, : octets.shape[1] // 3 * 3].reshape(octets.shape[0], -1, 3).astype(np.uint32)
    first, middle, last = (parts[..., at] for at in ((0, 1, 2) if is_big else (2, 1, 0)))
    return np.asarray(first << 16 | middle << 8 | last)


def _of_bits(octets: NDArray[np.uint8], bits: int, count: int) -> NDArray[Any]:
    """The numbers of a stream of bits, the highest bit first in either byte order (section 8, FillOrder)."""
    width = 3 if bits <= 16 else 5  # noqa: PLR2004  bytes that a number can touch
    kind = np.uint32 if width == 3 else np.uint64  # noqa: PLR2004
    padded = np.pad(octets, ((0, 0), (0, width)))
    at = np.arange(count, dtype=np.int64) * bits
    first, shift = at >> 3, (8 * width - bits - (at & 7)).astype(kind)
    found = np.zeros((octets.shape[0], count), kind)
    for byte in range(width):
        found <<= kind(8)
        found |= padded[:, first + byte]
    found >>= shift
    found &= kind((1 << bits) - 1)
    return found.astype(np.uint8 if bits < 8 else np.uint16 if bits <= 16 else np.uint32)  # noqa: PLR2004


def _without_float_differences(octets: NDArray[np.uint8], layout: Layout, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The whole numbers whose bits are the floating-point ones.  Source: Adobe Photoshop TIFF Technical Note 3."""
    rows, columns, samples = shape
    size = layout.bits // 8
    summed = np.cumsum(octets.reshape(rows, -1, samples), axis=1, dtype=np.uint8)
    # The bytes of a row stand by their weight, the highest ones first.
    planes = summed.reshape(rows, size, columns * samples).astype(np.uint32 if size < 8 else np.uint64)  # noqa: PLR2004
    found: Any = planes[:, 0]
    for at in range(1, size):
        found = found << 8 | planes[:, at]
    return np.asarray(found.astype(np.uint16) if size == 2 else found).reshape(shape)  # noqa: PLR2004


def _as_floats(numbers: NDArray[Any], bits: int) -> NDArray[Any]:
    if bits != 24:  # noqa: PLR2004
        return numbers.view({16: np.float16, 32: np.float32, 64: np.float64}[bits])
    return _of_24_bits(numbers.astype(np.uint32))


def _of_24_bits(numbers: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Sign, 7 bits of exponent and 16 of mantissa, as in Photoshop's technical note."""
    sign, exponent, mantissa = numbers >> 23 << 31, numbers >> 16 & 0x7F, (numbers & 0xFFFF) << 7
    tiny = np.ldexp((numbers & 0xFFFF).astype(np.float32), -78)
    exponents = np.where(exponent == 0x7F, np.uint32(0xFF), exponent + np.uint32(64)) << 23  # noqa: PLR2004
    found = (sign | exponents | mantissa).view(np.float32)
    return np.where(exponent == 0, np.where(sign != 0, -tiny, tiny), found)
