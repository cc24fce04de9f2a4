"""Pictures drawn in code, and ways to look at pictures, for every test."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process
from imgsrv.imaging.process import process

# Tests write pictures by Pillow, which has to know the formats of the extras.
prepare_process()

CORPUS = Path(__file__).parents[2] / "../shared/corpus"
SAMPLES = Path(__file__).parents[2] / "samples"

COLOURS = {
    "R": (255, 0, 0, 255),
    "G": (0, 255, 0, 255),
    "B": (0, 0, 255, 255),
    "Y": (255, 255, 0, 255),
    "W": (255, 255, 255, 255),
    "K": (0, 0, 0, 255),
    "+": (200, 120, 40, 255),
    ".": (0, 0, 0, 0),
}
"""One letter a pixel; `.` is transparent."""

Array = NDArray[np.float64]


def picture(rows: str, mode: str = "RGB") -> Image.Image:
    """The picture of a text such as `RG/BY`: one letter for each pixel, a slash between rows."""
    lines = rows.split("/")
    image = Image.new("RGBA", (len(lines[0]), len(lines)))
    image.putdata([COLOURS[letter] for line in lines for letter in line])
    return image.convert(mode)


def drawn(image: Image.Image) -> str:
    """The letters of a picture, the inverse of `picture`."""
    letters: dict[tuple[int, ...], str] = {colour: letter for letter, colour in COLOURS.items()}
    pixels = np.asarray(image.convert("RGBA"))
    return "/".join("".join(letters.get(tuple(map(int, pixel)), "?") for pixel in row) for row in pixels)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The image as a file in the format `form` of Pillow."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def animation(frames: list[Image.Image], form: str, **options: Any) -> bytes:
    """The frames as one animated file."""
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)


def opened(data: bytes) -> Image.Image:
    """The decoded picture in a file."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def run(data: bytes, pipeline: str = "", limits: Limits | None = None, **output: Any) -> bytes:
    """The file that `process` makes."""
    return process(data, parse_pipeline(pipeline), Output(**output), limits or Limits())


def result(data: bytes | Image.Image, pipeline: str = "", **output: Any) -> Image.Image:
    """The picture that `process` makes, by default as a PNG."""
    body = data if isinstance(data, bytes) else encoded(data)
    return opened(run(body, pipeline, **{"format": "png", **output}))


def levels(image: Image.Image, mode: str | None = None) -> Array:
    """The pixels as float64: (H, W) or (H, W, channels)."""
    return np.asarray(image.convert(mode) if mode else image, np.float64)


def psnr(one: Array, other: Array) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures in dB."""
    error = float(np.mean((one - other) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def sample(name: str, mode: str = "RGB") -> Image.Image:
    """The sample picture of this file name."""
    return Image.open(SAMPLES / name).convert(mode)


def corpus(name: str) -> bytes:
    """The file of the corpus; the test skips where there is no corpus."""
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"the corpus is not here: {path}")
    return path.read_bytes()
