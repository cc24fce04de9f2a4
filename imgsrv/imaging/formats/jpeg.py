"""JPEG by Pillow, with Huffman tables of its own where that is worth a second pass over the coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO

from PIL import ImageFile

from imgsrv.imaging.model.limits import Size
from imgsrv.imaging.model.picture import Frame

OPTIMIZED_PIXELS = 300_000
"""Largest result that gets tables of its own: 2 to 12 % smaller for 0.3 to 0.6 ms.

Of larger ones the pass takes a larger share of the time, and the tables of the standard fit them better.
"""

MOST_BYTES_A_PIXEL = 4
"""Noise of black and white in three full channels at quality 100 takes 3.6."""

BLOCK, MARKERS_BYTES = 16, 65_536
"""Pixels that a side is filled up to, and room for tables and markers."""


def write(frame: Frame, file: BinaryIO, options: Mapping[str, Any]) -> None:
    """Write the frame.  options: of Pillow; with `optimize` None where the size is to decide it."""
    is_optimized = has_own_tables(frame.size, options["optimize"]) or options["progressive"]
    metadata_bytes = sum(len(value) for value in options.values() if isinstance(value, bytes))
    with _room_for(frame, metadata_bytes) if is_optimized else nullcontext():
        frame.save(file, "JPEG", **{**options, "optimize": is_optimized})


def has_own_tables(size: Size, asked: bool | None) -> bool:  # noqa: FBT001  an option's three values
    """A result of that size gets Huffman tables of its own, as asked or as it suits."""
    return size[0] * size[1] <= OPTIMIZED_PIXELS if asked is None else asked


@contextmanager
def _room_for(frame: Frame, metadata_bytes: int) -> Iterator[None]:
    """Let Pillow's buffer hold the whole file.

    libjpeg cannot stop in the second pass, and Pillow guesses a byte for each pixel: too few for noise, which then
    fails.  It has no parameter for that.  What is not written to is never touched, so it takes no memory.
    """
    before = ImageFile.MAXBLOCK
    sides = [-(-side // BLOCK) * BLOCK for side in frame.size]
    ImageFile.MAXBLOCK = MOST_BYTES_A_PIXEL * sides[0] * sides[1] + MARKERS_BYTES + metadata_bytes
    try:
        yield
    finally:
        ImageFile.MAXBLOCK = before
