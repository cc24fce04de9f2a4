"""Netpbm: bits, levels and floats, as bytes or as text."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from imgsrv.imaging.apart.decoders.plain.samples import LARGEST, ROWS, bits_of, empty, is_deep, scaled
from imgsrv.imaging.apart.tasks import Decoded, Decoder, Order

COMMENT = re.compile(rb"#[^\r\n]*+")

TEXT_STEP = 1 << 20
"""Bytes of a text that become numbers at once."""

WRITTEN = b"0123456789 \t\r\n\v\f"
"""Letters of numbers with white space between them."""

BYTE = 255


def prepare() -> Decoder:
    """Make the decoder ready."""
    decode(b"1 ", {"kind": "P2", "start": 0, "most": 1, "channels": 1, "mode": "L", "size": (1, 1)})
    return decode


def decode(data: bytes, order: Order) -> Decoded:
    """The pixels.

    order: mode and size; kind: the first two letters; start: where the pixels begin; channels: in the file; most: the
    level of white; is_little: the byte order of floats.  Raises ValueError where there are too few pixels.
    """
    kind, channels, body = order["kind"], order["channels"], memoryview(data)[order["start"] :]
    width, height = order["size"]
    out = empty(order)
    if kind in ("P1", "P4"):
        bits = bits_of(bytes(body), width, height) if kind == "P4" else _written_bits(bytes(body), width, height)
        out[..., 0] = np.where(bits == 0, LARGEST[8], 0)
    elif kind in ("Pf", "PF"):
        _put_floats(out, body, order)
    else:
        numbers = _written(bytes(body), out.shape[0] * width * channels, order) if kind in ("P2", "P3") else None
        kept = body if numbers is None else numbers
        _put_levels(out, kept, order)
    return Decoded(out.data.cast("B"))


def _put_levels(out: NDArray[np.uint8], body: memoryview | NDArray[np.uint16], order: Order) -> None:
    channels, most, deep = order["channels"], order["most"], is_deep(order)
    width, height = order["size"]
    kind = np.dtype(np.uint8 if most <= BYTE else ">u2")
    if isinstance(body, memoryview) and len(body) < width * height * channels * kind.itemsize:
        raise ValueError("it has fewer pixels than its header says")
    row = width * channels
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        if isinstance(body, memoryview):
            numbers = np.frombuffer(body, kind, row * rows, top * row * kind.itemsize)
        else:
            numbers = body[top * row : (top + rows) * row]
        levels = scaled(numbers.reshape(rows, width, channels), most, deep=deep)
        if levels.shape[2] == out.shape[2]:
            out[top : top + rows] = levels
        else:
            # Grey with alpha, in 16 bits.
            out[top : top + rows, :, :3], out[top : top + rows, :, 3] = levels[..., :1], levels[..., 1]


def _put_floats(out: NDArray[np.uint8], body: memoryview, order: Order) -> None:
    channels, deep = order["channels"], is_deep(order)
    width, height = order["size"]
    kind = np.dtype("<f4" if order["is_little"] else ">f4")
    if len(body) < width * height * channels * kind.itemsize:
        raise ValueError("it has fewer pixels than its header says")
    top_level = LARGEST[16 if deep else 8]
    row = width * channels
    for top in range(0, height, ROWS):
        rows = min(ROWS, height - top)
        # The first row of the file is the last one of the picture.
        numbers = np.frombuffer(body, kind, row * rows, (height - top - rows) * row * kind.itemsize)
        numbers = np.nan_to_num(numbers.reshape(rows, width, channels)[::-1], nan=0.0, posinf=1.0, neginf=0.0)
        out[top : top + rows] = np.rint(numbers.clip(0, 1) * top_level)


def _written_bits(text: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Bits that are written as 0 and 1, with white space between them or without."""
    digits = COMMENT.sub(b"", text).translate(None, b" \t\r\n\v\f")[: width * height]
    if len(digits) < width * height or digits.translate(None, b"01"):
        raise ValueError("it has fewer pixels than its header says, or other letters than 0 and 1")
    return np.frombuffer(digits, np.uint8).reshape(height, width) - ord("0")


def _written(text: bytes, count: int, order: Order) -> NDArray[np.uint16]:
    """Numbers that are written with white space between them."""
    text = COMMENT.sub(b"", text)
    found = np.empty(count, np.uint16)
    at = start = 0
    while at < count and start < len(text):
        piece = text[start : start + TEXT_STEP]
        if start + TEXT_STEP < len(text):
            # Up to the last white space, so that no number is cut in two.
            piece = piece[: max(piece.rfind(space) for space in (b" ", b"\n", b"\r", b"\t")) + 1]
            if not piece:
                raise ValueError("it has a number that never ends")
        if piece.translate(None, WRITTEN):
            raise ValueError("it has something else where a number belongs")
        # A number of too many digits becomes the largest one.
        numbers = np.fromstring(piece, np.int64, sep=" ")[: count - at]
        found[at : at + len(numbers)] = np.minimum(numbers, order["most"])
        at, start = at + len(numbers), start + len(piece)
    if at < count:
        raise ValueError("it has fewer pixels than its header says")
    return found
