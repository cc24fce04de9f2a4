"""Every format with every option, and its result for transparency."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import drawn, encoded, levels, opened, picture, psnr, run, sample
from PIL import Image

from imgsrv.imaging.analysis.ssim import luma, ssim
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, SUFFIXES, WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.imaging.process import process_into

LOSSY = [name for name, form in WRITTEN.items() if "quality" in form.fields]
LOSSLESS = ["png", "tiff", "bmp", "webp", "jp2"]


@pytest.fixture(scope="module")
def cat() -> bytes:
    return encoded(sample("chelsea.png").resize((150, 100)))


def lossless(name: str) -> dict[str, Any]:
    return {"lossless": True} if "lossless" in WRITTEN[name].fields else {}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_result_is_in_the_format_asked_for(cat: bytes, name: str) -> None:
    got = opened(run(cat, format=name))
    assert got.format == WRITTEN[name].pillow
    assert got.size == (150, 100)


@pytest.mark.parametrize(("suffix", "name"), [("jpg", "jpeg"), ("tif", "tiff"), ("heif", "heic")])
def test_a_format_may_be_named_by_a_suffix(suffix: str, name: str) -> None:
    assert Output.model_validate({"format": suffix}).format == name


@pytest.mark.parametrize("name", [name for name, form in WRITTEN.items() if form.browsers_show])
def test_the_result_is_in_the_format_of_the_input_by_default(name: str) -> None:
    data = encoded(picture("RG/BY"), WRITTEN[name].pillow)
    assert opened(run(data)).format == WRITTEN[name].pillow


@pytest.mark.parametrize("name", WRITTEN)
def test_the_result_is_in_the_format_of_the_input_if_that_is_asked_for(name: str) -> None:
    data = encoded(picture("RG/BY"), WRITTEN[name].pillow)
    assert opened(run(data, format="same")).format == WRITTEN[name].pillow


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_format_keeps_every_visible_pixel(name: str, mode: str) -> None:
    image = sample("chelsea.png").convert(mode).resize((40, 30))
    got = opened(run(encoded(image), format=name, **lossless(name)))
    assert got.convert(mode).tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossless_avif_is_exact(cat: bytes, mode: str) -> None:
    image = opened(cat).convert(mode)
    if mode == "RGBA":
        image.putalpha(image.getchannel("R").point(lambda level: max(1, level)))
    got = opened(run(encoded(image), format="avif", lossless=True))
    assert (got.mode, got.tobytes()) == (mode, image.tobytes())


@pytest.mark.parametrize("name", LOSSY)
def test_a_higher_quality_gives_more_bytes_and_a_smaller_error(cat: bytes, name: str) -> None:
    low, high = (run(cat, format=name, quality=quality) for quality in (20, 95))
    original = levels(opened(cat))
    assert len(low) < len(high)
    assert psnr(levels(opened(low), "RGB"), original) < psnr(levels(opened(high), "RGB"), original)


@pytest.mark.parametrize("quality", [1, 100])
@pytest.mark.parametrize("name", LOSSY)
def test_the_lowest_and_highest_quality_can_be_written(cat: bytes, name: str, quality: int) -> None:
    assert opened(run(cat, format=name, quality=quality)).size == (150, 100)


@pytest.mark.parametrize("effort", range(10))
@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_every_effort_can_be_written(name: str, effort: int) -> None:
    data = encoded(sample("chelsea.png").resize((30, 20)))
    assert opened(run(data, format=name, effort=effort)).size == (30, 20)


@pytest.mark.parametrize(("name", "effort"), [("webp", 6), ("avif", 2)])
def test_the_default_effort_is_the_documented_one(cat: bytes, name: str, effort: int) -> None:
    assert run(cat, format=name) == run(cat, format=name, effort=effort) != run(cat, format=name, effort=effort + 2)


def test_effort_makes_a_png_smaller(cat: bytes) -> None:
    assert len(run(cat, format="png", effort=9)) < len(run(cat, format="png", effort=1))


@pytest.mark.parametrize("is_progressive", [True, False])
def test_a_jpeg_is_progressive_only_on_request(cat: bytes, is_progressive: bool) -> None:  # noqa: FBT001  a table row
    assert opened(run(cat, format="jpeg", progressive=is_progressive)).info.get("progressive", 0) == is_progressive


@pytest.mark.parametrize("is_progressive", [True, False])
@pytest.mark.parametrize("size", [(500, 500), (600, 600), (700, 9), (1, 1)])
def test_noise_whose_jpeg_is_larger_than_its_pixels_can_be_written(
    size: tuple[int, int],
    is_progressive: bool,  # noqa: FBT001  a table row
) -> None:
    data = encoded(Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)))
    output: dict[str, Any] = {"quality": 100, "subsampling": "4:4:4", "progressive": is_progressive}

    assert opened(run(data, format="jpeg", **output)).size == size


@pytest.mark.parametrize(
    ("size", "effort", "has_own_tables"),
    [
        ((500, 500), None, True),
        ((600, 600), None, False),
        ((500, 500), 0, False),
        ((600, 600), 1, True),
    ],
)
def test_only_small_jpegs_get_optimised_tables_without_an_effort(
    size: tuple[int, int],
    effort: int | None,
    has_own_tables: bool,  # noqa: FBT001  a table row
) -> None:
    image = sample("chelsea.png").resize(size)
    alike = encoded(image, "JPEG", quality=80, subsampling="4:2:0", optimize=has_own_tables)
    output: dict[str, Any] = {} if effort is None else {"effort": effort}

    assert len(run(encoded(image), format="jpeg", quality=80, **output)) == len(alike)


@pytest.mark.parametrize("name", [name for name, form in WRITTEN.items() if not form.has_alpha])
@pytest.mark.parametrize(
    ("background", "colour"),
    [("white", (255, 255, 255)), ("ff8000", (255, 128, 0)), ("000", (0, 0, 0)), ("transparent", (0, 0, 0))],
)
def test_without_alpha_in_the_format_the_background_is_visible(
    name: str, background: str, colour: tuple[int, int, int]
) -> None:
    data = encoded(Image.new("RGBA", (16, 16), (9, 9, 9, 0)))
    got = np.asarray(opened(run(data, format=name, background=background)).convert("RGB"), int)
    assert np.abs(got - colour).max() <= 2


def test_half_transparent_pixels_mix_with_the_background() -> None:
    data = encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128)))
    assert opened(run(data, format="bmp", background="00f")).getpixel((0, 0)) == (128, 0, 127)


@pytest.mark.parametrize("name", [name for name, form in WRITTEN.items() if form.has_alpha and name != "gif"])
def test_alpha_survives_in_formats_that_have_it(name: str) -> None:
    image = sample("chelsea.png", "RGBA").resize((32, 32))
    image.putalpha(Image.linear_gradient("L").resize((32, 32)))
    got = opened(run(encoded(image), format=name, **lossless(name))).getchannel("A")
    assert psnr(levels(got), levels(image.getchannel("A"))) > 40


def test_a_gif_keeps_fully_transparent_pixels() -> None:
    assert drawn(opened(run(encoded(picture("R./.Y", "RGBA")), format="gif"))) == "R./.Y"


@pytest.mark.parametrize("name", WRITTEN)
def test_writing_into_a_real_file_gives_the_same_bytes(name: str) -> None:
    data = encoded(picture("RG/BY"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result"
        with path.open("wb") as file:
            report = process_into(file, data, Pipeline(), Output.model_validate({"format": name}), Limits())
        assert path.read_bytes() == run(data, format=name)
    assert (report.format, report.size) == (name, (2, 2))


def test_a_result_is_written_into_a_memory_file() -> None:
    descriptor = os.memfd_create("test")
    with os.fdopen(descriptor, "w+b") as file:
        process_into(file, encoded(picture("RG/BY")), Pipeline(), Output(format="tiff"), Limits())
        file.seek(0)
        assert drawn(opened(file.read())) == "RG/BY"


def test_no_two_formats_share_a_suffix() -> None:
    assert len(SUFFIXES) == sum(len(form.suffixes) for form in FORMATS.values())


def test_without_a_quality_a_format_has_its_own(cat: bytes) -> None:
    for name in LOSSY:
        own = WRITTEN[name].default_quality
        assert run(cat, format=name) == run(cat, format=name, quality=own)
        assert run(cat, format=name) != run(cat, format=name, quality=own - 10)


def test_the_defaults_of_formats_are_not_the_same() -> None:
    """Their scales are not: sharp has 80 for JPEG and WebP and 50 for AVIF and HEIC."""
    quality = {name: WRITTEN[name].default_quality for name in LOSSY}
    assert quality["heic"] < quality["avif"] < quality["jpeg"] == 80
    assert quality["jpeg"] <= quality["webp"]


@pytest.mark.parametrize("photograph", ["astronaut.jpg", "coffee.jpg", "rocket.jpg"])
def test_newer_formats_are_smaller_than_a_jpeg_that_looks_alike(photograph: str) -> None:
    image = encoded(sample(photograph).resize((320, 240)))
    files = {name: run(image, format=name) for name in ("jpeg", "webp", "avif", "heic", "jxl")}
    sizes = {name: len(data) for name, data in files.items()}
    assert max(sizes["avif"], sizes["heic"], sizes["jxl"]) < sizes["jpeg"]
    assert sizes["avif"] < sizes["webp"] < 1.1 * sizes["jpeg"]
    like = {name: ssim(luma(opened(image)), luma(opened(data))) for name, data in files.items()}
    assert min(like.values()) > like["jpeg"] - 0.02


def test_a_limit_of_bytes_begins_at_the_default_of_the_format(cat: bytes) -> None:
    assert run(cat, format="avif", max_bytes=1_000_000) == run(cat, format="avif")
