"""Trim removes edges of one colour and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import animation, drawn, picture, result
from PIL import Image, ImageChops, ImageSequence

from imgsrv.imaging.pipelines.pipeline import parse_pipeline

ISLAND = "KKKKK/KKRKK/KKKGK/KKKKK/KKKKK"


def test_the_colour_of_the_corner_is_cut_off() -> None:
    assert drawn(result(picture(ISLAND), "trim")) == "RK/KG"


def test_a_margin_is_kept_as_far_as_it_exists() -> None:
    assert drawn(result(picture(ISLAND), "trim:margin=1")) == "KKKK/KRKK/KKGK/KKKK"
    assert drawn(result(picture(ISLAND), "trim:margin=9")) == ISLAND


def test_another_colour_can_be_named() -> None:
    assert drawn(result(picture("WKKW/WRGW"), "trim:colour=white")) == "KK/RG"


def test_transparent_edges_are_cut_off_whatever_colour_they_hide() -> None:
    image = Image.new("RGBA", (5, 3), (200, 100, 50, 0))
    image.putpixel((0, 0), (0, 255, 0, 0))
    image.putpixel((3, 1), (255, 0, 0, 255))
    assert drawn(result(image, "trim")) == "R"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (8, 8)])
def test_a_picture_of_one_colour_stays_unchanged(mode: str, size: tuple[int, int]) -> None:
    assert result(Image.new(mode, size), "trim").size == size


@pytest.mark.proves("trim")
@pytest.mark.parametrize("threshold", [0, 10, 40])
@pytest.mark.parametrize("seed", range(5))
def test_the_box_is_that_of_pillow(threshold: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = np.full((40, 60, 3), 120, np.uint8) + random.integers(-8, 9, (40, 60, 3)).astype(np.uint8)
    pixels[0, 0] = 120
    top, left = random.integers(1, 20, 2)
    pixels[top : top + 12, left : left + 25] = random.integers(0, 256, (12, 25, 3))
    image = Image.fromarray(pixels)
    difference = ImageChops.difference(image, Image.new("RGB", image.size, (120, 120, 120)))
    box = difference.point(lambda level: 255 * (level > threshold)).getbbox()
    assert np.array_equal(np.asarray(result(image, f"trim:threshold={threshold}")), np.asarray(image.crop(box)))


@pytest.mark.parametrize("threshold", [0, 10])
@pytest.mark.parametrize("alpha", [1, 77, 254])
def test_half_transparent_edges_of_one_colour_are_cut_off(alpha: int, threshold: int) -> None:
    image = Image.new("RGBA", (9, 7), (201, 99, 3, alpha))
    image.paste((201, 99, 3, alpha - 1 if threshold == 0 else 255 - alpha // 2), (2, 3, 5, 6))

    assert result(image, f"trim:threshold={threshold}").size == (3, 3)


def test_all_frames_of_an_animation_are_cut_in_the_same_way() -> None:
    frames = [picture(rows) for rows in ("KKKK/KRKK/KKKK/KKKK", "KKKK/KKKK/KKGK/KKKK")]
    made = result(animation(frames, "PNG", duration=50), "trim", format="png")
    assert [drawn(frame) for frame in ImageSequence.Iterator(made)] == ["RK/KK", "KK/KG"]


def test_the_next_step_gets_the_trimmed_size() -> None:
    assert drawn(result(picture(ISLAND), "trim/crop:width=1,height=1,gravity=southeast")) == "G"


def test_trim_has_no_size_before_its_pixels_are_known() -> None:
    (step,) = parse_pipeline("trim").steps
    assert step.result_size((50, 40)) == (50, 40)
