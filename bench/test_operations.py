"""What does each operation cost for one megapixel, compared with Pillow's equivalent and a memory copy?

Each operation runs on a decoded RGB picture, in turn with its equivalent, in one thread.  An equivalent is code that
an experienced user of Pillow would write.  Where it rounds or weights a little differently, the cost is the same.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import gallery
import numpy as np
import pytest
from pace import Pace
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps
from report import Report

from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Step, parse_pipeline

SIZE = (1224, 817)
"""One megapixel."""

ROUNDS = 9

CALLS = {
    "resize": "resize:width=400",
    "smartcrop": "smartcrop:width=400,height=400",
    "crop": "crop:width=600,height=400",
    "blur": "blur:sigma=4",
    "unsharp": "unsharp:amount=1,radius=2",
    "median": "median:radius=2",
    "morphology": "morphology:kind=erode,radius=1",
    "threshold": "threshold:level=128",
    "pad": "pad:edge=20,colour=white",
    "extend": "extend:aspect=1:1,colour=black",
    "border": "border:width=20,colour=white",
    "redact": "redact:boxes=100;100;300;200,mode=blur",
}
"""Where it matters what is asked for; else it is what the gallery shows."""

FASTER = ("resize", "blur", "unsharp", "median", "rotate")
"""These have to be at least three times as fast as Pillow."""

AS_FAST = 1.05
"""The same, as far as these cores can tell: much of it is Pillow's own work, called by the server."""

