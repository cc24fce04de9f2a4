"""Convolve, emboss and edges against sums in float64."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import Array, drawn, levels, picture, result, sample
from PIL import Image, ImageFilter

from imgsrv.errors import InvalidParameter
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

NOISE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (31, 43, 3), np.uint8))
PHOTO = sample("coffee.jpg").resize((90, 60))
PICTURES = pytest.mark.parametrize("image", [NOISE, PHOTO, NOISE.convert("L")], ids=["noise", "photo", "grey"])

RANDOM = np.random.default_rng(1)


def weighed(pixels: Array, kernel: Array) -> Array:
    """The sum of the neighbours of each pixel, weighted by the kernel; edges are repeated."""
    down, across = kernel.shape
    around = [(down // 2, down // 2), (across // 2, across // 2), *[(0, 0)] * (pixels.ndim - 2)]
    padded = np.pad(pixels, around, mode="edge")
    height, width = pixels.shape[:2]
    shifted = [padded[y : y + height, x : x + width] for y in range(down) for x in range(across)]
    return np.asarray(np.tensordot(kernel.ravel(), shifted, axes=1))


def text(kernel: Array) -> str:
    return ";".join(f"{number:.12g}" for number in kernel.ravel())


KERNELS = {
    "laplace-3": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0.0]]),
    "one-sided-3": np.array([[1, 2, 3], [0, 0, 0], [0, 0, 0.0]]),
    "random-5": RANDOM.normal(1, 2, (5, 5)).round(3),
    "random-9": RANDOM.normal(1, 3, (9, 9)).round(3),
    "mean-11": np.ones((11, 11)),
    "random-13": RANDOM.normal(1, 5, (13, 13)).round(3),
    "random-15": RANDOM.uniform(-100, 100, (15, 15)).round(3) + 1,
}


@pytest.mark.proves("convolve")
@PICTURES
@pytest.mark.parametrize("name", KERNELS)
def test_convolve_is_the_weighted_sum_over_the_sum_of_weights(name: str, image: Image.Image) -> None:
    kernel = KERNELS[name]
    expected = (weighed(levels(image), kernel) / kernel.sum()).clip(0, 255)
    assert np.abs(levels(result(image, f"convolve:kernel={text(kernel)}")) - expected).max() <= 1


@PICTURES
def test_convolve_takes_a_scale_and_an_offset(image: Image.Image) -> None:
    kernel = KERNELS["random-5"]
    expected = (weighed(levels(image), kernel) / 40 + 20.5).clip(0, 255)
    assert np.abs(levels(result(image, f"convolve:kernel={text(kernel)},scale=40,offset=20.5")) - expected).max() <= 1


def test_weights_that_add_up_to_zero_are_not_scaled() -> None:
    kernel = np.array([[0, 0, 0], [-0.1, 0, 0.3], [0, 0, -0.2]])
    expected = (weighed(levels(PHOTO), kernel) + 100).clip(0, 255)
    assert np.abs(levels(result(PHOTO, f"convolve:kernel={text(kernel)},offset=100")) - expected).max() <= 1


def test_away_from_the_edges_convolve_is_that_of_pillow_with_the_kernel_flipped() -> None:
    kernel = KERNELS["random-5"].round()
    theirs = PHOTO.filter(ImageFilter.Kernel((5, 5), kernel[::-1].ravel().tolist(), kernel.sum()))
    ours = result(PHOTO, f"convolve:kernel={text(kernel)}")
    # Pillow leaves the outermost pixels as they are.
    assert np.abs(levels(ours) - levels(theirs))[2:-2, 2:-2].max() <= 1


@pytest.mark.parametrize("kernel", ["1", "1;1;1;1", "1;" * 255 + "1", "1;" * 288 + "1", "a;b;c;d;e;f;g;h;i"])
def test_a_kernel_must_be_a_square_with_an_odd_side(kernel: str) -> None:
    with pytest.raises(InvalidParameter, match="odd side"):
        parse_pipeline(f"convolve:kernel={kernel}")


ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4


@pytest.mark.proves("emboss")
@PICTURES
@pytest.mark.parametrize(("angle", "amount"), [(-45, 1), (0, 2), (100, 0.5)])
def test_emboss_is_mid_grey_plus_the_slope_away_from_the_light(image: Image.Image, angle: float, amount: float) -> None:
    turn = np.radians(angle)
    luma = levels(image, "L")
    slope = np.cos(turn) * weighed(luma, ACROSS.T) - np.sin(turn) * weighed(luma, ACROSS)
    got = levels(result(image, f"emboss:angle={angle},amount={amount}"))
    assert np.abs(got - (128 + amount * slope).clip(0, 255)).max() <= 1


@pytest.mark.parametrize(("angle", "bright"), [(0, "top"), (180, "bottom"), (90, "right"), (-90, "left")])
def test_a_bright_square_is_lit_on_the_side_of_the_light(angle: int, bright: str) -> None:
    image = Image.new("L", (30, 30), 100)
    image.paste(160, (10, 10, 20, 20))
    relief = levels(result(image, f"emboss:angle={angle},amount=1"))
    sides = {"top": relief[10, 15], "bottom": relief[19, 15], "left": relief[15, 10], "right": relief[15, 19]}
    assert max(sides, key=lambda side: sides[side]) == bright
    assert sides[bright] > 150
    assert relief[15, 15] == 128


@pytest.mark.proves("edges")
@pytest.mark.parametrize("image", [NOISE, PHOTO], ids=["noise", "photo"])
@pytest.mark.parametrize("amount", [0.5, 1, 3])
def test_edges_are_the_magnitude_of_the_gradient_of_luma(image: Image.Image, amount: float) -> None:
    luma = levels(image, "L")
    expected = amount * np.hypot(weighed(luma, ACROSS), weighed(luma, ACROSS.T))
    got = result(image, f"edges:amount={amount}")
    assert got.mode == "L"
    assert np.abs(levels(got) - expected.clip(0, 255)).max() <= 1


def test_a_step_gives_an_edge_of_its_own_height() -> None:
    assert drawn(result(picture("KKWW/KKWW", "L"), "edges:amount=1")) == "KWWK/KWWK"
