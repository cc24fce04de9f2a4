"""Crop, rotate, flip and flop move pixels without changing them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import Array, drawn, levels, picture, psnr, result
from PIL import Image

from imgsrv.errors import OperationDoesNotFit


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        pytest.param("width=1,height=1,left=0,top=0", "R", id="top-left"),
        pytest.param("width=1,height=1,left=2,top=1", "K", id="bottom-right"),
        pytest.param("width=3,height=2", "RGB/YWK", id="everything"),
        pytest.param("width=1,height=2", "G/W", id="centre"),
        pytest.param("width=1,height=1,gravity=northeast", "B", id="northeast"),
        pytest.param("width=1,height=1,gravity=southwest", "Y", id="southwest"),
        pytest.param("width=2,height=1,left=1,gravity=south", "WK", id="left-given-and-top-by-gravity"),
    ],
)
def test_crop_returns_the_given_part(parameters: str, rows: str) -> None:
    assert drawn(result(picture("RGB/YWK"), f"crop:{parameters}")) == rows


@pytest.mark.parametrize(
    "parameters",
    [
        "width=4,height=1",
        "width=1,height=3",
        "width=1,height=1,left=3",
        "width=2,height=1,left=2",
        "width=1,height=1,top=2",
        "width=4,height=3,gravity=southeast",
    ],
)
def test_a_crop_outside_of_the_picture_is_refused(parameters: str) -> None:
    with pytest.raises(OperationDoesNotFit, match="does not lie inside the picture of 3×2"):
        result(picture("RGB/YWK"), f"crop:{parameters}")


@pytest.mark.parametrize("steps", ["resize:width=2/crop:width=3,height=1", "rotate:degrees=90/crop:width=3,height=1"])
def test_a_crop_is_checked_against_the_size_that_the_steps_before_give(steps: str) -> None:
    with pytest.raises(OperationDoesNotFit):
        result(picture("RGB/YWK"), steps)


@pytest.mark.parametrize(
    ("degrees", "rows"),
    [
        (0, "RG/BY"), (90, "BR/YG"), (180, "YB/GR"), (270, "GY/RB"), (360, "RG/BY"),
        (-90, "GY/RB"), (-180, "YB/GR"), (-270, "BR/YG"), (-360, "RG/BY"),
    ],
)  # fmt: skip
def test_quarter_turns_are_clockwise_and_exact(degrees: int, rows: str) -> None:
    assert drawn(result(picture("RG/BY"), f"rotate:degrees={degrees}")) == rows


@pytest.mark.parametrize("degrees", [0.5, 30, 45, 89.9, 91, 135, 200, 271, -30, 359.5])
def test_the_canvas_grows_to_hold_the_whole_picture(degrees: float) -> None:
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    expected = math.ceil(60 * cosine + 40 * sine), math.ceil(60 * sine + 40 * cosine)
    assert result(Image.new("RGB", (60, 40)), f"rotate:degrees={degrees}").size == expected


def waves(x: Array, y: Array) -> Array:
    """A grey level at any point of the plane; it shows a displacement of a tenth of a pixel."""
    return 127 + 100 * np.sin(x / 5) * np.cos(y / 7)


@pytest.mark.proves("rotate")
@pytest.mark.parametrize("degrees", [0.5, 10, 45, 123, 300, -30])
def test_an_angle_turns_clockwise_about_the_middle(degrees: float) -> None:
    y, x = np.mgrid[-50:51, -60:61].astype(np.float64)
    image = Image.fromarray(waves(x, y).round().astype(np.uint8))

    got = levels(result(image, f"rotate:degrees={degrees},background=000"), "L")

    middle_y, middle_x = (got.shape[0] - 1) / 2, (got.shape[1] - 1) / 2
    down, right = np.mgrid[0 : got.shape[0], 0 : got.shape[1]]
    down, right = down - middle_y, right - middle_x
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    expected = waves(right * cosine + down * sine, down * cosine - right * sine)
    is_inside = np.hypot(right, down) < 45
    assert psnr(got[is_inside], expected[is_inside]) > 40


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_new_corners_are_transparent_unless_they_get_a_colour(mode: str) -> None:
    image = Image.new(mode, (20, 20), "white")
    assert result(image, "rotate:degrees=45").convert("RGBA").getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_new_corners_have_the_background(mode: str) -> None:
    image = Image.new(mode, (20, 20), "white")
    got = result(image, "rotate:degrees=45,background=ff8000").convert("RGBA")
    assert got.getpixel((0, 0)) == (255, 128, 0, 255)


def test_a_half_transparent_background_keeps_its_colour() -> None:
    got = result(Image.new("RGB", (20, 20), "white"), "rotate:degrees=45,background=ff800080").getpixel((0, 0))
    assert isinstance(got, tuple)
    assert np.abs(np.subtract(got, (255, 128, 0, 128))).max() <= 1


def test_rotation_shows_no_fringe_of_hidden_colours() -> None:
    image = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (10, 10, 30, 30))
    got = np.asarray(result(image, "rotate:degrees=33"))
    assert got[got[..., 3] > 32][:, 1].max() <= 4


def test_flip_mirrors_top_to_bottom() -> None:
    assert drawn(result(picture("RG/BY"), "flip")) == "BY/RG"


def test_flop_mirrors_left_to_right() -> None:
    assert drawn(result(picture("RG/BY"), "flop")) == "GR/YB"


@pytest.mark.parametrize("operation", ["flip", "flop"])
def test_mirroring_keeps_transparency(operation: str) -> None:
    assert drawn(result(picture("R./.R", "RGBA"), operation)) == ".R/R."
