"""Anything that a caller may send: strategies for every operation, made of its own table, and for files of every kind.

A new operation is drawn from with the day it is registered, and a new parameter too; a new *kind* of parameter, one
that is neither a number nor a choice, needs a row in TEXTS.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from hypothesis import reject
from hypothesis import strategies as st
from PIL import ExifTags, Image

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Step, make_step

Schema = dict[str, Any]

MOST_PIXELS = 70_000
"""Of a picture and of every result; larger ones are a 422 and cost nothing."""

FREE = 1e6
"""Where a number has no upper bound."""


def _joined(parts: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[str]:
    return parts.map(lambda values: ";".join(map(str, values)))


def _points(values: list[tuple[float, float]]) -> str:
    return ";".join(f"{across}:{up}" for across, up in values)


UNITS = st.sampled_from([0.0, 0.03, 0.25, 0.5, 0.8, 1.0])
WEIGHTS = st.sampled_from([0, 1, -1, 0.5, 9, 100, -100, 1e-9])
LETTERS = st.text(st.sampled_from("aÄgß €漢ع\u0301\n\t\u202e\U0001f600-"), min_size=1, max_size=12)

TEXTS: dict[str, st.SearchStrategy[str]] = {
    "colour": st.sampled_from(["red", "transparent", "12345678", "fff", "00000001"]),
    "opaque-colour": st.sampled_from(["red", "000", "fff", "808080"]),
    "aspect": st.sampled_from(["1:1", "16:9", "0.1", "30", "1:999"]),
    "matrix": _joined(st.lists(WEIGHTS, min_size=9, max_size=9)),
    "kernel": st.sampled_from([9, 25, 225]).flatmap(
        lambda size: _joined(st.lists(WEIGHTS, min_size=size, max_size=size))
    ),
    "curve": st.lists(st.tuples(UNITS, UNITS), min_size=2, max_size=5, unique_by=lambda point: point[0]).map(
        lambda points: _points(sorted(points))
    ),
    "corners": st.sampled_from(
        ["0:0;1:0;1:1;0:1", "0.1:0;0.9:0.1;1:1;0:0.9", "0.5:0;1:0.5;0.5:1;0:0.5", "0:0;0.02:0;0.02:0.02;0:0.02"]
    ),
    "boxes": st.sampled_from(["0;0;1;1", "0;0;3;2;1;1;2;2", "2;3;40;1"]),
    "part": st.nothing(),
    "font": st.nothing(),
    "text": LETTERS,
}
"""Values of a parameter that is text, by its format or its name; none where its default is all there is here."""


def _one(name: str, schema: Schema) -> st.SearchStrategy[str]:
    """Values that one type of a parameter allows, its bounds more often than what lies between."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"]).map(str)
    if schema["type"] == "boolean":
        return st.sampled_from(["true", "false"])
    if schema["type"] == "string":
        return TEXTS[schema.get("format", name)]
    low, high = schema.get("minimum"), schema.get("maximum", FREE)
    if schema["type"] == "integer":
        least = int(low or 0)
        return st.one_of(
            st.integers(least, min(least + 60, int(high))), st.sampled_from([least, least + 1, int(high)])
        ).map(str)
    if low is None:
        return st.sampled_from(["0.001", "0.25", "0.5", "0.999"])
    return st.one_of(st.floats(low, high), st.sampled_from([low, high]), st.floats(low, min(high, low + 20))).map(
        lambda value: f"{value:.12g}"
    )


