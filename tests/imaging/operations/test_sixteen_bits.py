"""Every operation that keeps 16 bits a channel does on them what it does on 8, with more levels and smaller errors.

A new operation with `keeps_depth` is found by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import gallery
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pictures import sample
from PIL import Image
from strategies import steps

from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame, Picture
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.detail import filters
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.imaging.pixels import strips
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

Floats = NDArray[np.float64]
"""(H, W, C): levels from 0 to 255, with fractions."""

MODES = {"L": 1, "RGB": 3, "RGBA": 4}

SIZE = 151, 113

CALLS = {
    # A difference near the threshold is sharpened at one depth and not at the other.
    "unsharp": "unsharp:amount=2,threshold=0",
    "median": "median:radius=2",
    "redact": "redact:boxes=40;20;60;50,mode=pixelate",
    "pixelate": "pixelate:size=4",
}
"""Where what the gallery shows is no fair comparison, or works on 8 bits."""

MOST_APART = {
    "convolve": 4.0,
    "emboss": 2.5,
    "edges": 2.5,
    "sharpen": 2.2,
    "unsharp": 2.2,
    "extend": 2.0,
    "equalize": 2.2,
    "denoise": 3.0,
}
"""In levels, where the operation on 8 bits rounds more than once, or multiplies what it has rounded."""

FEW_LEVELS = ("posterize", "edges", "emboss")
"""What leaves few levels, or slopes of a picture without noise."""

DEEP = [name for name, row in OPERATIONS.items() if row.depth != "never"]


def pixels_of(mode: str) -> NDArray[np.uint16]:
    """A photograph that was enlarged in floating point, with soft edges of alpha."""
    image = sample("coffee.jpg").resize((60, 45))
    planes = [plane.convert("F").resize(SIZE, Image.Resampling.BICUBIC) for plane in image.split()]
    colours = np.dstack([np.asarray(plane) for plane in planes]).clip(0, 255)
    if mode == "L":
        colours = colours[..., :1]
    if mode == "RGBA":
        across = np.linspace(-100, 355, SIZE[0]).clip(0, 255)
        colours = np.dstack([colours, np.tile(across, (SIZE[1], 1))])
    return np.asarray(np.rint(colours * 257), np.uint16)


def frames_of(mode: str, *, steps: int = 1) -> tuple[Frame, Frame]:
    """The picture in 16 bits, rounded to so many steps, and to 8 bits."""
    shallow = np.rint(pixels_of(mode) / 257).astype(np.uint8)
    pixels = np.rint(pixels_of(mode) / steps).astype(np.uint16) * np.uint16(steps)
    if mode == "L":
        return Image.fromarray(pixels[..., 0]), Image.fromarray(shallow[..., 0])
    return DeepFrame(pixels), Image.fromarray(shallow)


def ran(pipeline: Pipeline, frame: Frame) -> Frame:
    parts = {step.part: gallery.PARTS[step.part]() for step in pipeline.steps if step.part}
    return pipeline.run(Picture((frame,), "png"), Limits(), parts).frames[0]


def samples(frame: Frame) -> NDArray[Any]:
    return frame.pixels if isinstance(frame, DeepFrame) else np.atleast_3d(np.asarray(frame))


def is_deep(frame: Frame) -> bool:
    return isinstance(frame, DeepFrame) or frame.mode == "I;16"


def shown(frame: Frame) -> Floats:
    """Levels, premultiplied."""
    levels = samples(frame) / (257 if is_deep(frame) else 1)
    if levels.shape[2] == 4:
        levels[..., :3] *= levels[..., 3:] / 255
    return levels


def pipeline_of(name: str) -> Pipeline:
    return parse_pipeline(CALLS.get(name) or gallery.call(name))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DEEP)
def test_it_does_on_16_bits_what_it_does_on_8(name: str, mode: str) -> None:
    deep, shallow = (shown(ran(pipeline_of(name), frame)) for frame in frames_of(mode, steps=257))
    assert deep.shape == shallow.shape
    apart = np.abs(deep - shallow)
    # Half a level is the rounding of the result to 8 bits, and another half that of premultiplied colours.
    assert apart.mean() < (0.9 if name in MOST_APART else 0.6)
    assert np.quantile(apart, 0.999) < MOST_APART.get(name, 1.6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DEEP)
def test_more_than_256_levels_are_left(name: str, mode: str) -> None:
    result = ran(pipeline_of(name), frames_of(mode)[0])
    assert is_deep(result)
    levels = len(np.unique(samples(result)[..., 0]))
    assert levels > (2 if name in FEW_LEVELS else 256)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", DEEP)
def test_in_strips_it_is_the_same(name: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frames_of(mode)[0]
    whole = shown(ran(pipeline_of(name), frame))
    monkeypatch.setattr(strips, "WHOLE_PIXELS", 1000)
    for module in (strips, filters):
        monkeypatch.setattr(module, "STRIP_PIXELS", 2000)
    monkeypatch.setattr(strips, "STRIPS_PER_RADIUS", 1)
    # The last row of Cb and Cr of an odd height is another one in strips.
    assert np.abs(shown(ran(pipeline_of(name), frame)) - whole).max() < (5 if name == "denoise" else 0.2)


@pytest.mark.parametrize("name", DEEP)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_it_takes_any_parameters(name: str, data: st.DataObject) -> None:
    step = data.draw(steps(name))
    mode = data.draw(st.sampled_from(sorted(MODES)))
    pipeline = Pipeline((step,))
    if not pipeline.keeps_depth or step.part:
        return
    deep, shallow = frames_of(mode)
    try:
        expected = ran(pipeline, shallow)
    except Exception as error:  # noqa: BLE001  whatever it is, it is the same
        with pytest.raises(type(error)):
            ran(pipeline, deep)
        return
    result = ran(pipeline, deep)
    assert is_deep(result)
    assert samples(result).shape == samples(expected).shape


def test_an_operation_on_8_bits_gets_8_bits() -> None:
    deep = frames_of("RGB")[0]
    assert ran(parse_pipeline("invert/clahe"), deep).mode == "RGB"


# ---- against floating point ----


def premultiplied(pixels: Floats) -> Floats:
    return np.dstack([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3:]]) if pixels.shape[2] == 4 else pixels


def each(pixels: Floats, function: Callable[[Any], Any]) -> Floats:
    return np.dstack([function(np.ascontiguousarray(pixels[..., number])) for number in range(pixels.shape[2])])


def resized(pixels: Floats) -> Floats:
    small = each(
        premultiplied(pixels),
        lambda plane: np.asarray(Image.fromarray(plane.astype(np.float32)).resize((90, 67), Image.Resampling.LANCZOS)),
    )
    return small.clip(0, 255)


def blurred(sigma: float) -> Callable[[Floats], Floats]:
    side = 2 * round(3 * sigma) + 1
    return lambda pixels: each(
        premultiplied(pixels),
        lambda plane: cv2.GaussianBlur(plane, (side, side), sigma, borderType=cv2.BORDER_REPLICATE),
    )


def sharpened(pixels: Floats) -> Floats:
    return (pixels + 1.5 * (pixels - blurred(2)(pixels))).clip(0, 255)


def turned(pixels: Floats) -> Floats:
    angle = np.radians(20)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    width, height = np.ceil(np.abs(matrix) @ SIZE - 1e-6).astype(int)
    middle = np.subtract([width, height], 1) / 2 - matrix @ (np.subtract(SIZE, 1) / 2)
    moved = np.column_stack([matrix, middle])
    whole = np.dstack([pixels, np.full(pixels.shape[:2], 255.0)]) if pixels.shape[2] == 3 else premultiplied(pixels)
    return each(
        whole,
        lambda plane: cv2.warpAffine(plane.astype(np.float32), moved, (int(width), int(height)), flags=cv2.INTER_CUBIC),
    ).clip(0, 255)


def in_light(pixels: Floats) -> Floats:
    def light(level: Floats) -> Floats:
        share = level / 255
        return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)

    def level(value: Floats) -> Floats:
        share = value.clip(0, 1)
        return 255 * np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055)

    def small(plane: Floats) -> Floats:
        lit = Image.fromarray(light(plane).astype(np.float32))
        return level(np.asarray(lit.resize((90, 67), Image.Resampling.LANCZOS), np.float64))

    return each(pixels, small)


def by_matrix(rows: Sequence[Sequence[float]]) -> Callable[[Floats], Floats]:
    return lambda pixels: (pixels @ np.array(rows).T).clip(0, 255)


REFERENCES: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
    "resize:width=90,height=67,fit=fill": ("RGB RGBA", resized),
    "resize:width=90,height=67,fit=fill,linear=true": ("L RGB", in_light),
    "blur:sigma=2": ("L RGB RGBA", blurred(2)),
    "sharpen:amount=1.5,sigma=2": ("L RGB", sharpened),
    "rotate:degrees=20": ("RGB RGBA", turned),
    "gamma:value=2.2": ("L RGB", lambda pixels: 255 * (pixels / 255) ** (1 / 2.2)),
    "levels:black=20,white=200,gamma=0.7": (
        "L RGB",
        lambda pixels: 255 * ((pixels - 20) / 180).clip(0, 1) ** (1 / 0.7),
    ),
    "brightness:factor=1.3": ("L RGB", lambda pixels: (pixels * 1.3).clip(0, 255)),
    "contrast:factor=1.3": ("L RGB", lambda pixels: (127.5 + 1.3 * (pixels - 127.5)).clip(0, 255)),
    "curves:points=0:0;1:0.5": ("L RGB", lambda pixels: pixels / 2),
    "grayscale": ("RGB", by_matrix([[0.299, 0.587, 0.114]])),
    "saturation:factor=0.3": ("RGB", lambda pixels: 0.7 * pixels @ [[0.299], [0.587], [0.114]] + 0.3 * pixels),
    "matrix:values=0.8;0.2;0;0;1;0;0;0.2;0.8": ("RGB", by_matrix([[0.8, 0.2, 0], [0, 1, 0], [0, 0.2, 0.8]])),
    "invert": ("L RGB", lambda pixels: 255 - pixels),
}
"""Modes, and the result in floating point from the levels before, premultiplied."""


@pytest.mark.parametrize(
    ("call", "mode"), [(call, mode) for call, (modes, _) in REFERENCES.items() for mode in modes.split()]
)
def test_it_is_nearer_to_floating_point_than_8_bits(call: str, mode: str) -> None:
    expected = REFERENCES[call][1](pixels_of(mode) / 257)
    deep, shallow = (np.abs(shown(ran(parse_pipeline(call), frame)) - expected) for frame in frames_of(mode))
    assert deep.mean() < 0.03
    assert deep.mean() < 0.1 * shallow.mean()
    assert np.quantile(deep, 0.99) < 0.2
