"""Make the gallery: `python samples/gallery.py` writes docs/operations.md and a picture for each operation.

The pictures are golden files: `tests/test_gallery.py` compares every operation with its picture.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.imaging.process import process
from imgsrv.reference.examples import example_of
from imgsrv.reference.markdown import depth_line, parameters_table

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PICTURES = DOCS / "operations"

WIDTH = 320
"""Width in pixels of the pictures before an operation."""

PLAIN = "coffee.jpg"
FRAMED = "framed.png"
BEFORE = {
    "trim": FRAMED,
    "smartcrop": "rocket.jpg",
    "clahe": "rocket.jpg",
    "equalize": "rocket.jpg",
    "normalize": "rocket.jpg",
    "redact": "astronaut.jpg",
    "temperature": "astronaut.jpg",
    "round": "astronaut.jpg",
}
"""Samples for operations whose effect PLAIN does not show well; FRAMED is PLAIN with a margin."""

SHOWN = {
    "resize": "resize:width=160",
    "smartcrop": "smartcrop:width=120,height=120",
    "crop": "crop:width=0.5,height=0.5,gravity=northwest",
    "rotate": "rotate:degrees=15",
    "perspective": "perspective:corners=0.2:0;0.85:0.05;1:1;0.05:0.9",
    "pad": "pad:edge=30,mode=mirror",
    "extend": "extend:aspect=1:1,mode=blur",
    "border": "border:width=8,colour=8b2500",
    "round": "round:shape=circle",
    "brightness": "brightness:factor=1.4",
    "contrast": "contrast:factor=1.5",
    "saturation": "saturation:factor=2",
    "hue": "hue:degrees=120",
    "gamma": "gamma:value=2",
    "levels": "levels:black=30,white=190",
    "curves": "curves:points=0:0;0.25:0.12;0.75:0.88;1:1",
    "duotone": "duotone:shadow=1b1464,highlight=ffd9a0",
    "blur": "blur:sigma=4",
    "motionblur": "motionblur:length=20,angle=-30",
    "sharpen": "sharpen:amount=2",
    "unsharp": "unsharp:amount=2",
    "median": "median:radius=3",
    "morphology": "morphology:kind=close,radius=2",
    "denoise": "denoise:strength=40",
    "pixelate": "pixelate:size=10",
    "vignette": "vignette:strength=0.9",
    "noise": "noise:amount=25",
    "convolve": "convolve:kernel=-2;-1;0;-1;1;1;0;1;2",
    "watermark": "watermark:gravity=southeast,scale=0.4",
    "text": "text:text=Fresh coffee,size=32,gravity=south,outline=2",
    "redact": "redact:faces=true,mode=pixelate",
}
"""Calls that show more than the shortest valid one, which an operation that is not listed here gets."""

KEPT = Output(format="webp", quality=88, effort=6)


def main() -> None:
    """Write the page and the pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    PICTURES.mkdir(exist_ok=True)
    for name in sorted({sample_of(operation) for operation in OPERATIONS}):
        (PICTURES / before_file(name)).write_bytes(process(before(name), Pipeline(), KEPT, Limits()))
    for name in OPERATIONS:
        (PICTURES / f"{name}.webp").write_bytes(after(name))
        print(name, call(name))
    (DOCS / "operations.md").write_text(page(), encoding="utf-8")


def sample_of(operation: str) -> str:
    """The sample that shows an operation."""
    return BEFORE.get(operation, PLAIN)


def before_file(sample: str) -> str:
    """The file name of the picture before an operation."""
    return f"before-{Path(sample).stem}.webp"


def before(sample: str) -> bytes:
    """The picture before an operation, as a PNG."""
    steps = f"resize:width={WIDTH - 80}/pad:edge=40,colour=white" if sample == FRAMED else f"resize:width={WIDTH}"
    data = (HERE / (PLAIN if sample == FRAMED else sample)).read_bytes()
    return process(data, parse_pipeline(steps), Output(format="png"), Limits())


def call(operation: str) -> str:
    """The step whose result is shown."""
    return SHOWN.get(operation) or example_of(OPERATIONS[operation]).pipeline


def after(operation: str) -> bytes:
    """The picture after the operation, as a WebP."""
    pipeline = parse_pipeline(call(operation))
    parts = {step.part: PARTS[step.part]() for step in pipeline.steps if step.part is not None}
    return process(before(sample_of(operation)), pipeline, KEPT, Limits(), parts)


def page() -> str:
    """The text of docs/operations.md."""
    listed = " · ".join(f"[{name}](#{name})" for name in OPERATIONS)
    return "\n".join([HEAD, listed, "", *map(_section, OPERATIONS.values())])


HEAD = """\
# Operations

Each operation is a route and a step of a pipeline: `POST /resize?width=160` and `POST /pipeline?ops=resize:width=160`
do the same. `python samples/gallery.py` writes this page; `imgsrv operations NAME` prints the same in a terminal.
"""


def _section(operation: Operation) -> str:
    name = operation.name
    lines = [f"## {name}", "", operation.summary, ""]
    if operation.details:
        lines += [operation.details, ""]
    lines += [depth_line(operation), ""]
    shown = f"operations/{before_file(sample_of(name))}", f"operations/{name}.webp"
    lines += ["| before | after |", "| --- | --- |", f"| ![before {name}]({shown[0]}) | ![after {name}]({shown[1]}) |"]
    lines += ["", f"`{call(name)}`", ""]
    if table := parameters_table(operation):
        lines += [table, ""]
    return "\n".join(lines)


def _logo() -> bytes:
    """A PNG with soft transparency, as a watermark has."""
    image = Image.new("RGBA", (400, 160))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((4, 4, 396, 156), 40, fill=(255, 255, 255, 170))
    draw.ellipse((30, 30, 130, 130), fill=(200, 60, 30, 255))
    draw.rectangle((160, 45, 360, 65), fill=(40, 40, 40, 255))
    draw.rectangle((160, 95, 300, 115), fill=(40, 40, 40, 255))
    return _png(image)


def _cube() -> bytes:
    """A .cube file with 9 steps: teal shadows and orange lights."""
    side = 9
    steps = np.linspace(0, 1, side)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    turned = np.stack([red + 0.25 * (luma - 0.4), green, blue - 0.25 * (luma - 0.4)], axis=-1).clip(0, 1)
    rows = "\n".join("{:.6f} {:.6f} {:.6f}".format(*row) for row in turned.reshape(-1, 3))
    return f"LUT_3D_SIZE {side}\n{rows}\n".encode()


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


PARTS = {"watermark": _logo, "lut": _cube}
"""Further parts of the upload, by the names that operations use."""


if __name__ == "__main__":
    main()
