"""Pad, extend and border add margins to a picture; round makes its corners transparent."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import Array, drawn, levels, picture, result
from PIL import Image

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

RANDOM = np.random.default_rng(5)
NOISE = Image.fromarray(RANDOM.integers(0, 256, (7, 9, 3), np.uint8))
SOFT_NOISE = Image.fromarray(RANDOM.integers(0, 256, (7, 9, 4), np.uint8))

MARGINS = ((2, 30), (1, 3))
"""Top and bottom, left and right; more than the picture is high."""

PADDING = "pad:top=2,bottom=30,left=1,right=3"


def test_a_margin_has_its_colour() -> None:
    assert drawn(result(picture("RG"), "pad:edge=1,colour=yellow")) == "YYYY/YRGY/YYYY"


def test_a_margin_is_transparent_unless_it_has_a_colour() -> None:
    assert drawn(result(picture("RG"), "pad:left=1")) == ".RG"


def test_a_side_that_is_given_overrides_the_value_for_all_sides() -> None:
    assert drawn(result(picture("RG"), "pad:edge=1,top=0,bottom=0,colour=white")) == "WRGW"


@pytest.mark.proves("pad")
@pytest.mark.parametrize("image", [NOISE, SOFT_NOISE, NOISE.convert("L")], ids=lambda image: image.mode)
@pytest.mark.parametrize(("mode", "kind"), [("mirror", "symmetric"), ("copy", "edge")])
def test_edges_are_continued_as_by_numpy(image: Image.Image, mode: str, kind: str) -> None:
    pixels = np.asarray(image)
    margins = (*MARGINS, (0, 0))[: pixels.ndim]
    wanted = np.pad(pixels, margins, kind)  # type: ignore[call-overload]  # it knows literals only
    assert np.array_equal(np.asarray(result(image, f"{PADDING},mode={mode}")), wanted)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_blurred_margin_shows_the_picture_around_itself(mode: str) -> None:
    image = picture("RB", mode).resize((200, 100), Image.Resampling.NEAREST)
    framed = result(image, "extend:height=300,mode=blur")
    assert framed.mode == image.mode
    assert np.array_equal(np.asarray(framed.crop((0, 100, 200, 200))), np.asarray(image))
    # Far from the edge between them each colour is still itself.
    for at in ((5, 5), (195, 295)):
        assert np.abs(levels(framed)[at[1], at[0]] - levels(image)[50, at[0]]).max() <= 3


def test_the_blurred_picture_shows_through_half_transparent_parts() -> None:
    half = Image.new("RGBA", (40, 20), (200, 100, 0, 128))
    # 1 − (1 − ½)²
    assert result(half, "extend:height=60,mode=blur").getpixel((20, 30)) == pytest.approx((200, 100, 0, 192), abs=2)


@pytest.mark.parametrize(
    "step",
    ["pad:edge=7,mode=blur", "extend:aspect=3,mode=blur", "round:radius=15", "round:shape=circle,background=ff000080"],
)
def test_no_fringe_of_hidden_colours_shows(step: str) -> None:
    soft = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    soft.paste((200, 0, 0, 255), (10, 10, 30, 30))
    pixels = np.asarray(result(soft, step))
    assert pixels[pixels[..., 3] > 8][:, 1].max() <= 4


@pytest.mark.parametrize("shape", ["round:radius=0.3", "round:shape=circle"])
def test_the_soft_edge_of_a_rounded_corner_has_the_colours_of_the_picture(shape: str) -> None:
    pixels = np.asarray(result(Image.new("RGB", (50, 50), (250, 240, 10)), shape))
    soft = (pixels[..., 3] > 0) & (pixels[..., 3] < 255)
    assert soft.any()
    assert (pixels[soft][:, :3] == (250, 240, 10)).all()


def test_a_blurred_margin_has_no_hard_edges() -> None:
    image = picture("KW").resize((200, 100), Image.Resampling.NEAREST)
    across = levels(result(image, "extend:height=300,mode=blur"))[20, :, 0]
    assert np.abs(np.diff(across)).max() < 20


@pytest.mark.parametrize(
    ("parameters", "rows"),
    [
        pytest.param("width=4", "KRGK", id="width"),
        pytest.param("height=3", "KK/RG/KK", id="height"),
        pytest.param("width=1,height=1", "RG", id="never-smaller"),
        pytest.param("aspect=1:1", "RG/KK", id="shape"),
        pytest.param("aspect=4:1", "KRGK", id="wide"),
        pytest.param("width=3,height=2,gravity=southeast", "KKK/KRG", id="gravity"),
    ],
)
def test_extend_adds_margins_up_to_a_size_or_an_aspect_ratio(parameters: str, rows: str) -> None:
    assert drawn(result(picture("RG"), f"extend:{parameters},colour=black")) == rows


def test_border_is_drawn_outside() -> None:
    assert drawn(result(picture("RG"), "border:width=1,colour=white")) == "WWWW/WRGW/WWWW"


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("pad", "give edge, left, top, right or bottom"),
        ("extend", "width, height or aspect is needed"),
        ("extend:aspect=1,width=9", "leave one of them out"),
        ("extend:aspect=1,mode=blur,colour=red", "mode=blur has no use for colour"),
        ("pad:edge=1,mode=copy,colour=red", "mode=copy has no use for colour"),
        ("round:shape=circle,radius=5", "no use for radius"),
    ],
)
def test_too_few_or_contradicting_parameters_are_refused(step: str, hint: str) -> None:
    with pytest.raises(UnusableParameters, match=hint):
        parse_pipeline(step)


def coverage(size: tuple[int, int], radius: float, times: int = 16) -> Array:
    """The fraction of each pixel inside of the rounded rectangle, from this many samples along each side of a pixel."""
    across, down = ((np.arange(side * times) + 0.5) / times for side in size)
    beside = [np.maximum(radius - np.minimum(at, side - at), 0) for at, side in zip((across, down), size, strict=True)]
    inside = np.hypot(beside[0][None, :], beside[1][:, None]) <= radius
    return np.asarray(inside.reshape(size[1], times, size[0], times).mean(axis=(1, 3)), np.float64)


@pytest.mark.proves("round")
@pytest.mark.parametrize("size", [(40, 30), (31, 31), (9, 60)])
@pytest.mark.parametrize("radius", [1, 4, 15, 0.2, 0.43])
def test_the_alpha_of_corners_is_the_covered_fraction_of_each_pixel(size: tuple[int, int], radius: float) -> None:
    reach = min(radius if radius >= 1 else radius * min(size), min(size) / 2)
    alpha = np.asarray(result(Image.new("RGB", size), f"round:radius={radius}").getchannel("A"), np.float64)
    assert np.abs(alpha / 255 - coverage(size, reach)).max() < 0.15
    assert np.abs(alpha / 255 - coverage(size, reach)).mean() < 0.01


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (31, 44), (1, 1), (1, 9)])
def test_a_circle_is_cut_from_the_middle(size: tuple[int, int]) -> None:
    side = min(size)
    made = result(Image.new("L", size, 99), "round:shape=circle")
    assert (made.size, made.mode) == ((side, side), "RGBA")
    alpha = np.asarray(made.getchannel("A"), np.float64) / 255
    assert np.abs(alpha - coverage((side, side), side / 2)).max() < 0.3
    assert made.getpixel((side // 2, side // 2)) == (99, 99, 99, 255 if side > 2 else round(255 * alpha[0, 0]))


def test_round_keeps_existing_transparency() -> None:
    half = Image.new("RGBA", (20, 20), (9, 9, 9, 128))
    made = result(half, "round:radius=5")
    assert made.getpixel((10, 10)) == (9, 9, 9, 128)
    assert made.getpixel((0, 0))[3] == 0  # type: ignore[index]  # a pixel of RGBA


def test_rounded_corners_can_have_a_colour() -> None:
    made = result(picture("R").resize((20, 20)), "round:radius=8,background=white")
    assert made.mode == "RGB"
    assert (made.getpixel((0, 0)), made.getpixel((10, 10))) == ((255, 255, 255), (255, 0, 0))
