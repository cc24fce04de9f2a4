"""Pictures read and written in a helper; by the format's name, because the formats are above this package."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.pool import is_warm, run
from imgsrv.imaging.apart.process import PIECE, Allowance, Failed, Job, TooMuch
from imgsrv.imaging.apart.tasks import FACTS_LENGTH, Decoded, Order, decoder
from imgsrv.imaging.lazy import np
from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

SPARE_BYTES = 256 << 20
"""Memory of a job for everything but the pixels."""

SURPLUS = 2
"""A helper may use so many times the memory that a pixel of the format needs."""

HEAD_BYTES = 1 << 20
"""Room in a result for what is no pixel, beside the metadata."""

PROFILE_BYTES = 8 << 20
"""Room in a result for a profile; one of CMYK has up to 3 MB."""

MOST_FACTS = 1 << 16
"""Bytes of the facts that are read: JSON keeps the interpreter's lock."""

PIXEL_BYTES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "LAB": 3, "I;16": 2, "RGB;16": 6, "RGBA;16": 8}
"""Modes that decoders give, with the bytes of a pixel; those of 16 bits a channel in the byte order of the machine."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A frame that a decoder is to give.

    task: a key of DECODERS.  mode: of PIXEL_BYTES.  size: in pixels.  order: what the decoder wants to know beside.
    bytes_per_pixel: memory that decoding needs.
    allowed: what the job may use, for a decoder that runs nowhere but in a helper.
    overflows: signals by which the helper then ends where the picture needs too much; that is no crash.
    """

    task: str
    mode: str
    size: Size
    order: Order
    bytes_per_pixel: float
    allowed: Allowance | None = None
    overflows: Container[str] = ()


def decode_apart(file: IO[bytes], name: str, wanted: Wanted) -> tuple[Frame, Mapping[str, Any], bytes]:
    """Decode a frame in a helper where helpers are kept, else here; the frame, the decoder's facts, a profile.

    The frame is an image of Pillow's, or a DeepFrame for a mode of 16 bits.  name: of the format.
    Raises Undecodable, OSError for what the decoder refuses, and what `run` raises.
    """
    order = {**wanted.order, "mode": wanted.mode, "size": wanted.size}
    filling = _Filling(wanted.mode, wanted.size)
    file.seek(0)
    if not is_warm() and not wanted.allowed:
        return filling.whole(_decoded_here(wanted.task, file.read(), order))
    room = filling.pixel_bytes + HEAD_BYTES + PROFILE_BYTES
    job = Job(wanted.task, order, _pieces(file), room, filling.piece, filling.take)
    needed = round(SURPLUS * wanted.bytes_per_pixel * wanted.size[0] * wanted.size[1])
    _run(name, job, wanted.allowed or Allowance(SPARE_BYTES + needed), wanted.overflows)
    return filling.done()


def _decoded_here(task: str, data: bytes, order: Order) -> Decoded:
    try:
        return decoder(task)(data, order)
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # as in a helper, whatever a decoder raises is a fault of the file
        raise OSError(str(error) or type(error).__name__) from error


def _run(name: str, job: Job, allowed: Allowance, overflows: Container[str] = ()) -> list[bytes]:
    """Run a job of reading.  Raises OSError with the codec's reason, as Pillow does, and Undecodable."""
    try:
        return run(name, job, allowed, overflows)
    except Failed as error:
        raise OSError(str(error)) from error
    except TooMuch as error:
        raise Undecodable(name, "it takes too much time or memory to decode") from error


def frame_of(mode: str, size: Size, decoded: Decoded) -> Frame:
    """The frame of a mode of PIXEL_BYTES whose pixels a decoder gives.  Raises OSError, and what the decoder raises."""
    return _Filling(mode, size).whole(decoded)[0]


class _Filling:
    """A frame that is filled piece by piece, so that its bytes are never in memory twice."""

    def __init__(self, mode: str, size: Size) -> None:
        self.mode, self.size = mode, size
        row = PIXEL_BYTES[mode] * size[0]
        self.pixel_bytes = row * size[1]
        self._rows = max(1, PIECE // row)
        self.piece = self._rows * row
        self._at, self._rest = 0, b""
        self._deep = np.empty(self.pixel_bytes // 2, np.uint16) if mode.endswith(";16") and mode != "I;16" else None
        self._image = Image.new(mode, size) if self._deep is None else None

    def take(self, piece: bytes | memoryview) -> None:
        """Put the next bytes of the result where they belong; each piece but the last ends with a row."""
        pixels = piece[: max(0, min(len(piece), self.pixel_bytes - self._at))]
        row = self.pixel_bytes // self.size[1]
        top, rows = self._at // row, len(pixels) // row
        if rows and self._image:
            part = Image.frombytes(self.mode, (self.size[0], rows), pixels[: rows * row])
            self._image.paste(part, (0, top))
        elif rows and self._deep is not None:
            self._deep[top * row // 2 : (top + rows) * row // 2] = np.frombuffer(pixels[: rows * row], np.uint16)
        self._at += len(pixels)
        self._rest += bytes(piece[len(pixels) :])

    def frame(self) -> Frame:
        """The frame.  Raises OSError where pixels are missing."""
        if self._at != self.pixel_bytes:
            raise OSError("it has fewer pixels than its header says")
        if self._image:
            return self._image
        assert self._deep is not None  # noqa: S101  for the type checker
        return DeepFrame(self._deep.reshape(self.size[1], self.size[0], -1))

    def done(self) -> tuple[Frame, Mapping[str, Any], bytes]:
        """The frame, the facts and the profile of a helper's result.  Raises OSError for one that makes no sense."""
        start = FACTS_LENGTH.size
        length = FACTS_LENGTH.unpack(self._rest[:start])[0] if len(self._rest) >= start else MOST_FACTS
        try:
            facts = json.loads(self._rest[start : start + length]) if length < MOST_FACTS else None
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            raise OSError("its decoder's answer makes no sense")
        return self.frame(), facts, self._rest[start + length :]

    def whole(self, decoded: Decoded) -> tuple[Frame, Mapping[str, Any], bytes]:
        """The same of a result in this process."""
        for pixels in (memoryview(piece).cast("B") for piece in decoded.pieces() if len(piece)):
            for at in range(0, len(pixels), self.piece):
                self.take(pixels[at : at + self.piece])
        return self.frame(), decoded.facts, decoded.profile


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
