"""Median and morphology equal those of Pillow and numpy; denoise follows its formula and removes noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import Array, levels, picture, psnr, result, sample
from PIL import Image, ImageFilter

NOISE = Image.fromarray(np.random.default_rng(6).integers(0, 256, (37, 52, 3), np.uint8))
PHOTO = sample("coffee.jpg").resize((120, 80))
PICTURES = pytest.mark.parametrize("image", [NOISE, PHOTO, NOISE.convert("L")], ids=["noise", "photo", "grey"])

Mask = NDArray[np.bool_]


@pytest.mark.proves("median")
@PICTURES
@pytest.mark.parametrize("radius", [1, 2, 3, 7])
def test_median_is_that_of_pillow(image: Image.Image, radius: int) -> None:
    theirs = image.filter(ImageFilter.MedianFilter(2 * radius + 1))
    assert result(image, f"median:radius={radius}").tobytes() == theirs.tobytes()


def test_a_median_of_alpha_removes_specks() -> None:
    image = picture("RRRRR/R.RRR/RRRRR/RRRRR/RRRRR", "RGBA")
    assert result(image, "median").getchannel("A").getextrema() == (255, 255)
    assert (levels(result(image, "median"), "RGB") == (255, 0, 0)).all()


def test_a_median_does_not_darken_the_edges_of_transparent_parts() -> None:
    stripes = Image.fromarray(np.tile(np.array([[100] * 3, [200] * 3], np.uint8), (40, 20, 1)).transpose(0, 1, 2))
    image = stripes.convert("RGBA")
    image.paste((0, 0, 0, 0), (20, 0, 40, 40))
    after = levels(result(image, "median:radius=7"))[5:-5]
    seen = after[..., 3] > 0
    assert after[..., :3][seen].min() >= 100
    # Half of the levels are 100: the darkest of them alone would be a dark rim.
    assert after[:, 17:20, 0].mean() > 125


def near(radius: int, shape: str) -> Mask:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray((x**2 + y**2 <= radius**2) if shape == "disk" else np.ones_like(x), np.bool_)


def extreme(pixels: Array, mask: Mask, least: bool) -> Array:  # noqa: FBT001  a helper of this file
    """The lowest or highest level under the mask; pixels outside of the picture do not count."""
    reach, beyond = len(mask) // 2, 999 if least else -999
    padded = np.pad(pixels, [(reach, reach), (reach, reach), *[(0, 0)] * (pixels.ndim - 2)], constant_values=beyond)
    height, width = pixels.shape[:2]
    shifted = [padded[y : y + height, x : x + width] for y, x in np.argwhere(mask)]
    return np.asarray(np.min(shifted, axis=0) if least else np.max(shifted, axis=0))


def erode(pixels: Array, mask: Mask) -> Array:
    return extreme(pixels, mask, least=True)


def dilate(pixels: Array, mask: Mask) -> Array:
    return extreme(pixels, mask, least=False)


KINDS: dict[str, Callable[[Array, Mask], Array]] = {
    "erode": erode,
    "dilate": dilate,
    "open": lambda pixels, mask: dilate(erode(pixels, mask), mask),
    "close": lambda pixels, mask: erode(dilate(pixels, mask), mask),
}


@pytest.mark.proves("morphology")
@PICTURES
@pytest.mark.parametrize("shape", ["disk", "square"])
@pytest.mark.parametrize("radius", [1, 2, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_morphology_is_the_extreme_level_under_the_shape(
    image: Image.Image, kind: str, radius: int, shape: str
) -> None:
    got = levels(result(image, f"morphology:kind={kind},radius={radius},shape={shape}"))
    assert np.array_equal(got, KINDS[kind](levels(image), near(radius, shape)))


@PICTURES
def test_a_square_gives_what_pillows_filters_give(image: Image.Image) -> None:
    for kind, theirs in (("erode", ImageFilter.MinFilter(5)), ("dilate", ImageFilter.MaxFilter(5))):
        ours = result(image, f"morphology:kind={kind},radius=2,shape=square")
        assert ours.tobytes() == image.filter(theirs).tobytes()


def test_dilate_grows_opaque_parts_in_their_own_colour() -> None:
    image = Image.new("RGBA", (9, 9), (0, 255, 0, 0))
    image.paste((200, 120, 40, 255), (4, 4, 5, 5))
    grown = result(image, "morphology:kind=dilate,radius=2,shape=square")
    assert grown.getchannel("A").getbbox() == (2, 2, 7, 7)
    assert (levels(grown)[2:7, 2:7] == (200, 120, 40, 255)).all()
    assert result(grown, "morphology:kind=erode,radius=2,shape=square").getchannel("A").getbbox() == (4, 4, 5, 5)


def bilateral(pixels: Array, noise: float) -> Array:
    """Tomasi and Manduchi's filter within a circle of 3 pixels."""
    padded = np.pad(pixels, 3, mode="edge")
    total, weights = np.zeros_like(pixels), np.zeros_like(pixels)
    for y, x in np.argwhere(near(3, "disk")) - 3:
        other = padded[3 + y : 3 + y + pixels.shape[0], 3 + x : 3 + x + pixels.shape[1]]
        weight = np.exp(-(x**2 + y**2) / (2 * 3.5**2) - ((other - pixels) / (2.5 * noise)) ** 2 / 2)
        total, weights = total + weight * other, weights + weight
    return total / weights


@pytest.mark.proves("denoise")
@pytest.mark.parametrize("image", [NOISE.convert("L"), PHOTO.convert("L")], ids=["noise", "photo"])
@pytest.mark.parametrize("strength", [1, 10, 40])
def test_denoise_of_grey_is_the_bilateral_filter(image: Image.Image, strength: int) -> None:
    got = levels(result(image, f"denoise:strength={strength}"))
    assert np.abs(got - bilateral(levels(image), strength)).max() <= 1


def test_denoise_smooths_the_luma_of_colours_as_it_smooths_grey() -> None:
    got = levels(result(PHOTO, "denoise:strength=10"), "L")
    assert psnr(got, bilateral(levels(PHOTO, "L"), 6.7)) > 45


@pytest.mark.parametrize(("noise", "gain"), [(6, 3.4), (15, 6.3), (30, 8.3)])
def test_denoise_brings_a_noisy_photograph_nearer_to_the_original(noise: int, gain: float) -> None:
    clean = sample("coffee.jpg").resize((450, 300))
    noisy = levels(clean) + np.random.default_rng(0).normal(0, noise, (300, 450, 3))
    image = Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))
    after = levels(result(image, f"denoise:strength={noise}"))
    assert psnr(after, levels(clean)) > psnr(levels(image), levels(clean)) + gain
