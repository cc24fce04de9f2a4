"""The pixels of a bitmap whose samples have masks or are packed in runs; Pillow unpacks all others."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from PIL import Image

from imgsrv.imaging.formats.bitmaps.header import ALPHA_BITS, LONG, BitmapHeader, Packing
from imgsrv.imaging.formats.bitmaps.runs import CUT, unpack
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame
from imgsrv.imaging.pixels.strips import bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP_8, TOP_16 = 255, 65_535

RAW_INDICES = {1: "P;1", 2: "P;2", 4: "P;4", 8: "P"}
"""Pillow's names of samples, by the bits of an index."""

PALETTE_BYTES = 768
"""256 colours of Pillow's palettes."""


def read_masked(file: IO[bytes], header: BitmapHeader, *, is_deep: bool = False) -> Frame:
    """Pixels of 16 or 32 bits, each channel by its mask: `value · top / highest value`, rounded.

    is_deep: channels of 16 bits.  A channel without bits is 0.  Raises ValueError if the file ends too early.
    """
    width, height = header.size
    channels = 4 if header.masks[3] else 3
    top = TOP_16 if is_deep else TOP_8
    result = np.empty((height, width, channels), np.uint16 if is_deep else np.uint8)
    target = result if header.is_top_down else result[::-1]
    for rows in bands(height, width):
        words = _words(file, header, rows.stop - rows.start)
        for channel in range(channels):
            target[rows, :, channel] = _scaled(words, header.masks[channel], top)
    return DeepFrame(result) if is_deep else Image.fromarray(result)


def _words(file: IO[bytes], header: BitmapHeader, count: int) -> NDArray[Any]:
    """(H, W): the pixels of so many rows as numbers."""
    data = _read_rows(file, header, count)
    rows = np.frombuffer(data, f"<u{header.bits // 8}").reshape(count, -1)
    return rows[:, : header.size[0]]


def _read_rows(file: IO[bytes], header: BitmapHeader, count: int) -> bytes:
    """So many rows as the file has them; the padding of the last one may be missing."""
    size = header.stride * count
    data = file.read(size)
    if len(data) < size - header.stride + (header.size[0] * header.bits + 7) // 8:
        raise ValueError(CUT)
    return data.ljust(size, b"\0")


def _scaled(words: NDArray[Any], mask: int, top: int) -> NDArray[Any]:
    if not mask:
        return np.zeros_like(words)
    low = (mask & -mask).bit_length() - 1
    highest = mask >> low
    values = (words & mask) >> low
    return values if highest == top else np.rint(values * (top / highest))


def read_runs(file: IO[bytes], header: BitmapHeader, palette: bytes) -> Frame:
    """Pixels that are packed in runs.  Those that no run covers are transparent, as in browsers.

    palette: red, green and blue of 256 colours.  Raises what `unpack` raises.
    """
    width, height = header.size
    unpacked = unpack(file.read(), header.size, header.bits)
    order = 1 if header.is_top_down else -1
    if header.packing is Packing.RLE24:
        frame = Image.frombuffer("RGB", header.size, unpacked.pixels, "raw", "BGR", 0, order)
    else:
        frame = Image.frombuffer("P", header.size, unpacked.pixels, "raw", "P", 0, order)
        frame.putpalette(palette)
        frame = frame.convert("RGB")
    if unpacked.holes:
        alpha = bytearray(b"\xff") * (width * height)
        for start, end in unpacked.holes:
            alpha[start:end] = bytes(end - start)
        frame.putalpha(Image.frombuffer("L", header.size, alpha, "raw", "L", 0, order))
    return frame


def read_icon(file: IO[bytes], start: int, header: BitmapHeader) -> Frame:
    """The bitmap of an icon, RGBA: alpha of its own where pixels of 32 bits have any, else its mask of 1 bit.

    start: of the header in the file.  Raises ValueError or IndexError if it ends too early; a missing mask is opaque.
    """
    width, height = header.size
    file.seek(start + header.length)
    palette = read_palette(file, header)
    file.seek(start + palette_end(header))
    if header.bits == LONG and header.packing is Packing.PLAIN:
        header = replace(header, masks=(*header.masks[:3], ALPHA_BITS))
    frame = _unpacked(file, header, palette)
    if frame.mode == "RGBA" and frame.getchannel("A").getbbox():
        return frame
    frame = frame.convert("RGBA")
    stride = (width + 31) // 32 * 4
    mask = file.read(stride * height)
    if len(mask) == stride * height:
        order = 1 if header.is_top_down else -1
        frame.putalpha(Image.frombuffer("1", header.size, mask, "raw", "1;I", stride, order).convert("L"))
    return frame


def _unpacked(file: IO[bytes], header: BitmapHeader, palette: bytes) -> Frame:
    """The pixels of a bitmap of any kind; the file stands at them, and then behind them."""
    if header.packing not in (Packing.PLAIN, Packing.MASKS):
        return read_runs(file, header, palette)
    if any(header.masks):
        return read_masked(file, header)
    data = _read_rows(file, header, header.size[1])
    mode, raw_mode = ("RGB", "BGR") if header.bits == 24 else ("P", RAW_INDICES[header.bits])  # noqa: PLR2004
    order = 1 if header.is_top_down else -1
    frame = Image.frombuffer(mode, header.size, data, "raw", raw_mode, header.stride, order)
    if mode == "P":
        frame.putpalette(palette)
    return frame


def read_palette(file: IO[bytes], header: BitmapHeader, room: int | None = None) -> bytes:
    """Red, green and blue of 256 colours, black where the file has none; empty for pixels without a palette.

    file: stands behind the header.  room: bytes up to the pixels, where the file tells.
    """
    if header.bits > 8:  # noqa: PLR2004
        return b""
    count = min(header.colours or 256, 1 << header.bits)
    size = count * header.colour_bytes
    data = file.read(size if room is None or room <= 0 else min(size, room))
    entries = len(data) // header.colour_bytes
    colours = np.frombuffer(data[: entries * header.colour_bytes], np.uint8).reshape(entries, header.colour_bytes)
    return bytes(colours[:, 2::-1].tobytes().ljust(PALETTE_BYTES, b"\0"))


def palette_end(header: BitmapHeader) -> int:
    """Bytes of header and palette, behind which the pixels stand where the file does not tell their place."""
    colours = header.colours or (1 << header.bits if header.bits <= 8 else 0)  # noqa: PLR2004
    return header.length + colours * header.colour_bytes
