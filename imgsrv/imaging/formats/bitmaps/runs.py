"""Run-length coding of bitmaps: RLE8, RLE4 and the RLE24 of OS/2.

Runs are clipped at the end of their row, as by Chromium.  Sources: "Bitmap Compression" (Microsoft, wingdi.h), and
IBM's OS/2 2.0 Presentation Manager for 24 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING

from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.limits import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

END_OF_BITMAP, MOVE = 1, 2
"""The second byte of a command whose first byte is 0: 0 ends a row, and a larger one counts pixels that are not packed.
"""

SPARE_COMMANDS = 1000
"""Commands that a file may have beyond two for each pixel and four for each row."""

MOST_BYTES = 32 << 20
"""Most bytes of runs: in a hostile file they take 8 s."""

MANY, AT_ONCE = 16, 4096
"""Runs in a row from which on they are unpacked by numpy, and the most of them at once."""

CUT = "its pixels end too early"

HALVES = tuple(bytes((byte >> 4, byte & 15)) for byte in range(256))
"""Two pixels of 4 bits by their byte, the high half first."""


@dataclass(slots=True)
class Unpacked:
    """Pixels from the bottom row to the top row, and the spans that no run covers, in pixels from the first one."""

    pixels: bytearray
    holes: list[tuple[int, int]] = field(default_factory=list)


def unpack(data: bytes, size: Size, bits: int) -> Unpacked:
    """The pixels of a bitmap: bytes of an index for 4 and 8 bits a pixel, of blue, green and red for 24 bits.

    Raises ValueError for pixels that end too early, have too many commands, or more than MOST_BYTES.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"its runs have {len(data):,} bytes and the limit is {MOST_BYTES:,}")
    try:
        return _unpack(data, size, bits)
    except IndexError:
        raise ValueError(CUT) from None


def _unpack(data: bytes, size: Size, bits: int) -> Unpacked:
    """As `unpack`, but raises IndexError behind the end of the data."""
    width, height = size
    step = 3 if bits == 24 else 1  # noqa: PLR2004
    result = Unpacked(bytearray(width * height * step))
    pixels = result.pixels
    x = y = at = in_turn = 0
    for _ in repeat(None, 2 * width * height + 4 * height + SPARE_COMMANDS):
        # The mark of the end may be missing, but no pixel.
        if y >= height or (at + 1 >= len(data) and y == height - 1 and x >= width):
            return result
        count, code = data[at], data[at + 1]
        if count:
            in_turn += 1
            if in_turn > MANY and step == 1:
                run, length = _many(data[at : at + 2 * AT_ONCE], bits)
                in_turn, at = 0, at + length
            else:
                run = _run(data[at + 1 : at + 1 + step], count, bits)
                at += 1 + step
        elif code > MOVE:
            run, length = _literal(data[at + 2 : at + 2 + code * step], code, bits)
            in_turn, at = 0, at + 2 + length
        else:
            to_x, to_y, at = _moved(data, at, x, y, height)
            _skip(result, x, y, to_x, to_y, size)
            x, y, in_turn = to_x, to_y, 0
            continue
        if x < width:
            start = (y * width + x) * step
            part = run[: (width - x) * step]
            pixels[start : start + len(part)] = part
        x += len(run) // step
    raise ValueError("its runs have no end")


def _run(value: bytes, count: int, bits: int) -> bytes:
    # A run of 4 bits has two colours in turn.
    return (HALVES[value[0]] * ((count + 1) // 2))[:count] if bits == 4 else value * count  # noqa: PLR2004


def _many(data: bytes, bits: int) -> tuple[bytes, int]:
    """The pixels of all runs at the beginning, and the bytes of these runs."""
    pairs = np.frombuffer(data, np.uint8, len(data) // 2 * 2).reshape(-1, 2)
    others = np.flatnonzero(pairs[:, 0] == 0)
    runs = pairs[: others[0]] if len(others) else pairs
    counts: NDArray[np.uint8] = runs[:, 0]
    values = np.repeat(runs[:, 1], counts)
    if bits == 4:  # noqa: PLR2004
        ends = np.cumsum(counts, dtype=np.int64)
        is_second = (np.arange(len(values)) - np.repeat(ends - counts, counts)) & 1
        values = np.where(is_second, values & 15, values >> 4)
    return values.astype(np.uint8).tobytes(), 2 * len(runs)


def _literal(data: bytes, count: int, bits: int) -> tuple[bytes, int]:
    """So many pixels that are not packed, and their bytes, which are padded to a multiple of 2."""
    length = (count * bits + 7) // 8
    if len(data) < length:
        raise ValueError(CUT)
    found = data[:length]
    if bits == 4:  # noqa: PLR2004
        found = b"".join([HALVES[byte] for byte in found])[:count]
    return found, length + length % 2


def _moved(data: bytes, at: int, x: int, y: int, height: int) -> tuple[int, int, int]:
    """The place after a command that paints nothing, and the offset of the next command."""
    code = data[at + 1]
    if code == END_OF_BITMAP:
        return 0, height, at + 2
    if code == MOVE:
        return x + data[at + 2], y + data[at + 3], at + 4
    return 0, y + 1, at + 2


def _skip(result: Unpacked, x: int, y: int, to_x: int, to_y: int, size: Size) -> None:
    """Note the pixels between two places as a hole."""
    width, height = size
    start, end = y * width + min(x, width), min(to_y * width + min(to_x, width), width * height)
    if end > start:
        result.holes.append((start, end))
