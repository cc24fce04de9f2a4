"""SVG for Pillow: the drawing is written anew, and resvg draws it in a process of its own (`imgsrv/imaging/apart/`)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from typing import Any

from PIL import Image, ImageFile

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart.pool import run
from imgsrv.imaging.apart.process import Allowance, Failed, Job, TooMuch
from imgsrv.imaging.formats.format import Format
from imgsrv.imaging.formats.svg.safe_drawing import SafeDrawing
from imgsrv.imaging.formats.svg.source import MOST_BYTES, NAME, SIMPLIFY, begins, may_begin
from imgsrv.imaging.model.limits import ExactSize

CPU_S = 8
"""Most processor time for one drawing, in seconds."""

WALL_S = 60
"""Longest wait for one drawing in seconds, because a busy machine gives it little processor time."""

TOO_MUCH = "it takes too much time or memory to draw"

SPARE_BYTES, BYTES_PER_PIXEL = 512 << 20, 20
"""Memory for everything but the pixels; memory per pixel, for the picture and four layers that are composed on it."""

BOOKED_BYTES = 128 << 20
"""The part of SPARE_BYTES that an estimate counts.  Usual drawings need less, and small servers draw them too."""

SPARE_ROOM = 1 << 20
"""Room in a PNG for what is no pixel."""

STACK_SIGNALS = ("SIGSEGV", "SIGABRT", "SIGBUS")
"""How a process ends whose stack overflows."""


class SvgFile(ImageFile.ImageFile):
    """A drawing in Pillow.  It is drawn by `load`, at its own size or at the size that `draft` was given."""

    format = "SVG"
    format_description = "Scalable Vector Graphics"

    def _open(self) -> None:
        data = self.fp.read(MOST_BYTES + 1)  # type: ignore[union-attr]  # there is one while a file is opened
        self.drawing = SafeDrawing(data)
        width, height = self.drawing.size
        self._size = max(1, round(width)), max(1, round(height))
        self._mode = "RGBA"
        self.tile = []

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Set the size at which `load` draws, also after another one was drawn."""
        del mode
        if size is not None:
            self._size, self._im = size, None

    def load(self) -> Any:
        """Draw the picture once.  Raises Undecodable if it cannot be drawn within the limits."""
        if self._im is None:
            self.im = _drawn(self.drawing, self.size).im
        return super().load()


def _pictures(image: Image.Image) -> Iterable[bytes]:
    return image.drawing.pictures if isinstance(image, SvgFile) else ()


def _exact_size(image: Image.Image) -> ExactSize | None:
    return image.drawing.size if isinstance(image, SvgFile) else None


def _drawn(drawing: SafeDrawing, size: tuple[int, int]) -> Image.Image:
    """The pixels, drawn in a process that can open no file and no socket and has limits on time and memory."""
    scale = size[0] / drawing.size[0], size[1] / drawing.size[1]
    memory = SPARE_BYTES + BYTES_PER_PIXEL * size[0] * size[1]
    # A PNG of noise is a little larger than its pixels.
    room = 5 * size[0] * size[1] + SPARE_ROOM
    job = Job("draw", {"size": size, "scale": scale}, [drawing.text.encode()], room)
    try:
        pieces = run(NAME, job, Allowance(memory, CPU_S, WALL_S), STACK_SIGNALS)
    except Failed as error:
        raise Undecodable(NAME, str(error)) from error
    except TooMuch as error:
        raise Undecodable(NAME, TOO_MUCH, SIMPLIFY) from error
    drawn = Image.open(io.BytesIO(b"".join(pieces)), formats=["PNG"])
    if drawn.size != size:
        raise Undecodable(NAME, "it was drawn at another size than asked for")
    return drawn.convert("RGBA")


@cache
def _register() -> None:
    Image.register_open(SvgFile.format, SvgFile, may_begin)


FORMAT = Format(
    browsers_show=True,
    name=NAME,
    label="SVG",
    pillow=SvgFile.format,
    media_type="image/svg+xml",
    suffixes=(".svg", ".svgz"),
    position=12,
    extra="svg",
    wheel="resvg",
    register=_register,
    begins=begins,
    has_metadata=False,
    is_vector=True,
    exact_size=_exact_size,
    pictures=_pictures,
    options=None,
    decode_bytes_per_pixel=24,
    decode_bytes=BOOKED_BYTES,
)
