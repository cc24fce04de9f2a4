"""What does a megapixel cost to read and to write in each format, compared with plain Pillow and a memory copy?

Plain Pillow writes with the same quality and otherwise with its defaults.  Where imgsrv is faster or slower, the reason
is the chosen effort, the threads, or the work around the codec.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from pace import Pace
from PIL import Image
from report import Report

from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture

SIZE = (1224, 817)
"""One megapixel."""

QUICK_SIZE = (408, 272)

ROUNDS = 5
QUALITY = 80

NAMES = [name for name, form in WRITTEN.items() if form.max_side >= max(SIZE)]


@pytest.fixture(scope="module")
def frame(picture: bytes, pace: Pace) -> Image.Image:
    """One megapixel of the photograph; less where no figure is kept."""
    size = SIZE if pace.is_full else QUICK_SIZE
    with Image.open(io.BytesIO(picture)) as image:
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("name", NAMES)
def test_writing(frame: Image.Image, report: Report, pace: Pace, name: str) -> None:
    form = WRITTEN[name]
    options = {"quality": QUALITY} if "quality" in form.fields else {}
    output = Output(format=name, **options)

    def ours() -> None:
        encode(Picture((frame,), name), name, output, io.BytesIO())

    def plain() -> None:
        frame.save(io.BytesIO(), form.pillow, **options)

    _compare(report, pace, f"{name}, written", frame, ours, plain)


@pytest.mark.parametrize("name", NAMES)
def test_reading(frame: Image.Image, report: Report, pace: Pace, name: str) -> None:
    file = io.BytesIO()
    encode(Picture((frame,), name), name, Output(format=name), file)
    data = file.getvalue()

    def ours() -> None:
        decode(read_header(data, Limits()), DecodePlan(), Limits()).frames[0].load()

    def plain() -> None:
        with Image.open(io.BytesIO(data)) as image:
            image.convert("RGB")

    _compare(report, pace, f"{name}, read", frame, ours, plain)


def _compare(
    report: Report, pace: Pace, name: str, frame: Image.Image, ours: Callable[[], None], plain: Callable[[], None]
) -> None:
    source = np.asarray(frame)
    target = np.empty_like(source)
    ours_s, plain_s, copy_s = [], [], []
    for number in range(pace.rounds(ROUNDS) + 1):
        timed = _seconds(ours), _seconds(plain), _seconds(lambda: np.copyto(target, source))
        # The first of each fills caches and tables.
        if number:
            ours_s.append(timed[0])
            plain_s.append(timed[1])
            copy_s.append(timed[2])
    report.record(
        "codec",
        name=name,
        ms=[1000 * seconds for seconds in ours_s],
        copies=[mine / copy for mine, copy in zip(ours_s, copy_s, strict=True)],
        against_pillow=[mine / theirs for mine, theirs in zip(ours_s, plain_s, strict=True)],
        at_most=None,
    )


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
