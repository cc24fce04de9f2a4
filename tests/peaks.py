"""A process that measures: for each operation the most memory it takes, as a multiple of the decoded picture.

Its own process, because the most that a process ever took can be told from the system alone, and not per piece of work.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path

import gallery
from PIL import Image

from imgsrv.imaging.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.picture import Picture
from imgsrv.imaging.pipeline import parse_pipeline

SIZE = (3000, 2000)

BYTES_PER_PIXEL = {"L": 1, "RGB": 4, "RGBA": 4}
"""As Pillow holds them."""

CONSTANT = 3_000_000
"""Bytes that any picture takes, however small it is: tables, strips, what the allocator rounds up."""

HIGH = 2.8

M_MMAP_THRESHOLD = -3

PR_SET_THP_DISABLE = 41

LIBC = ctypes.CDLL(None)


def main() -> None:
    """Write the multiples of all operations on a picture of the mode that is asked for, as JSON."""
    # What is freed is handed back, so that what one operation leaves is not there for the next.
    LIBC.mallopt(M_MMAP_THRESHOLD, 1 << 18)
    # Nor what the kernel adds to fill huge pages, while it has some: 2 MB for each piece of memory.
    LIBC.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    mode = sys.argv[1]
    names = sys.argv[2:] or list(OPERATIONS)
    with Image.open(gallery.HERE / gallery.PLAIN) as opened:
        sample = opened.convert("RGB").resize((300, 200))
    json.dump({name: least_peak(name, sample, mode) for name in names}, sys.stdout)


def least_peak(name: str, sample: Image.Image, mode: str) -> float:
    """The peak, measured again where it is high: what else goes on in a process can only add to it."""
    found = peak(name, sample, mode)
    for _ in range(4):
        if found > HIGH:
            found = min(found, peak(name, sample, mode))
    return found


def peak(name: str, sample: Image.Image, mode: str) -> float:
    """The most memory that the operation takes with picture and result, over the larger one of the two."""
    pipeline = parse_pipeline(gallery.call(name))
    parts = {part: make() for part, make in gallery.PARTS.items()}
    # What is made once, tables and modules, is no picture's memory.
    pipeline.run(Picture((coloured(sample, mode),), "png"), Limits(), parts)
    frame = coloured(sample, mode).resize(SIZE)
    decoded = frame.width * frame.height * BYTES_PER_PIXEL[frame.mode]
    LIBC.malloc_trim(0)
    before = resident("VmRSS") - decoded
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    (result,) = pipeline.run(Picture((frame,), "png"), Limits(), parts).frames
    result.load()
    most = max(decoded, result.width * result.height * BYTES_PER_PIXEL[result.mode])
    return (resident("VmHWM") - before - CONSTANT) / most


def coloured(sample: Image.Image, mode: str) -> Image.Image:
    """The sample in the mode, and half transparent where that has alpha."""
    image = sample.convert(mode)
    if mode == "RGBA":
        image.putalpha(image.convert("L"))
    return image


def resident(what: str) -> int:
    """Bytes of this process that are in memory, now (VmRSS) or at most since the last reset (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


if __name__ == "__main__":
    main()