SQUARES = [value**2 // 255 for value in range(256)] * 3
TOLERANT = [255 * (value > 10) for value in range(256)] * 3
SHEAR = (1, 0.2, -100, 0, 1, 0)


def _equalized(frame: Frame) -> Image.Image:
    """Equalise the luma alone, as ours does, so that no hue changes."""
    luma, blue, red = frame.convert("YCbCr").split()
    return Image.merge("YCbCr", (ImageOps.equalize(luma), blue, red)).convert("RGB")


PILLOW: dict[str, Callable[[Frame], Image.Image]] = {
    "resize": lambda frame: frame.resize((400, 267), Image.Resampling.LANCZOS),
    "crop": lambda frame: frame.crop((0, 0, 600, 400)),
    # With transparent corners, as ours has them; with black ones it takes a fifth less.
    "rotate": lambda frame: frame.convert("RGBA").rotate(-15, Image.Resampling.BICUBIC, expand=True),
    "flip": ImageOps.flip,
    "flop": ImageOps.mirror,
    "grayscale": ImageOps.grayscale,
    "brightness": lambda frame: ImageEnhance.Brightness(frame).enhance(1.4),
    "contrast": lambda frame: ImageEnhance.Contrast(frame).enhance(1.5),
    "saturation": lambda frame: ImageEnhance.Color(frame).enhance(2),
    "gamma": lambda frame: frame.point(SQUARES),
    "levels": lambda frame: frame.point(SQUARES),
    "curves": lambda frame: frame.point(SQUARES),
    "temperature": lambda frame: frame.convert("RGB", (1.1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0.8, 0)),
    "invert": ImageOps.invert,
    "posterize": lambda frame: ImageOps.posterize(frame, 2),
    "solarize": ImageOps.solarize,
    "normalize": lambda frame: ImageOps.autocontrast(frame, 0.5),
    "equalize": _equalized,
    "threshold": lambda frame: ImageOps.grayscale(frame).point(lambda value: 255 * (value > 128)),
    "duotone": lambda frame: ImageOps.colorize(ImageOps.grayscale(frame), "#1b1464", "#ffd9a0"),
    "tint": lambda frame: ImageOps.colorize(ImageOps.grayscale(frame), "black", "white", "#ff8800"),
    "sepia": lambda frame: frame.convert("RGB", (0.4, 0.8, 0.2, 0, 0.35, 0.7, 0.2, 0, 0.3, 0.5, 0.1, 0)),
    "matrix": lambda frame: frame.convert("RGB", (0.8, 0.2, 0, 0, 0, 1, 0, 0, 0, 0.2, 0.8, 0)),
    "lut": lambda frame: frame.filter(ImageFilter.Color3DLUT.generate(9, lambda r, g, b: (r, g, b))),
    "blur": lambda frame: frame.filter(ImageFilter.GaussianBlur(4)),
    "sharpen": lambda frame: frame.filter(ImageFilter.UnsharpMask(1, 200, 0)),
    "unsharp": lambda frame: frame.filter(ImageFilter.UnsharpMask(2, 100, 0)),
    "median": lambda frame: frame.filter(ImageFilter.MedianFilter(5)),
    "morphology": lambda frame: frame.filter(ImageFilter.MinFilter(3)),
    "pixelate": lambda frame: frame.resize((102, 68), Image.Resampling.BOX).resize(SIZE, Image.Resampling.NEAREST),
    "edges": lambda frame: frame.filter(ImageFilter.FIND_EDGES),
    "emboss": lambda frame: frame.filter(ImageFilter.EMBOSS),
    "convolve": lambda frame: frame.filter(ImageFilter.Kernel((3, 3), [0, -1, 0, -1, 5, -1, 0, -1, 0])),
    "noise": lambda frame: Image.blend(frame, Image.effect_noise(SIZE, 50).convert("RGB"), 0.2),
    "pad": lambda frame: ImageOps.expand(frame, 20, "white"),
    "border": lambda frame: ImageOps.expand(frame, 20, "white"),
    "extend": lambda frame: ImageOps.pad(frame, (1224, 1224)),
    "trim": lambda frame: frame.crop(
        ImageChops.difference(frame, Image.new("RGB", SIZE, frame.getpixel((0, 0)))).point(TOLERANT).getbbox()
    ),
    "shear": lambda frame: frame.transform(SIZE, Image.Transform.AFFINE, SHEAR, Image.Resampling.BICUBIC),
    "perspective": lambda frame: frame.transform(
        SIZE, Image.Transform.PERSPECTIVE, (*SHEAR, 0.0001, 0), Image.Resampling.BICUBIC
    ),
}


@pytest.fixture(scope="module")
def frame(street: bytes) -> Frame:
    """One megapixel of the photograph."""
    with Image.open(io.BytesIO(street)) as image:
        return image.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_on_one_megapixel(frame: Frame, report: Report, pace: Pace, name: str) -> None:
    (step,) = parse_pipeline(CALLS.get(name) or gallery.call(name)).steps
    part = None
    if step.part is not None:
        part = step.read_part({step.part: gallery.PARTS[step.part]()}, Limits())
    source = np.asarray(frame)
    target = np.empty_like(source)
    ours_s, pillow_s, copy_s = [], [], []
    for number in range(pace.rounds(ROUNDS) + 1):
        timed = _seconds(lambda: _apply(step, frame, part)), _seconds(lambda: np.copyto(target, source))
        theirs_s = _seconds(lambda: PILLOW[name](frame)) if name in PILLOW else 0.0
        # The first of each fills caches and tables.
        if number:
            ours_s.append(timed[0])
            copy_s.append(timed[1])
            pillow_s.append(theirs_s)
    at_most = 1 / 3 if name in FASTER else AS_FAST
    report.record(
        "operation",
        name=name,
        ms=[1000 * seconds for seconds in ours_s],
        copies=[mine / copy for mine, copy in zip(ours_s, copy_s, strict=True)],
        against_pillow=[mine / theirs for mine, theirs in zip(ours_s, pillow_s, strict=True) if theirs],
        at_most=at_most if name in PILLOW else None,
    )


def _apply(step: Step, frame: Frame, part: object) -> None:
    for result in step.operation.apply((frame,), step.arguments, None, part):
        # Some are worked out only when their pixels are asked for.
        result.load()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
