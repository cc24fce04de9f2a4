"""Pillow's pictures read and written in a helper; by the format's name, because the formats are above this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any, BinaryIO

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.pool import is_warm, run
from imgsrv.imaging.apart.process import PIECE, Allowance, Failed, Job, TooMuch

SPARE_BYTES = 256 << 20
"""Memory of a job for everything but the pixels."""

SURPLUS = 2
"""A helper may use so many times the memory that a pixel of the format needs."""

HEAD_BYTES = 1 << 20
"""Room in a result for what is no pixel, beside the metadata."""


def read_apart(image: Image.Image, name: str, bytes_per_pixel: float) -> None:
    """Decode the pixels of an opened picture in a helper, where helpers are kept; else leave it to Pillow.

    bytes_per_pixel: memory that decoding needs.  Raises Undecodable, OSError as Pillow does, and what `run` raises.
    """
    if not (is_warm() and isinstance(image, ImageFile.ImageFile) and image.tile and image.fp is not None):
        return
    width, height = image.size
    row, rows = _rows(image)
    order = {"format": image.format, "mode": image.mode, "size": image.size}
    image.fp.seek(0)
    job = Job("decode", order, _pieces(image.fp), row * height, rows * row)
    try:
        pieces = run(name, job, _allowance(image, bytes_per_pixel))
    except Failed as error:
        raise OSError(str(error)) from error
    except TooMuch as error:
        raise Undecodable(name, "it takes too much time or memory to decode") from error
    decoded = Image.new(image.mode, image.size)
    pieces.reverse()
    for top in range(0, height, rows):
        part = Image.frombytes(image.mode, (width, min(rows, height - top)), pieces.pop())
        decoded.paste(part, (0, top))
    image.im, image.tile = decoded.im, []


def save_apart(
    frame: Image.Image, file: BinaryIO, name: str, pillow: str, options: Mapping[str, Any], bytes_per_pixel: float
) -> None:
    """Encode a picture in a helper.

    pillow: Pillow's name of the format.  options: its encoder's.  bytes_per_pixel: memory that encoding needs.
    Raises RuntimeError where the encoder fails, and what `run` raises.
    """
    width, height = frame.size
    row, rows = _rows(frame)
    bands = (frame.crop((0, top, width, min(height, top + rows))).tobytes() for top in range(0, height, rows))
    metadata_bytes = sum(len(value) for value in options.values() if isinstance(value, bytes))
    order = {"format": pillow, "mode": frame.mode, "size": frame.size, "options": dict(options)}
    job = Job("encode", order, bands, 2 * row * height + metadata_bytes + HEAD_BYTES)
    try:
        pieces = run(name, job, _allowance(frame, bytes_per_pixel))
    except Failed as error:
        raise RuntimeError(f"{name} cannot be written: {error}") from error
    except TooMuch as error:
        raise RuntimeError(f"{name} cannot be written: it takes too much time or memory") from error
    file.writelines(pieces)


def _rows(image: Image.Image) -> tuple[int, int]:
    """The bytes of a row of pixels, and how many rows make a piece."""
    row = len(Image.new(image.mode, (image.width, 1)).tobytes())
    return row, max(1, PIECE // row)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _allowance(image: Image.Image, bytes_per_pixel: float) -> Allowance:
    return Allowance(SPARE_BYTES + round(SURPLUS * bytes_per_pixel * image.width * image.height))
