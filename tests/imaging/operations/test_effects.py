"""Pixelate and vignette against their formulas in float64, noise by its statistics."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import Array, animation, encoded, levels, opened, picture, result, run, sample
from PIL import Image

NOISE = Image.fromarray(np.random.default_rng(7).integers(0, 256, (37, 52, 4), np.uint8))
PHOTO = sample("coffee.jpg").resize((120, 80))


@pytest.mark.proves("pixelate")
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("image", [NOISE, PHOTO], ids=["noise", "photo"])
@pytest.mark.parametrize("size", [2, 3, 7, 16, 50, 1000])
def test_every_block_is_the_mean_of_its_pixels(image: Image.Image, size: int, mode: str) -> None:
    before = levels(image.convert(mode))
    after = levels(result(image.convert(mode), f"pixelate:size={size}"))
    for top in range(0, len(before), size):
        for left in range(0, before.shape[1], size):
            block = np.s_[top : top + size, left : left + size]
            assert np.abs(after[block] - before[block].mean(axis=(0, 1))).max() <= 1


def test_a_hidden_colour_does_not_count_in_a_block() -> None:
    image = Image.new("RGBA", (8, 8), (0, 255, 0, 0))
    image.paste((200, 120, 40, 255), (0, 0, 4, 8))
    assert np.abs(levels(result(image, "pixelate:size=8")) - (200, 120, 40, 128)).max() <= 1


@pytest.mark.proves("vignette")
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("image", [NOISE, PHOTO], ids=["noise", "photo"])
@pytest.mark.parametrize(("strength", "radius", "colour"), [(0.5, 0.4, (0, 0, 0)), (1, 0.2, (255, 200, 100))])
def test_vignette_follows_its_formula(
    image: Image.Image, mode: str, strength: float, radius: float, colour: tuple[int, int, int]
) -> None:
    before = image.convert(mode)
    height, width = before.height, before.width
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None] * 2 - 1
    share = ((np.hypot(x, y) / np.sqrt(2) - radius) / (1 - radius)).clip(0)
    share = strength * (3 * share**2 - 2 * share**3)[..., None]
    pixels = levels(before, "RGB")

    after = result(before, f"vignette:strength={strength},radius={radius},colour={bytes(colour).hex()}")

    assert np.abs(levels(after, "RGB") - (pixels + (colour - pixels) * share)).max() <= 1
    if mode == "RGBA":
        assert after.getchannel("A").tobytes() == before.getchannel("A").tobytes()


def test_a_grey_picture_stays_grey_under_a_grey_vignette() -> None:
    assert result(PHOTO.convert("L"), "vignette").mode == "L"
    assert result(PHOTO.convert("L"), "vignette:colour=red").mode == "RGB"


def grain(image: Image.Image, step: str) -> Array:
    return levels(result(image, step)) - levels(image)


@pytest.mark.proves("noise")
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["mono", "colour"])
def test_noise_is_gaussian_around_the_picture(mode: str, kind: str) -> None:
    flat = Image.new("RGBA", (400, 300), (128, 128, 128, 200)).convert(mode)
    after = levels(result(flat, f"noise:amount=20,kind={kind}"))
    added = (after[..., None] if after.ndim == 2 else after)[..., :3] - 128
    assert np.abs(added.mean(axis=(0, 1))).max() < 0.3
    assert added.std(axis=(0, 1)) == pytest.approx(20, rel=0.01)
    # Of a Gaussian, 68.3 % lie within one deviation and 95.4 % within two; the half level is rounding.
    assert [(np.abs(added) < 20 * n + 0.5).mean() for n in (1, 2)] == pytest.approx([0.695, 0.958], abs=0.01)
    if kind == "colour":
        assert np.abs(np.corrcoef(added.reshape(-1, 3).T) - np.eye(3)).max() < 0.02
    else:
        assert (added == added[..., :1]).all()


def test_noise_of_neighbours_is_not_correlated() -> None:
    added = grain(Image.new("L", (400, 700), 128), "noise:amount=20")
    for one, other in ((added[1:], added[:-1]), (added[:, 1:], added[:, :-1]), (added[350:], added[:350])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_the_same_seed_gives_the_same_noise() -> None:
    one, same, other = (result(PHOTO, f"noise:seed={seed}").tobytes() for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_noise_of_amount_0_changes_nothing_and_alpha_is_kept() -> None:
    assert result(NOISE, "noise:amount=0").tobytes() == NOISE.tobytes()
    assert result(NOISE, "noise:kind=colour").getchannel("A").tobytes() == NOISE.getchannel("A").tobytes()


def test_every_frame_gets_the_same_noise() -> None:
    grey = [Image.new("L", (40, 30), level).convert("RGB") for level in (100, 120)]
    frames = opened(run(animation(grey, "PNG", duration=50), "noise:amount=5"))
    added = []
    for index in (0, 1):
        frames.seek(index)
        added.append(levels(frames, "RGB") - (100, 120)[index])
    assert np.array_equal(added[0], added[1])


def test_a_seed_has_at_most_32_bits() -> None:
    assert opened(run(encoded(picture("RG")), f"noise:seed={2**32 - 1}")).size == (2, 1)
