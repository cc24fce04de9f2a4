"""Without cykooz-resizer Pillow resizes, and gives the same picture but for rounding."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgsrv import Output, process
from imgsrv.imaging.pixels import resample
from imgsrv.imaging.pixels.resizers import by_pillow

SAMPLE = Path(__file__).parents[3] / "samples" / "coffee.jpg"

KERNELS = ("nearest", "box", "bilinear", "bicubic", "mitchell", "lanczos")

SIZES = ((37, 61), (150, 40), (90, 130))
"""Smaller, wider and lower, larger than the 80 × 100 of the pictures."""

WHOLE, PART = (0.0, 0.0, 80.0, 100.0), (3.25, 10.5, 60.5, 80.25)

needs_fast = pytest.mark.skipif(
    not resample.IS_FAST, reason="cykooz-resizer is not installed, and has nothing to compare"
)


def waves(channels: int, dtype: Any) -> NDArray[Any]:
    """A smooth picture of shape (100, 80, C), with soft alpha if it has two or four channels."""
    y, x = np.mgrid[0:100, 0:80]
    planes = [0.5 + 0.45 * np.sin(x / (5 + index) + y / (9 - index)) for index in range(channels)]
    return np.asarray(np.rint(np.stack(planes, axis=2) * np.iinfo(dtype).max), dtype)


@needs_fast
@pytest.mark.parametrize(("kernel", "size", "box"), list(product(KERNELS, SIZES, (WHOLE, PART))))
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_frames_of_8_bits_are_the_same_but_for_rounding(mode: str, kernel: str, size: Any, box: Any) -> None:
    from imgsrv.imaging.pixels.resizers import fast  # noqa: PLC0415  it may not be installed

    frame = Image.fromarray(waves(len(mode), np.uint8).squeeze(), mode)
    ours = by_pillow.resize_frame(frame, size, by_pillow.options(kernel, box, use_alpha=True))
    theirs = fast.resize_frame(frame, size, fast.options(kernel, box, use_alpha=True))
    assert (ours.mode, ours.size) == (mode, size)
    differences = np.abs(np.asarray(ours).astype(int) - np.asarray(theirs).astype(int))
    assert np.percentile(differences, 90) <= (3 if mode == "RGBA" else 1)


@needs_fast
@pytest.mark.parametrize(("kernel", "size"), list(product(KERNELS[1:], SIZES)))
@pytest.mark.parametrize(
    ("channels", "dtype"), [(1, np.uint8), (2, np.uint8), (1, np.uint16), (3, np.uint16), (4, np.uint16)]
)
def test_arrays_are_the_same_but_for_rounding(channels: int, dtype: Any, kernel: str, size: Any) -> None:
    from imgsrv.imaging.pixels.resizers import fast  # noqa: PLC0415  it may not be installed

    pixels, use_alpha = waves(channels, dtype), channels == 4
    ours = by_pillow.resize_pixels(pixels, size, by_pillow.options(kernel, PART, use_alpha=use_alpha))
    theirs = fast.resize_pixels(pixels, size, fast.options(kernel, PART, use_alpha=use_alpha))
    assert (ours.shape, ours.dtype) == (theirs.shape, pixels.dtype)
    differences = np.abs(ours.astype(int) - theirs.astype(int))
    assert np.percentile(differences, 90) <= (1 if dtype is np.uint8 else 20), (
        "20 of 65,535 are a thirteenth of a level"
    )


def test_a_flat_picture_stays_flat_and_hidden_colours_do_not_show() -> None:
    pixels = np.full((20, 20, 4), 40_000, np.uint16)
    pixels[:, 10:] = (65_535, 0, 0, 0)
    for kernel in KERNELS[1:]:
        result = by_pillow.resize_pixels(pixels, (7, 9), by_pillow.options(kernel, (0, 0, 20, 20), use_alpha=True))
        seen = result[result[..., 3] > 2_000]
        assert np.abs(seen[:, :3].astype(int) - 40_000).max() <= 16, kernel


PIPELINES = (
    "crop:width=300,height=200/resize:width=90",
    "resize:width=90,linear=true",
    "resize:width=333,kernel=mitchell",
)

WITHOUT = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "cykooz_resizer" else found(name, *rest)
import imgsrv
from imgsrv.imaging.pixels import resample
assert not resample.IS_FAST
data = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(imgsrv.process(data, sys.argv[2], imgsrv.Output(format="png")))
"""
"""A process that finds no cykooz-resizer."""


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_machine_without_the_fast_resizer_makes_the_same_pictures(pipeline: str) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, str(SAMPLE), pipeline], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    result = Image.open(io.BytesIO(done.stdout))
    expected = Image.open(io.BytesIO(process(SAMPLE.read_bytes(), pipeline, Output(format="png"))))
    assert (result.size, result.mode) == (expected.size, expected.mode)
    differences = np.abs(np.asarray(result).astype(int) - np.asarray(expected).astype(int))
    assert differences.mean() < 0.5
