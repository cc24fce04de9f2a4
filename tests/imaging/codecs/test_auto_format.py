"""`format=auto`: the format for a photograph, a drawing, transparency and an animation, among those offered."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from pictures import animation, corpus, encoded, opened, picture, sample
from PIL import Image, ImageDraw

from imgsrv.imaging.codecs.auto_format import Offers, came_as_drawing, is_drawing
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process_into

BROWSER: Offers = (("webp", 1.0), ("avif", 1.0), ("jpeg", 0.8), ("png", 0.8), ("gif", 0.8))
AVIF_ONLY: Offers = (("avif", 1.0), ("jpeg", 0.8), ("png", 0.8), ("gif", 0.8))
TOOL: Offers = (("jpeg", 1.0), ("png", 1.0), ("gif", 1.0))


def chart() -> Image.Image:
    image = Image.new("RGB", (300, 200), "white")
    draw = ImageDraw.Draw(image)
    for at in range(6):
        draw.rectangle((20 + 45 * at, 180 - 25 * at, 50 + 45 * at, 180), fill=(40 * at, 90, 200))
        draw.text((22 + 45 * at, 182), f"bar {at}", fill="black")
    draw.line((10, 10, 290, 180), fill="red", width=3)
    return image


def photograph(mode: str = "RGB") -> Image.Image:
    image = sample("chelsea.png").convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


PICTURES: dict[str, Callable[[], bytes]] = {
    "photograph": lambda: encoded(photograph()),
    "opaque-rgba": lambda: encoded(photograph().convert("RGBA")),
    "cut-out": lambda: encoded(photograph("RGBA")),
    "drawing": lambda: encoded(chart()),
    "logo": lambda: encoded(picture("R.R./.R.R/YYYY", "RGBA").resize((80, 60), Image.Resampling.NEAREST)),
    "animation": lambda: animation([photograph(), photograph().rotate(9)], "GIF", duration=50),
}


def answered(data: bytes, offers: Offers, pipeline: str = "", **given: object) -> bytes:
    file = io.BytesIO()
    output = Output.model_validate({"format": "auto", **given})
    process_into(file, data, parse_pipeline(pipeline), output, Limits(), offers=offers)
    return file.getvalue()


@pytest.mark.parametrize(
    ("shown", "offers", "form"),
    [
        ("photograph", BROWSER, "WEBP"),
        ("photograph", AVIF_ONLY, "AVIF"),
        ("photograph", TOOL, "JPEG"),
        ("photograph", (("webp", 0.5), ("jpeg", 1.0)), "JPEG"),
        ("photograph", (), "PNG"),
        ("opaque-rgba", TOOL, "JPEG"),
        ("cut-out", BROWSER, "WEBP"),
        ("cut-out", AVIF_ONLY, "AVIF"),
        ("cut-out", TOOL, "PNG"),
        ("cut-out", (("jpeg", 1.0),), "PNG"),
        ("drawing", BROWSER, "WEBP"),
        ("drawing", AVIF_ONLY, "PNG"),
        ("drawing", TOOL, "PNG"),
        ("logo", TOOL, "PNG"),
        ("animation", BROWSER, "WEBP"),
        ("animation", AVIF_ONLY, "AVIF"),
        ("animation", TOOL, "GIF"),
        ("animation", (("jpeg", 1.0),), "GIF"),
    ],
)
def test_the_format_fits_the_picture_and_the_accept_header(shown: str, offers: Offers, form: str) -> None:
    got = opened(answered(PICTURES[shown](), offers))
    assert got.format == form
    assert getattr(got, "n_frames", 1) == (2 if shown == "animation" else 1)


AVIF_FIRST: Offers = (("avif", 1.0), *(offer for offer in BROWSER if offer[0] != "avif"))
"""What a server offers to a browser without being told its order."""


@pytest.mark.parametrize(
    ("size", "form"),
    [
        pytest.param((120, 80), "WEBP", id="too-small-for-avif"),
        pytest.param((450, 300), "AVIF", id="usual"),
        pytest.param((2000, 1000), "AVIF", id="just-small-enough"),
        pytest.param((2001, 1000), "WEBP", id="too-large-for-avif"),
    ],
)
def test_avif_is_chosen_where_it_is_worth_its_time(size: tuple[int, int], form: str) -> None:
    wanted = f"resize:width={size[0]},height={size[1]},fit=fill,enlarge=true"
    assert opened(answered(PICTURES["photograph"](), AVIF_FIRST, wanted)).format == form


def test_a_format_that_is_offered_alone_is_chosen_at_any_size() -> None:
    assert opened(answered(PICTURES["photograph"](), (("avif", 1.0),), "resize:width=60")).format == "AVIF"


def test_all_frames_count_for_the_time() -> None:
    frames = [photograph().rotate(9 * number) for number in range(16)]
    assert opened(answered(animation(frames[:3], "WEBP", duration=50), AVIF_FIRST)).format == "AVIF"
    assert opened(answered(animation(frames, "WEBP", duration=50), AVIF_FIRST)).format == "WEBP"


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("photograph", "photograph of 135300 pixels; avif 1, webp 1, jpeg 0.72, png 0.24, gif 0.04"),
        ("cut-out", "photograph with transparency of 135300 pixels; avif 1, webp 1, png 0.24, gif 0.04"),
        ("drawing", "drawing of 60000 pixels; webp 1, png 0.72, avif 0.5, gif 0.32, jpeg 0.24"),
        ("logo", "drawing with transparency of 4800 pixels; webp 1, png 0.72, gif 0.32; avif not worth the time"),
        ("animation", "animation of 270600 pixels; avif 1, webp 1, gif 0.48, png 0.4"),
    ],
)
def test_the_reason_names_the_kind_and_what_every_format_counts(shown: str, reason: str) -> None:
    output = Output(format="auto")
    report = process_into(io.BytesIO(), PICTURES[shown](), parse_pipeline(""), output, Limits(), offers=AVIF_FIRST)
    assert report.reason == reason


def test_a_named_format_has_no_reason() -> None:
    report = process_into(io.BytesIO(), PICTURES["drawing"](), parse_pipeline(""), Output(format="webp"), Limits())
    assert report.reason == ""


FAX = Image.new("1", (900, 700), 1)
ImageDraw.Draw(FAX).text((40, 40), "a page of few words", fill=0, font_size=70)

SMALL_PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "palette": (lambda: encoded(chart().quantize(32)), "PNG"),
    "black-and-white": (lambda: encoded(FAX), "PNG"),
    "fax": (lambda: encoded(FAX, "TIFF"), "PNG"),
    "gif": (lambda: encoded(chart(), "GIF"), "PNG"),
    "photograph-in-a-palette": (lambda: encoded(photograph().quantize(256)), "JPEG"),
    "photograph-in-a-gif": (lambda: encoded(photograph(), "GIF"), "JPEG"),
    "logo": (PICTURES["logo"], "PNG"),
}


@pytest.mark.parametrize("width", [40, 90, 170])
@pytest.mark.parametrize("shown", SMALL_PICTURES)
def test_a_small_copy_of_a_drawing_is_a_drawing(shown: str, width: int) -> None:
    make, form = SMALL_PICTURES[shown]
    small = opened(answered(make(), TOOL, f"resize:width={width}"))
    assert small.format == form
    assert small.width <= width


def test_a_cut_out_photograph_is_a_photograph_with_any_amount_of_transparency() -> None:
    image = Image.new("RGBA", (900, 700))
    image.paste(photograph().resize((300, 200)), (100, 200))
    assert not came_as_drawing(Picture((image,), "png"))
    assert opened(answered(encoded(image), TOOL, "resize:width=200")).getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize("name", ["256_color_palette.png", "multipage-g3.tif", "1bit.png"])
def test_small_copies_of_the_drawings_of_the_corpus_stay_lossless(name: str) -> None:
    assert opened(answered(corpus(f"odd/{name}"), TOOL, "resize:width=170")).format == "PNG"


@pytest.mark.parametrize("shown", ["drawing", "logo"])
def test_a_drawing_keeps_every_pixel(shown: str) -> None:
    data = PICTURES[shown]()
    before, after = (np.asarray(opened(one).convert("RGBa")) for one in (data, answered(data, BROWSER)))
    assert np.array_equal(before, after)


def test_a_requested_quality_is_used_for_drawings_too() -> None:
    data = PICTURES["drawing"]()
    small = answered(data, BROWSER, quality=30)
    assert not np.array_equal(np.asarray(opened(small).convert("RGB")), np.asarray(chart()))


def test_the_result_of_the_pipeline_decides_and_not_the_input() -> None:
    assert opened(answered(PICTURES["photograph"](), TOOL, "round:radius=0.5")).format == "PNG"
    moving = animation([photograph(), photograph().rotate(9)], "WEBP", duration=50)
    assert opened(answered(moving, TOOL, frame=0)).format == "JPEG"
    assert opened(answered(PICTURES["photograph"](), TOOL, "posterize:levels=2")).format == "PNG"


@pytest.mark.parametrize("name", ["astronaut.jpg", "chelsea.png", "coffee.jpg", "hubble_deep_field.jpg", "rocket.jpg"])
@pytest.mark.parametrize("width", [100, 400, 1000])
def test_photographs_of_the_samples_are_no_drawings(name: str, width: int) -> None:
    image = sample(name)
    resized = image.resize((width, max(1, round(image.height * width / image.width))))
    assert not is_drawing(resized)
    assert not is_drawing(resized.convert("L"))


@pytest.mark.parametrize(
    "name",
    [
        "blinds-1920x1200.jpg",
        "photo-1mp.webp",
        "storm-1920x1280.jpg",
        "street-6mp.jpg",
        "wings-2560x1600.jpg",
        "wood-2560x1920.jpg",
    ],
)
def test_photographs_of_the_corpus_are_no_drawings(name: str) -> None:
    image = opened(corpus(f"photos/{name}")).convert("RGB")
    for width in (300, image.width):
        assert not is_drawing(image.resize((width, round(image.height * width / image.width))))


@pytest.mark.parametrize(
    "name",
    ["odd/flag-16bit.png", "odd/multipage-g3.tif", "photos/paper-alpha-2048x1536.png"],
)
def test_drawings_of_the_corpus_are_drawings(name: str) -> None:
    image = opened(corpus(name)).convert("RGBA")
    assert is_drawing(image)
    assert is_drawing(image.resize((200, max(1, round(image.height * 200 / image.width)))))


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (2, 2)])
def test_the_smallest_pictures_have_a_kind(size: tuple[int, int]) -> None:
    assert is_drawing(Image.new("RGB", size)) in (True, False)
