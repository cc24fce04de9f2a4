"""Blur, motion blur, sharpen and unsharp against convolutions in float64."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import Array, drawn, levels, picture, psnr, result, sample
from PIL import Image, ImageFilter

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

SIGMAS = [0.3, 1, 3, 7.99, 8, 12.5, 25, 100]


def gaussian(pixels: Array, sigma: float) -> Array:
    """The pixels, blurred along both axes in float64; edges are repeated."""
    radius = int(np.ceil(5 * sigma))
    weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in (0, 1):
        length = pixels.shape[axis]
        around = [(radius, radius) if at == axis else (0, 0) for at in range(pixels.ndim)]
        padded = np.pad(pixels, around, mode="edge")
        parts = (padded.take(range(at, at + length), axis) for at in range(2 * radius + 1))
        pixels = np.sum([weight * part for weight, part in zip(weights, parts, strict=True)], axis=0)
    return pixels


@pytest.fixture(scope="module")
def cat() -> Image.Image:
    return sample("chelsea.png").crop((90, 40, 211, 141))


@pytest.mark.proves("blur")
@pytest.mark.parametrize("sigma", SIGMAS)
def test_blur_is_the_gaussian(cat: Image.Image, sigma: float) -> None:
    assert psnr(levels(result(cat, f"blur:sigma={sigma}")), gaussian(levels(cat), sigma)) > 54


@pytest.mark.parametrize("sigma", [1, 12])
def test_blur_of_noise_is_the_gaussian(sigma: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 97), np.uint8))
    assert psnr(levels(result(noise, f"blur:sigma={sigma}")), gaussian(levels(noise), sigma)) > 54


@pytest.mark.parametrize("sigma", [3, 12.5, 25])
def test_blur_of_edges_is_the_gaussian(sigma: float) -> None:
    edges = picture("KW/WK", "L").resize((140, 101), Image.Resampling.NEAREST)
    assert psnr(levels(result(edges, f"blur:sigma={sigma}")), gaussian(levels(edges), sigma)) > 54


@pytest.mark.parametrize("sigma", [1, 30])
def test_blur_weighs_colours_by_their_alpha(cat: Image.Image, sigma: float) -> None:
    image = cat.convert("RGBA")
    image.paste((0, 255, 0, 0), (0, 0, 60, 101))
    pixels = levels(image)
    alpha = gaussian(pixels[..., 3:], sigma)
    colours = gaussian(pixels[..., :3] * pixels[..., 3:], sigma) / np.maximum(alpha, 1e-9)

    got = levels(result(image, f"blur:sigma={sigma}"))

    assert psnr(got[..., 3], alpha[..., 0]) > 54
    is_visible = alpha[..., 0] > 64
    assert psnr(got[..., :3][is_visible], colours[is_visible]) > 45


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (9, 7)])
@pytest.mark.parametrize("step", ["blur:sigma=0.3", "blur:sigma=100", "sharpen:sigma=100", "sharpen"])
def test_a_picture_of_one_colour_keeps_it_at_any_size(size: tuple[int, int], step: str) -> None:
    image = Image.new("RGBA", size, (200, 120, 40, 255))
    assert result(image, step).tobytes() == image.tobytes()


@pytest.mark.proves("sharpen")
@pytest.mark.parametrize("amount", [0.5, 1, 2])
@pytest.mark.parametrize("sigma", [0.7, 1, 5, 20])
def test_sharpen_adds_back_what_the_blur_removes(cat: Image.Image, amount: float, sigma: float) -> None:
    pixels = levels(cat)
    expected = (pixels + amount * (pixels - gaussian(pixels, sigma))).clip(0, 255)
    assert psnr(levels(result(cat, f"sharpen:amount={amount},sigma={sigma}")), expected) > 48


def test_sharpening_by_0_changes_nothing(cat: Image.Image) -> None:
    assert result(cat, "sharpen:amount=0").tobytes() == cat.tobytes()


def test_sharpen_keeps_alpha_unchanged(cat: Image.Image) -> None:
    image = cat.convert("RGBA")
    image.paste((0, 255, 0, 77), (0, 0, 60, 101))
    assert result(image, "sharpen:amount=3").getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_sharpen_brings_out_no_hidden_colours() -> None:
    image = Image.new("RGBA", (20, 20), (0, 255, 0, 0))
    image.paste((120, 60, 60, 255), (0, 0, 10, 20))
    got = np.asarray(result(image, "sharpen:amount=2,sigma=2"))
    assert np.abs(got[:, :10, :3].astype(int) - (120, 60, 60)).max() <= 4


def test_a_sharpened_grey_picture_stays_grey() -> None:
    assert drawn(result(picture("KW", "L"), "sharpen")) == "KW"


@pytest.mark.parametrize("radius", [1, 2, 7, 40, 500])
def test_a_box_blur_is_the_mean_of_a_square(cat: Image.Image, radius: int) -> None:
    padded = np.pad(levels(cat), [(radius, radius), (radius, radius), (0, 0)], mode="edge")
    sums = np.pad(padded.cumsum(axis=0).cumsum(axis=1), [(1, 0), (1, 0), (0, 0)])
    side = 2 * radius + 1
    expected = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2

    got = levels(result(cat, f"blur:radius={radius}"))

    assert np.abs(got - expected).max() <= 1
    assert np.abs(got - levels(cat.filter(ImageFilter.BoxBlur(radius)))).max() <= 1


@pytest.mark.parametrize("step", ["blur", "blur:sigma=2,radius=2"])
def test_blur_takes_either_sigma_or_radius(step: str) -> None:
    with pytest.raises(UnusableParameters, match="sigma for a Gaussian or radius for a box"):
        parse_pipeline(step)


def moved(pixels: Array, length: int, degrees: float) -> Array:
    """The mean of points along a line, interpolated between pixels; edges are repeated."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, [(length, length), (length, length), (0, 0)], mode="edge")
    total = np.zeros_like(pixels)
    for along in np.arange(length) - (length - 1) / 2:
        x, y = length + along * np.cos(np.radians(degrees)), length + along * np.sin(np.radians(degrees))
        left, top = int(np.floor(x)), int(np.floor(y))
        for right, below in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = abs(1 - right - (x - left)) * abs(1 - below - (y - top))
            total += weight * padded[top + below :, left + right :][:height, :width]
    return total / length


