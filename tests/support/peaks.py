"""A process that measures the peak memory of operations or whole jobs, as multiples of the decoded picture.

    peaks.py operations MODE
    peaks.py jobs

Each is measured in its own forked process, because earlier memory of a process counts in its peaks.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gallery
import numpy as np
from PIL import Image

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame
from imgsrv.imaging.process import process_into

SMALL, LARGE = (300, 200), (3001, 2003)
"""Odd, so that nothing is cut into equal parts."""

BYTES_PER_PIXEL = {"L": 1, "RGB": 4, "RGBA": 4, "I;16": 2, "RGB;16": 6, "RGBA;16": 8}
"""As Pillow or a DeepFrame holds them."""

CONSTANT = 3_000_000
"""Bytes that any picture takes, however small it is: tables, strips, what the allocator rounds up."""

M_MMAP_THRESHOLD = -3

OWN_MAPPING = 1 << 16
"""From so many bytes on a block is mapped by itself, and handed back when it is freed."""

PR_SET_THP_DISABLE = 41

LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class Job:
    """A picture in a format of Pillow, a pipeline and the format of the result.  saved: options of Pillow."""

    mode: str
    form: str
    pipeline: str
    output: Mapping[str, Any]
    saved: Mapping[str, Any] = field(default_factory=dict)


STEPS = "unsharp:amount=1/contrast:factor=1.2/equalize"

JOBS = {
    "jpeg": Job("RGB", "JPEG", "", {}),
    "jpeg-of-steps": Job("RGB", "JPEG", STEPS, {}),
    "jpeg-resized": Job("RGB", "JPEG", "resize:width=2000", {}),
    "jpeg-turned": Job("RGB", "JPEG", "rotate:degrees=90", {}),
    "progressive-jpeg": Job("RGB", "JPEG", "", {"progressive": True}, {"progressive": True, "subsampling": "4:4:4"}),
    "grey-jpeg": Job("L", "JPEG", STEPS, {}),
    "jpeg-to-png": Job("RGB", "JPEG", "", {"format": "png"}),
    "jpeg-to-webp": Job("RGB", "JPEG", STEPS, {"format": "webp", "effort": 0}),
    "jpeg-to-tiff": Job("RGB", "JPEG", "", {"format": "tiff"}),
    "png": Job("RGB", "PNG", STEPS, {}),
    "grey-png": Job("L", "PNG", STEPS, {}),
    "png-with-alpha": Job("RGBA", "PNG", STEPS, {}),
    "png-with-alpha-to-jpeg": Job("RGBA", "PNG", STEPS, {"format": "jpeg"}),
    "webp": Job("RGB", "WEBP", STEPS, {"effort": 0}, {"method": 0}),
    "webp-with-alpha-to-png": Job("RGBA", "WEBP", STEPS, {"format": "png"}, {"method": 0}),
    "lossless-webp-to-jpeg": Job("RGB", "WEBP", "", {"format": "jpeg"}, {"lossless": True, "method": 0}),
    "avif-to-jpeg": Job("RGB", "AVIF", "", {"format": "jpeg"}, {"speed": 10, "max_threads": 1}),
    "gif-to-png": Job("RGB", "GIF", "", {"format": "png"}),
}
"""What most requests are; what takes more is in docs/performance.md with its figures, and is the encoders' own."""


def main() -> None:
    """Write the multiples as JSON."""
    LIBC.mallopt(M_MMAP_THRESHOLD, OWN_MAPPING)
    # numpy asks for huge pages, which are resident as a whole as soon as a byte of them is written.
    LIBC.prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    with Image.open(gallery.HERE / gallery.PLAIN) as opened:
        sample = opened.convert("RGB")
    if sys.argv[1] == "jobs":
        found = {name: job_peak(job, sample) for name, job in JOBS.items()}
    else:
        mode = sys.argv[2]
        small, large = (coloured(sample.resize(size), mode) for size in (SMALL, LARGE))
        names = [name for name in OPERATIONS if not mode.endswith(";16") or pipeline_of(name).keeps_depth]
        found = {name: apart(lambda name=name: operation_peak(name, small, large)) for name in names}  # type: ignore[misc]  # a name of now
    json.dump(found, sys.stdout)


