"""Inputs that not all browsers show: their results are for browsers, unless a format is named."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from pictures import encoded, opened, run, sample
from PIL import Image, ImageDraw

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import Variant

SHOWN = ["jpeg", "png", "webp", "avif", "gif", "bmp", "ico"]
"""What Chromium, Firefox and Safari show, as caniuse.com has it."""

NOT_SHOWN = [name for name in WRITTEN if name not in SHOWN]


def photograph() -> Image.Image:
    return sample("chelsea.png").resize((150, 100))


def drawing() -> Image.Image:
    image = Image.new("RGB", (150, 100), "white")
    ImageDraw.Draw(image).rectangle((20, 20, 90, 70), "red")
    return image


def see_through() -> Image.Image:
    image = photograph().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def test_the_formats_are_told_apart_as_browsers_show_them() -> None:
    assert [name for name in WRITTEN if WRITTEN[name].browsers_show] == SHOWN
    assert {"heic", "tiff", "jp2", "jxl"} <= set(NOT_SHOWN)
    assert {name for name in FORMATS if FORMATS[name].browsers_show} == {*SHOWN, "svg"}


@pytest.mark.parametrize("name", NOT_SHOWN)
@pytest.mark.parametrize("pipeline", ["", "resize:width=60"])
def test_a_photograph_becomes_a_jpeg(name: str, pipeline: str) -> None:
    assert opened(run(encoded(photograph(), WRITTEN[name].pillow), pipeline)).format == "JPEG"


@pytest.mark.parametrize("name", ["tiff", "heic"])
def test_a_drawing_becomes_a_png(name: str) -> None:
    data = run(encoded(drawing()), format=name, lossless=True) if name == "heic" else encoded(drawing(), "TIFF")
    got = opened(run(data))
    assert got.format == "PNG"
    assert got.convert("RGB").tobytes() == drawing().tobytes()


@pytest.mark.parametrize("name", [name for name in NOT_SHOWN if WRITTEN[name].has_alpha])
def test_transparency_stays(name: str) -> None:
    got = opened(run(run(encoded(see_through()), format=name)))
    assert got.format == "PNG"
    assert got.mode == "RGBA"


def test_an_animation_of_jpeg_xl_stays_one() -> None:
    frames = [photograph(), photograph().rotate(180)]
    pixels = np.stack([np.asarray(frame) for frame in frames])
    imagecodecs = pytest.importorskip("imagecodecs")
    got = opened(run(imagecodecs.jpegxl_encode(pixels, lossless=False)))
    assert got.format == "GIF"
    assert getattr(got, "n_frames", 1) == 2


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_a_named_format_counts(name: str) -> None:
    data = encoded(photograph(), WRITTEN[name].pillow)
    assert opened(run(data, format="same")).format == WRITTEN[name].pillow
    assert opened(run(data, format=name)).format == WRITTEN[name].pillow
    assert opened(run(data, format="webp")).format == "WEBP"


def test_the_format_of_the_input_keeps_16_bits() -> None:
    deep = np.full((20, 30), 1000, np.uint16)
    data = encoded(Image.fromarray(deep), "TIFF")
    assert np.array_equal(np.asarray(opened(run(data, format="same"))), deep)
    assert opened(run(data)).mode == "L"


def test_every_output_of_a_batch_chooses_for_itself() -> None:
    archive = ARCHIVES["zip"]()
    variants = [
        Variant("plain", parse_pipeline("resize:width=60"), Output()),
        Variant("same", parse_pipeline("resize:width=60"), Output(format="same")),
        Variant("round", parse_pipeline("round:radius=20"), Output()),
    ]
    process_batch(archive, encoded(photograph(), "TIFF"), variants, Limits())
    names = zipfile.ZipFile(io.BytesIO(archive.finish())).namelist()
    assert names == ["plain.jpg", "same.tif", "round.png"]
