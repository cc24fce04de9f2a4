"""No operation takes more than three times the memory of the picture; strips give the same result."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gallery
import numpy as np
import pytest
from pictures import levels, psnr, sample
from PIL import Image

from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.detail import filters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels import strips

MOST = 3
"""Times the larger one of picture and result as Pillow holds it: 4 bytes a pixel, 1 where it is grey."""

ROOT = Path(__file__).parents[2]

CALLS = {
    "blur": "blur:sigma=13.7",
    "sharpen": "sharpen:amount=2,sigma=2",
    "unsharp": "unsharp:amount=2,radius=9",
    "morphology": "morphology:kind=open,radius=3",
    "noise": "noise:amount=25,kind=colour",
    "convolve": "convolve:kernel=" + ";".join(str(number % 5) for number in range(25)),
}
"""Those where strips have most to get wrong; else it is what the gallery shows."""

LEAST = {"denoise": 45, "clahe": 40}
"""In dB, where it is not only rounding: Cb and Cr of an odd height at half size, what a large frame hides."""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_no_operation_takes_more_than_three_times_the_memory_of_the_picture(mode: str) -> None:
    peaks = _peaks("operations", mode)
    assert set(peaks) == set(OPERATIONS)
    assert {name: peak for name, peak in peaks.items() if peak > MOST} == {}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", ["I;16", "RGB;16", "RGBA;16"])
def test_nor_does_one_on_16_bits(mode: str) -> None:
    peaks = _peaks("operations", mode)
    assert len(peaks) > 40
    # Grey is copied at first, because Pillow shares no memory of I;16 with others.
    most = MOST + 1 if mode == "I;16" else MOST
    assert {name: peak for name, peak in peaks.items() if peak > most} == {}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_no_usual_job_takes_more_than_three_times_the_memory_of_the_picture() -> None:
    assert {name: peak for name, peak in _peaks("jobs").items() if peak > MOST} == {}


def _peaks(*what: str) -> dict[str, float]:
    """The measurements of a separate process."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "support" / "peaks.py", *what],
        # One thread, so that what is forked from it is whole, and no thread has an arena of its own.
        env={
            "PYTHONPATH": ":".join(str(ROOT / folder) for folder in ("tests/support", "samples")),
            "OPENBLAS_NUM_THREADS": "1",
        },
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_a_picture_processed_in_strips_is_the_same(name: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _frame(mode)
    whole = _applied(name, frame)
    monkeypatch.setattr(strips, "WHOLE_PIXELS", 1000)
    for module in (strips, filters):
        monkeypatch.setattr(module, "STRIP_PIXELS", 4000)
    monkeypatch.setattr(strips, "STRIPS_PER_RADIUS", 1)
    in_strips = _applied(name, frame)
    assert in_strips.mode == whole.mode
    assert in_strips.size == whole.size
    seen = "RGBa" if whole.mode == "RGBA" else None
    assert psnr(levels(in_strips, seen), levels(whole, seen)) > LEAST.get(name, 60)


def _frame(mode: str) -> Frame:
    frame = sample("coffee.jpg").resize((301, 223)).convert(mode)
    if mode == "RGBA":
        across = np.linspace(-100, 355, 301).clip(0, 255).astype(np.uint8)
        frame.putalpha(Image.fromarray(np.tile(across, (223, 1))))
    return frame


def _applied(name: str, frame: Frame) -> Frame:
    pipeline = parse_pipeline(CALLS.get(name) or gallery.call(name))
    parts = {step.part: gallery.PARTS[step.part]() for step in pipeline.steps if step.part}
    return pipeline.run(Picture((frame,), "png"), Limits(), parts).frames[0]
