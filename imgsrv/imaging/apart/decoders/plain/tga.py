"""TGA: pixels of one to four bytes, plain or in runs, that are levels or places of a palette."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.apart.decoders.plain.samples import CHANNELS, empty
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order
from imgsrv.imaging.pixels.bit_depths import make_straight

PALETTE, GREY = 1, 3

BYTES_AS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Modes of Pillow whose pixels have so many bytes: its decoder of runs leaves them in order."""

FIVE_BITS = np.array([round(level * 255 / 31) for level in range(32)], np.uint8)
"""Levels of five bits as levels of eight."""

OPAQUE = 255

PREMULTIPLIED, UNTOLD = 4, 255
"""Alpha that has been multiplied into the colours, and alpha of which a file says nothing."""

IS_REPEATED, MOST_REPEATED = 0x80, 0x7F
"""Bits of the byte before a run: a flag for one pixel that is repeated, and the number of pixels less one."""

TINY: Order = {
    "start": 0, "kind": GREY, "is_packed": True, "alpha": 3, "map": (0, 0, 0), "depth": 8, "from_right": False,
    "from_top": True,
    "mode": "L", "size": (1, 1),
}  # fmt: skip


def prepare() -> Decoder:
    """Make the decoder ready."""
    decode(b"\x00\x07", TINY)
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.

    order: mode and size; start: where the palette begins; kind: 1 palette, 2 colours, 3 grey; is_packed: in runs; map:
    first entry of the palette, number of entries and bits of one; depth: bits of a pixel; alpha: its kind; from_right,
    from_top: where the file begins.  Raises ValueError where there are too few pixels.
    """
    first, entries, entry_bits = order["map"]
    map_bytes = entries * ((entry_bits + 7) // 8)
    pixels = _stored(data, order["start"] + map_bytes, order)
    pixels = pixels[:: 1 if order["from_top"] else -1, :: -1 if order["from_right"] else 1]
    out = empty(order)
    if order["kind"] == PALETTE:
        colours = np.zeros((first + entries, out.shape[2]), np.uint8)
        kept = np.frombuffer(data[order["start"] : order["start"] + map_bytes], np.uint8).reshape(1, entries, -1)
        colours[first:] = _levels(kept, entry_bits, out.shape[2])[0]
        places = pixels[..., 0].astype(np.uint16)
        if pixels.shape[2] == 2:  # noqa: PLR2004
            places |= pixels[..., 1].astype(np.uint16) << 8
        if places.max(initial=0) >= len(colours):
            raise ValueError("it has a pixel beyond the end of its palette")
        out[:] = colours[places]
    elif order["kind"] == GREY:
        out[:] = pixels
    else:
        out[:] = _levels(pixels, order["depth"], out.shape[2])
    if out.shape[2] == CHANNELS["RGBA"]:
        _mend_alpha(out, order["alpha"])
    return Decoded(out.data.cast("B"))


def _stored(data: bytes, start: int, order: Order) -> NDArray[np.uint8]:
    """(H, W, bytes of a pixel) as they stand in the file."""
    width, height = order["size"]
    size = (order["depth"] + 7) // 8
    if not order["is_packed"]:
        if len(data) < start + width * height * size:
            raise ValueError("it has fewer pixels than its header says")
        return np.frombuffer(data, np.uint8, width * height * size, start).reshape(height, width, size)
    mode = BYTES_AS[size]
    try:
        image = Image.frombytes(mode, (width, height), data[start:], "tga_rle", mode, 1, size * 8)
    except ValueError:
        # Pillow does not read every run that goes on in the next row.
        return _unpacked(data, start, width * height * size, size).reshape(height, width, size)
    return np.asarray(image).reshape(height, width, size)


def _unpacked(data: bytes, start: int, count: int, size: int) -> NDArray[np.uint8]:
    """So many bytes of runs and of pixels between them, of `size` bytes each."""
    out = bytearray()
    at = start
    while len(out) < count:
        if at + 1 + size > len(data):
            raise ValueError("it has fewer pixels than its header says")
        pixels = (data[at] & MOST_REPEATED) + 1
        if data[at] & IS_REPEATED:
            out += data[at + 1 : at + 1 + size] * pixels
            at += 1 + size
        else:
            out += data[at + 1 : at + 1 + size * pixels]
            at += 1 + size * pixels
    if at > len(data):
        raise ValueError("it has fewer pixels than its header says")
    return np.frombuffer(out, np.uint8, count)


def _levels(pixels: NDArray[np.uint8], bits: int, channels: int) -> NDArray[np.uint8]:
    """Blue, green and red, with alpha or without, as RGB or RGBA."""
    out = np.empty((*pixels.shape[:2], channels), np.uint8)
    if bits == 8:  # noqa: PLR2004
        out[:] = pixels
        return out
    if pixels.shape[2] == 2:  # noqa: PLR2004
        numbers = pixels[..., 0].astype(np.uint16) | pixels[..., 1].astype(np.uint16) << 8
        for index, shift in enumerate((10, 5, 0)):
            out[..., index] = FIVE_BITS[numbers >> shift & 31]
        alpha = np.where(numbers >> 15, OPAQUE, 0)
    else:
        out[..., :3] = pixels[..., 2::-1]
        alpha = pixels[..., 3] if bits == 32 else np.array(OPAQUE)  # noqa: PLR2004
    if channels == CHANNELS["RGBA"]:
        out[..., 3] = alpha
    return out


def _mend_alpha(out: NDArray[np.uint8], kind: int) -> None:
    """Make alpha straight.  Where nothing says that there is alpha and it is 0 everywhere, there is none."""
    alpha = out[..., 3]
    if kind == UNTOLD and not alpha.any():
        alpha[:] = OPAQUE
    elif kind == PREMULTIPLIED:
        make_straight(out)