def values_of(name: str, schema: Schema) -> st.SearchStrategy[str]:
    """Valid values of a parameter."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    return st.one_of([_one(name, option) for option in options])


@st.composite
def steps(draw: st.DrawFn, name: str | None = None) -> Step:
    """A valid step of any operation, or of the one named."""
    operation = OPERATIONS[name or draw(st.sampled_from(sorted(OPERATIONS)))]
    schema = operation.parameters.model_json_schema()
    given = {}
    for parameter, described in schema.get("properties", {}).items():
        values = values_of(parameter, described)
        is_needed = parameter in schema.get("required", ())
        if not values.is_empty and (is_needed or draw(st.integers(0, 2)) == 0):
            given[parameter] = draw(values)
    try:
        return make_step(operation.name, given.items())
    except UnusableParameters:
        reject()


MODES = ("1", "L", "LA", "P", "P+transparency", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "RGB;16", "RGBA;16", "F")

HOLDING = {
    "1": ("png", "tiff", "gif", "bmp"),
    "L": ("jpeg", "png", "tiff", "gif", "bmp", "jp2", "webp", "avif"),
    "LA": ("png", "tiff", "webp", "avif", "jp2"),
    "P": ("png", "gif", "tiff", "bmp", "webp"),
    "P+transparency": ("png", "gif"),
    "RGB": ("jpeg", "png", "tiff", "gif", "bmp", "jp2", "webp", "avif", "ico"),
    "RGBA": ("png", "tiff", "gif", "jp2", "webp", "avif", "ico"),
    "CMYK": ("jpeg", "tiff"),
    "YCbCr": ("jpeg", "tiff"),
    "I;16": ("png", "tiff"),
    "RGB;16": ("png", "tiff"),
    "RGBA;16": ("png", "tiff"),
    "F": ("tiff",),
}
"""Formats that hold each mode, ours of names."""

PILLOW = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP"}
PILLOW |= {"jp2": "JPEG2000", "ico": "ICO"}

LARGEST_ICON = 256

SIDES = st.one_of(st.integers(1, 24), st.integers(1, 3))
SIZES = st.one_of(st.tuples(SIDES, SIDES), st.sampled_from([(1, 1), (1, 700), (700, 1), (3, 200), (64, 48)]))


def _pixels(size: tuple[int, int], channels: int, seed: int, *, deep: bool = False) -> Any:
    random = np.random.default_rng(seed)
    kind: Any = np.uint16 if deep else np.uint8
    pixels = random.integers(0, np.iinfo(kind).max + 1, (size[1], size[0], channels), kind)
    # Half of them are of few colours, as a drawing is, and of those with alpha some pixels are hidden.
    return pixels // 64 * 64 if seed % 2 else pixels


def _image(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(_pixels(size, 1, seed, deep=True)[..., 0])
    if mode in ("L", "1", "F"):
        return Image.fromarray(_pixels(size, 1, seed)[..., 0]).convert(mode)
    rgba = Image.fromarray(_pixels(size, 4, seed))
    if mode == "LA":
        return rgba.convert("LA")
    if mode.startswith("P"):
        return rgba.convert("RGB").quantize(16)
    return rgba if mode == "RGBA" else rgba.convert("RGB").convert(mode)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, tuple[int, int], int]:
    """A picture file, the size of the picture once it is upright, and how many frames it has."""
    mode, size, seed = draw(st.sampled_from(MODES)), draw(SIZES), draw(st.integers(0, 1000))
    form = draw(st.sampled_from([form for form in HOLDING[mode] if form != "ico" or max(size) <= LARGEST_ICON]))
    if mode.endswith(";16") and mode != "I;16":
        pixels = _pixels(size, 4 if "A" in mode else 3, seed, deep=True)
        return cv2.imencode(".png" if form == "png" else ".tif", pixels)[1].tobytes(), size, 1
    image = _image(mode, size, seed)
    options: dict[str, Any] = {"sizes": [size]} if form == "ico" else {}
    if mode == "P+transparency":
        options["transparency"] = 3
    count = draw(st.integers(1, 4)) if form in ("png", "gif", "webp", "avif") and not mode.startswith(("P", "I")) else 1
    if count > 1:
        others = [_image(mode, size, seed + number) for number in range(1, count)]
        options |= {"save_all": True, "append_images": others, "duration": draw(st.sampled_from([0, 20, 1000]))}
    # Pillow 13 writes an orientation into an animated AVIF through a null pointer.
    has_exif = form in ("jpeg", "png", "tiff", "webp") or (form == "avif" and count == 1)
    orientation = draw(st.sampled_from([1, 1, 3, 5, 6, 8])) if has_exif else 1
    if orientation > 1:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif.tobytes()
    file = io.BytesIO()
    image.save(file, PILLOW[form], **options)
    # What encoders make one frame of, because it shows no change, is one.
    frames = getattr(Image.open(io.BytesIO(file.getvalue())), "n_frames", 1)
    return file.getvalue(), size[::-1] if orientation > 4 else size, frames