@pytest.mark.proves("motionblur")
@pytest.mark.parametrize(
    ("length", "angle"), [(2, 0), (5, 0), (8, 90), (9, 30), (21, -45), (60, 100), (200, 17), (3, 360)]
)
def test_motionblur_is_the_mean_along_a_line(cat: Image.Image, length: int, angle: float) -> None:
    got = levels(result(cat, f"motionblur:length={length},angle={angle}"))
    assert np.abs(got - moved(levels(cat), length, angle)).max() <= 1


def test_motion_along_rows_is_the_mean_of_as_many_pixels_as_its_length() -> None:
    image = Image.new("L", (11, 3))
    image.putpixel((5, 1), 250)
    assert np.asarray(result(image, "motionblur:length=5"))[1].tolist() == [0, 0, 0, 50, 50, 50, 50, 50, 0, 0, 0]


def test_motion_at_a_positive_angle_goes_clockwise() -> None:
    image = Image.new("L", (11, 11))
    image.putpixel((5, 5), 250)
    got = np.asarray(result(image, "motionblur:length=7,angle=45"))
    assert got[7, 7] > 20
    assert got[3, 7] == 0


@pytest.mark.parametrize("threshold", [0, 3, 20, 255])
@pytest.mark.parametrize("amount", [0.5, 1])
@pytest.mark.parametrize("radius", [1, 4])
def test_unsharp_sharpens_where_the_blur_changes_more_than_the_threshold(
    cat: Image.Image, amount: float, radius: float, threshold: int
) -> None:
    pixels = levels(cat)
    difference = pixels - gaussian(pixels, radius)
    expected = np.where(np.abs(difference) > threshold, pixels + amount * difference, pixels).clip(0, 255)

    got = levels(result(cat, f"unsharp:amount={amount},radius={radius},threshold={threshold}"))

    # The blur is rounded to whole levels: nearer than that to the threshold it may go either way.
    is_clear = np.abs(np.abs(difference) - threshold) > 1
    assert np.abs(got - expected)[is_clear | (threshold == 0)].max() <= 2
    assert psnr(got, expected) > 40


@pytest.mark.proves("unsharp")
@pytest.mark.parametrize(("amount", "radius", "threshold"), [(1, 2, 3), (2, 3, 0), (0.5, 5, 10)])
def test_unsharp_is_similar_to_that_of_pillow(cat: Image.Image, amount: float, radius: int, threshold: int) -> None:
    theirs = cat.filter(ImageFilter.UnsharpMask(radius, round(amount * 100), threshold))
    assert (
        psnr(levels(result(cat, f"unsharp:amount={amount},radius={radius},threshold={threshold}")), levels(theirs)) > 40
    )


def test_unsharp_without_threshold_is_sharpen(cat: Image.Image) -> None:
    assert (
        result(cat, "unsharp:amount=2,radius=3,threshold=0").tobytes()
        == result(cat, "sharpen:amount=2,sigma=3").tobytes()
    )


@pytest.mark.parametrize("sigma", [3.9, 4, 5, 7.9, 8])
def test_blur_of_noise_is_the_gaussian_at_the_least_sigma_of_half_size(sigma: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 97, 3), np.uint8))
    assert psnr(levels(result(noise, f"blur:sigma={sigma}")), gaussian(levels(noise), sigma)) > 48