def operation_peak(name: str, small: Image.Image, large: Image.Image) -> float:
    """The most that it takes with picture and result, over the larger one of the two."""
    pipeline = pipeline_of(name)
    parts = {part: make() for part, make in gallery.PARTS.items()}
    results = []

    def work(frame: Image.Image) -> None:
        (result,) = pipeline.run(Picture((frame,), "png"), Limits(), parts).frames
        result.load()
        results.append(result)

    # What is made once, tables and modules, is no picture's memory.
    work(small)
    more = taken(lambda: work(large))
    return (bytes_of(large) + more - CONSTANT) / max(bytes_of(large), bytes_of(results[-1]))


def pipeline_of(name: str) -> Pipeline:
    """What the gallery shows of an operation."""
    return parse_pipeline(gallery.call(name))


def job_peak(job: Job, sample: Image.Image) -> float:
    """The most that it takes beside the file that came, with the file that goes, over the decoded picture."""
    pipeline, output = parse_pipeline(job.pipeline), Output(**job.output)

    def saved(size: tuple[int, int]) -> bytes:
        file = io.BytesIO()
        coloured(sample.resize(size), job.mode).save(file, job.form, **job.saved)
        return file.getvalue()

    def measured() -> float:
        process_into(io.BytesIO(), small, pipeline, output, Limits())
        more = taken(lambda: process_into(io.BytesIO(), large, pipeline, output, Limits()))
        return (more - CONSTANT) / (LARGE[0] * LARGE[1] * BYTES_PER_PIXEL[job.mode])

    small, large = saved(SMALL), saved(LARGE)
    return apart(measured)


def apart(measured: Callable[[], float]) -> float:
    """The measurement of a separate process."""
    gc.collect()
    LIBC.malloc_trim(0)
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with open(reading, encoding="ascii") as answer:  # noqa: PTH123  no path
            text = answer.read()
        os.waitpid(child, 0)
        return float(text)
    try:
        os.write(writing, str(measured()).encode())
    except BaseException:  # noqa: BLE001  what is wrong is told, and this process goes no further than its parent
        traceback.print_exc()
    os._exit(0)


def taken(work: Callable[[], object]) -> int:
    """The bytes of memory that work takes at most: the lower of the two bounds."""
    return min(bounds(work))


def bounds(work: Callable[[], object]) -> tuple[int, int]:
    """Two bounds of the bytes of memory that work takes at most: of what is mapped, and of what is resident.

    What is mapped is the same each time, but has what nobody ever writes to.  What is resident has the pages of
    programs too, which the kernel takes and brings back as it likes.
    """
    gc.collect()
    LIBC.malloc_trim(0)
    before = memory()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    work()
    after = memory()
    of_programs = after["RssFile"] - before["RssFile"]
    return after["VmPeak"] - before["VmSize"], after["VmHWM"] - before["VmRSS"] - of_programs


def memory() -> dict[str, int]:
    """Bytes of this process by what proc(5) calls them: VmPeak and VmHWM are the most of VmSize and VmRSS."""
    lines = (line.split() for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines if line[0].startswith(("Vm", "Rss"))}


def bytes_of(image: Image.Image) -> int:
    """The bytes of the pixels of a picture."""
    return image.width * image.height * BYTES_PER_PIXEL[image.mode]


def coloured(sample: Image.Image, mode: str) -> Image.Image:
    """The sample in the mode; it is half transparent if the mode has alpha."""
    shallow = {"I;16": "L"}.get(mode, mode.removesuffix(";16"))
    image = sample.convert(shallow)
    if shallow == "RGBA":
        image.putalpha(image.convert("L"))
    if mode == shallow:
        return image
    levels = np.asarray(image, np.uint16) * np.uint16(257)
    return Image.fromarray(levels) if mode == "I;16" else DeepFrame(levels)


if __name__ == "__main__":
    main()
