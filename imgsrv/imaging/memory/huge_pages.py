"""The memory of a large picture: pages of 2 MB, which the kernel clears while the front can go on.

Pillow fills the memory of a new picture with zeros and holds the interpreter's lock meanwhile, in which the front of
the worker answers nobody: 25 ms for 12 megapixels, if the memory was handed back before.  The kernel clears memory that
is mapped when somebody first writes to it, such as a decoder, which gives up the lock.  With pages of 4 KB that takes
26 ms for 12 megapixels, with huge ones 3 ms: as much as the zeros in memory that is there already.  To let go of them
takes 0.3 ms, and of the heap 5.

The memory has to be cleared, whoever does it: a decoder leaves out what a broken file lacks, and in used memory the
pixels of another client would stand there.
"""

from __future__ import annotations

import mmap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFile

if TYPE_CHECKING:
    from imgsrv.imaging.model.limits import Size

LEAST_BYTES = 16 << 20
"""Below, zeros take 1 ms, and nothing is gained."""

BYTES_PER_PIXEL = {"L": 1, "RGB": 4, "RGBA": 4, "CMYK": 4}
"""What Pillow needs for a pixel in memory."""

SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def prepare_memory(image: Image.Image) -> None:
    """Give a large picture of a file, of which nothing is decoded yet, its memory; else Pillow does it.

    Its size and mode must be those in which it is decoded.
    """
    if isinstance(image, ImageFile.ImageFile) and image.tile and image._im is None:  # noqa: SLF001  no other way to ask
        memory = _memory(image.mode, image.size)
        if memory is not None:
            image.im = memory


def blank_picture(mode: str, size: Size) -> Image.Image:
    """A new picture of zeros."""
    memory = _memory(mode, size)
    return Image.new(mode, size) if memory is None else Image.Image()._new(memory)  # noqa: SLF001  as Image.new does


def _memory(mode: str, size: Size) -> Any | None:
    """Pillow's picture in memory of its own; None if that gains nothing, or cannot be had."""
    row = BYTES_PER_PIXEL.get(mode, 0) * size[0]
    if row * size[1] < LEAST_BYTES or not _are_there():
        return None
    try:
        memory = mmap.mmap(-1, row * size[1], flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        return None  # Pillow says better what is short
    core = Image.core  # type: ignore[attr-defined]  # Pillow's types leave it out
    return core.map_buffer(memory, size, "raw", 0, (mode, row, 1))


@cache
def _are_there() -> bool:
    """Whether the kernel of this machine gives such pages to those who ask."""
    try:
        return "[never]" not in SWITCH.read_text(encoding="ascii")
    except OSError:
        return False
