"""Animated GIFs, PNGs and WebPs from a list of frames, and a model that says what each of their frames looks like.

The writers are plain and share no code with the package.  The model follows the specification of animated PNG, which
has all disposals and both blendings; GIF and WebP have some of them.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KEEP, CLEAR, RESTORE = 0, 1, 2
"""Disposals, by their numbers in an animated PNG."""

TRANSPARENT = 127
"""The index of a transparent pixel in the GIFs here."""

Levels = NDArray[np.float64]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Painted:
    """A frame: straight RGBA of shape (H, W, 4) that is painted at a place."""

    pixels: Pixels
    left: int = 0
    top: int = 0
    disposal: int = KEEP
    is_over: bool = True
    seconds: Fraction = Fraction(1, 10)


def flat(colour: Sequence[int], width: int, height: int, kind: type[np.unsignedinteger] = np.uint8) -> Pixels:
    """A rectangle of one RGBA colour."""
    return np.full((height, width, 4), colour, kind)


def composed(size: tuple[int, int], frames: Sequence[Painted], most: int = 255) -> list[Levels]:
    """What the canvas shows for each frame, as levels of straight RGBA up to `most`."""
    canvas = np.zeros((size[1], size[0], 4))
    found = []
    for number, frame in enumerate(frames):
        before = canvas.copy()
        above = frame.pixels[: max(0, size[1] - frame.top), : max(0, size[0] - frame.left)].astype(float) / most
        rows = slice(frame.top, frame.top + above.shape[0])
        columns = slice(frame.left, frame.left + above.shape[1])
        if frame.is_over:
            below = canvas[rows, columns]
            alpha = above[..., 3:]
            total = alpha + below[..., 3:] * (1 - alpha)
            premultiplied = above[..., :3] * alpha + below[..., :3] * below[..., 3:] * (1 - alpha)
            above = np.concatenate([premultiplied / np.maximum(total, 1e-12), total], axis=2)
        canvas[rows, columns] = above
        found.append(canvas * most)
        canvas = canvas.copy()
        if frame.disposal == RESTORE and number > 0:
            canvas = before
        elif frame.disposal != KEEP:
            canvas[rows, columns] = 0
    return found


def gif(size: tuple[int, int], frames: Sequence[Painted], repeats: int | None = 0, background: int = 1) -> bytes:
    """A GIF of frames whose alpha is 0 or 255, each with a table of its own colours.

    repeats: the number of the NETSCAPE extension, None to write none.
    """
    made = [b"GIF89a", struct.pack("<HHBBB", *size, 0x80, background, 0), b"\xff\0\xff\0\xff\xff"]
    if repeats is not None:
        made.append(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", repeats) + b"\0")
    for frame in frames:
        height, width = frame.pixels.shape[:2]
        flat_pixels = frame.pixels.reshape(-1, 4)
        colours = np.unique(flat_pixels[flat_pixels[:, 3] > 0][:, :3], axis=0)
        table = np.zeros((128, 3), np.uint8)
        table[: len(colours)] = colours
        indices = [
            int((colours == pixel[:3]).all(axis=1).argmax()) if pixel[3] else TRANSPARENT for pixel in flat_pixels
        ]
        delay = round(frame.seconds * 100)
        disposal = {KEEP: 1, CLEAR: 2, RESTORE: 3}[frame.disposal]
        made.append(b"!\xf9\x04" + struct.pack("<BHB", disposal << 2 | 1, delay, TRANSPARENT) + b"\0")
        made.append(b"," + struct.pack("<HHHHB", frame.left, frame.top, width, height, 0x86) + table.tobytes())
        made.append(b"\7" + _blocks(_codes(indices)))
    return b"".join(made) + b";"


def _codes(indices: list[int]) -> bytes:
    """Codes of 8 bits: a clear code often enough keeps them from growing."""
    runs = (indices[at : at + 100] for at in range(0, len(indices), 100))
    return b"".join(b"\x80" + bytes(run) for run in runs) + b"\x81"


def _blocks(data: bytes) -> bytes:
    return b"".join(bytes((len(data[at : at + 255]),)) + data[at : at + 255] for at in range(0, len(data), 255)) + b"\0"


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def apng(
    size: tuple[int, int], frames: Sequence[Painted], plays: int = 0, default: Pixels | None = None, colour: int = 6
) -> bytes:
    """An animated PNG of RGBA, with 16 bits for frames of uint16.

    default: a picture for viewers that cannot play it.  colour: 2 to write the frames without alpha.
    """
    bits = 8 * (frames[0].pixels.itemsize if frames else 1)
    made = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))]
    made.append(chunk(b"acTL", struct.pack(">II", len(frames), plays)))
    if default is not None:
        made.append(chunk(b"IDAT", _packed(default, colour)))
    number = 0
    for frame in frames:
        height, width = frame.pixels.shape[:2]
        place = (width, height, frame.left, frame.top)
        delay = frame.seconds.as_integer_ratio()
        control = struct.pack(">IIIIIHHBB", number, *place, *delay, frame.disposal, frame.is_over)
        made.append(chunk(b"fcTL", control))
        data = _packed(frame.pixels, colour)
        if number == 0 and default is None:
            made.append(chunk(b"IDAT", data))
            number += 1
        else:
            made.append(chunk(b"fdAT", struct.pack(">I", number + 1) + data))
            number += 2
    return b"".join(made) + chunk(b"IEND", b"")


def _packed(pixels: Pixels, colour: int) -> bytes:
    samples = (pixels if colour == 6 else pixels[..., :3]).astype(pixels.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in samples))


def webp(
    size: tuple[int, int], frames: Sequence[Painted], plays: int = 0, background: bytes = b"\0\0\xff\xff"
) -> bytes:
    """An animated WebP without loss.  Places are even numbers."""
    made = [b"VP8X", struct.pack("<II", 10, 0x02), _three(size[0] - 1), _three(size[1] - 1)]
    made.append(b"ANIM" + struct.pack("<I", 6) + background + struct.pack("<H", plays))
    for frame in frames:
        height, width = frame.pixels.shape[:2]
        file = io.BytesIO()
        Image.fromarray(frame.pixels.astype(np.uint8)).save(file, "WEBP", lossless=True, exact=True)
        still = file.getvalue()
        numbers = (frame.left // 2, frame.top // 2, width - 1, height - 1, round(frame.seconds * 1000))
        flags = (frame.disposal == CLEAR) | (not frame.is_over) << 1
        data = b"".join(map(_three, numbers)) + bytes((flags,)) + still[still.index(b"VP8L") :]
        made.append(b"ANMF" + struct.pack("<I", len(data)) + data)
    body = b"".join(made)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
