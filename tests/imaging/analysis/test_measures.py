"""Measures of pixels: hashes are compared with their reference libraries, the others with pictures made in code."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import levels, picture, sample
from PIL import Image

from imgsrv.imaging.analysis.measures import average, blurhash, dominant, palette, phash, sharpness, thumbhash


def _wide() -> Image.Image:
    return sample("chelsea.png").resize((90, 60), Image.Resampling.BOX)


def _tall() -> Image.Image:
    return sample("rocket.jpg").rotate(90, expand=True).resize((67, 100), Image.Resampling.BOX)


def _cut_out() -> Image.Image:
    """A face that fades out in a circle."""
    image = sample("astronaut.jpg").resize((80, 80), Image.Resampling.BOX)
    image.putalpha(Image.radial_gradient("L").resize((80, 80)).point(lambda level: 255 - level))
    return image


PICTURES = {"wide": _wide, "tall": _tall, "cut-out": _cut_out}

BLURHASHES = {
    "wide": "L8HT,6#QyZxY9Zx]RQ?HkY%2xYS5",
    "tall": "L87d^K0M#hOaISt7kEWA9Y-mNes+",
    "cut-out": "LROMjQ;|?wtS.SEMV[xa?^bvRjIo",
}
"""By blurhash 1.1.5 of PyPI with 4 by 3 components; the last laid over white."""

THUMBHASHES = {
    "wide": "XEkGFYL2V2ix5qmreEWIhQx31HBm",
    "tall": "EOcFFQJQaIJ4KHmId3eYZuCJB55o",
    "cut-out": "3UiGDQQXeVlPpplWS29C9hdkB3h3iICJdw==",
}
"""By thumbhash 0.1.1 of npm."""

PHASHES = {
    "wide": "b15fe6465121175e",
    "tall": "946a5595b8ab6b92",
    "cut-out": "f292cc4d32b99dc8",
}
"""By ImageHash 4.3.2 of PyPI; the last laid over white."""

PHASHES_OF_SAMPLES = {
    "chelsea.png": "b15fe6465121175e",
    "coffee.jpg": "bb8320376c0f3637",
    "astronaut.jpg": "c2924c5532bddfc8",
    "rocket.jpg": "c0371bec1be51267",
}
"""By the same."""


@pytest.mark.parametrize("name", PICTURES)
def test_a_blurhash_is_that_of_the_reference(name: str) -> None:
    assert blurhash(PICTURES[name]()) == BLURHASHES[name]


@pytest.mark.parametrize("name", PICTURES)
def test_a_thumbhash_is_that_of_the_reference(name: str) -> None:
    assert thumbhash(PICTURES[name]()) == THUMBHASHES[name]


@pytest.mark.parametrize("name", PICTURES)
def test_a_perceptual_hash_is_that_of_the_reference(name: str) -> None:
    assert phash(PICTURES[name]()) == PHASHES[name]


@pytest.mark.parametrize("name", PHASHES_OF_SAMPLES)
def test_a_perceptual_hash_of_a_whole_photo_is_that_of_the_reference(name: str) -> None:
    assert phash(sample(name)) == PHASHES_OF_SAMPLES[name]


def test_a_smaller_copy_has_nearly_the_same_perceptual_hash() -> None:
    whole, copy = (int(phash(image), 16) for image in (sample("coffee.jpg"), sample("coffee.jpg").resize((150, 100))))

    assert (whole ^ copy).bit_count() <= 4


def test_a_picture_in_one_colour_has_no_waves() -> None:
    plain = Image.new("RGB", (50, 20), "orange")

    assert thumbhash(plain).endswith("AAAAA=")
    assert phash(plain) == "8000000000000000"


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (4000, 1)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_size_and_mode_can_be_measured(size: tuple[int, int], mode: str) -> None:
    image = Image.new(mode, size)

    for measure in (average, dominant, palette, blurhash, thumbhash, phash, sharpness):
        measure(image)


def test_the_average_is_the_mean_of_the_levels() -> None:
    assert average(picture("RG/RG")) == "808000"


def test_the_average_of_a_photo_is_that_of_all_its_pixels() -> None:
    mean = levels(sample("coffee.jpg")).mean((0, 1))
    found = np.array(list(bytes.fromhex(average(sample("coffee.jpg")) or "")))

    assert np.abs(found - mean).max() <= 1


def test_transparent_pixels_do_not_count_in_the_average() -> None:
    assert average(picture("R./..", "RGBA")) == "ff0000"


def test_a_picture_without_visible_pixels_has_no_colours() -> None:
    image = picture("..", "RGBA")

    assert (average(image), dominant(image), palette(image)) == (None, None, [])


def test_a_palette_has_shares_and_begins_with_the_most_frequent_colour() -> None:
    assert palette(picture("BBBBBRRR/BBBGGRRR")) == [
        {"colour": "0000ff", "share": 0.5},
        {"colour": "ff0000", "share": 0.375},
        {"colour": "00ff00", "share": 0.125},
    ]


def test_the_dominant_colour_is_the_first_of_the_palette() -> None:
    assert dominant(sample("coffee.jpg")) == palette(sample("coffee.jpg"))[0]["colour"]


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    luma = np.pad(levels(sample("chelsea.png"), "L"), 1, mode="reflect")
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]

    assert sharpness(sample("chelsea.png")) == pytest.approx(laplacian.var(), abs=0.01)


def test_a_blurred_picture_is_less_sharp() -> None:
    assert sharpness(sample("coffee.jpg").reduce(2).resize((600, 400))) < sharpness(sample("coffee.jpg")) / 2
