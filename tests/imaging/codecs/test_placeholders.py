"""Placeholders: outputs that are a line of text to show before the picture loads."""

from __future__ import annotations

import base64
import io

import pytest
from pictures import animation, encoded, levels, opened, picture, psnr, result, run, sample

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.analysis.measures import MEASURES
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process_into

CHELSEA = encoded(sample("chelsea.png"))


@pytest.mark.parametrize("name", ["blurhash", "thumbhash"])
def test_a_hash_is_that_of_the_picture_after_the_pipeline(name: str) -> None:
    after = result(CHELSEA, "grayscale/rotate:degrees=90")

    assert run(CHELSEA, "grayscale/rotate:degrees=90", format=name).decode() == MEASURES[name](after)


def test_a_tiny_picture_is_a_data_uri_of_the_picture_in_20_pixels() -> None:
    kind, _, text = run(CHELSEA, format="lqip").decode().partition(",")
    tiny = opened(base64.b64decode(text))

    assert kind == "data:image/webp;base64"
    assert tiny.size == (20, 13)
    assert psnr(levels(tiny, "RGB"), levels(sample("chelsea.png").resize((20, 13)))) > 25
    assert len(text) < 400


def test_a_tiny_picture_keeps_its_transparency() -> None:
    text = run(encoded(picture("R./..", "RGBA")), format="lqip").decode().partition(",")[2]

    assert opened(base64.b64decode(text)).convert("RGBA").getpixel((1, 1))[3] == 0  # type: ignore[index]  # of four bands


def test_a_transparent_picture_is_laid_over_the_background() -> None:
    empty = encoded(picture("../..", "RGBA"))

    assert run(empty, format="blurhash", background="red") == run(encoded(picture("RR/RR")), format="blurhash")


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_placeholder_of_an_animation_is_that_of_its_first_frame(name: str) -> None:
    frames = [picture("RG/BY"), picture("YY/YY")]

    assert run(animation(frames, "PNG"), "flip", format=name) == run(encoded(frames[0]), "flip", format=name)


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_the_size_in_the_report_of_a_placeholder_is_that_of_the_picture(name: str) -> None:
    photo = encoded(sample("coffee.jpg").resize((3000, 2001)), "JPEG")

    report = process_into(io.BytesIO(), photo, parse_pipeline(""), Output(format=name), Limits())

    assert report.size == (3000, 2001)


def test_a_large_photo_has_the_thumbhash_of_a_small_one() -> None:
    photo = encoded(sample("coffee.jpg").resize((3000, 2000)), "JPEG")

    large, small = (base64.b64decode(run(data, format="thumbhash")) for data in (photo, encoded(sample("coffee.jpg"))))

    assert large[:5] == small[:5]


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_a_placeholder_refuses_quality(name: str) -> None:
    with pytest.raises(UnusableParameters, match="no use for quality"):
        Output(format=name, quality=3).check()
