"""Run-length coding of bitmaps: RLE8, RLE4 and the RLE24 of OS/2.

Runs are clipped at the end of their row, as by Chromium.  Sources: "Bitmap Compression" (Microsoft, wingdi.h), and
IBM's OS/2 2.0 Presentation Manager for 24 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import repeat

from imgsrv.imaging.model.limits import Size

END_OF_ROW, END_OF_BITMAP, MOVE = 0, 1, 2
"""The second byte of a command whose first byte is 0; a larger one counts pixels that are not packed."""

SPARE_COMMANDS = 1000
"""Commands that a file may have beyond two for each pixel and four for each row."""

CUT = "its pixels end too early"


@dataclass(slots=True)
class Unpacked:
    """Pixels from the bottom row to the top row, and the spans that no run covers, in pixels from the first one."""

    pixels: bytearray
    holes: list[tuple[int, int]] = field(default_factory=list)


def unpack(data: bytes, size: Size, bits: int) -> Unpacked:
    """The pixels of a bitmap: bytes of an index for 4 and 8 bits a pixel, of blue, green and red for 24 bits.

    Raises ValueError or IndexError for pixels that end too early or have too many commands.
    """
    width, height = size
    step = 3 if bits == 24 else 1  # noqa: PLR2004
    result = Unpacked(bytearray(width * height * step))
    x = y = at = 0
    for _ in repeat(None, 2 * width * height + 4 * height + SPARE_COMMANDS):
        if y >= height:
            return result
        if at + 1 >= len(data):
            # The mark of the end is missing, but no pixel.
            if y == height - 1 and x >= width:
                return result
            raise ValueError(CUT)
        count, code = data[at], data[at + 1]
        if count:
            _put(result, x, y, width, _run(data[at + 1 : at + 1 + step], count, bits), step)
            x, at = x + count, at + 1 + step
        elif code > MOVE:
            length = (code * bits + 7) // 8
            literal = data[at + 2 : at + 2 + length]
            if len(literal) < length:
                raise ValueError(CUT)
            _put(result, x, y, width, _halves(literal)[:code] if bits == 4 else literal, step)  # noqa: PLR2004
            # They are padded to a multiple of 2 bytes.
            x, at = x + code, at + 2 + length + length % 2
        elif code == END_OF_BITMAP:
            _skip(result, x, y, 0, height, size)
            return result
        elif code == MOVE:
            _skip(result, x, y, x + data[at + 2], y + data[at + 3], size)
            x, y, at = x + data[at + 2], y + data[at + 3], at + 4
        else:
            _skip(result, x, y, 0, y + 1, size)
            x, y, at = 0, y + 1, at + 2
    raise ValueError("its runs have no end")


def _run(value: bytes, count: int, bits: int) -> bytes:
    if bits == 4:  # noqa: PLR2004  two colours in turn
        return _halves(value * ((count + 1) // 2))[:count]
    return value * count


def _halves(data: bytes) -> bytes:
    """Two pixels of each byte, the high half first."""
    return bytes(half for byte in data for half in (byte >> 4, byte & 15))


def _put(result: Unpacked, x: int, y: int, width: int, pixels: bytes, step: int) -> None:
    left = (width - x) * step
    if left > 0:
        start = (y * width + x) * step
        part = pixels[:left]
        result.pixels[start : start + len(part)] = part


def _skip(result: Unpacked, x: int, y: int, to_x: int, to_y: int, size: Size) -> None:
    """Note the pixels between two places as a hole."""
    width, height = size
    start, end = y * width + min(x, width), min(to_y * width + min(to_x, width), width * height)
    if end > start:
        result.holes.append((start, end))
