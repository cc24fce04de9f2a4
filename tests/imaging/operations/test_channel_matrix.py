"""Brightness, contrast, saturation and grayscale against their formulas in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pictures import Array, drawn, levels, picture, result, sample
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114])

FORMULAS: dict[str, Callable[[Array, float], Array]] = {
    "brightness": lambda level, factor: level * factor,
    "contrast": lambda level, factor: 127.5 + (level - 127.5) * factor,
    "saturation": lambda level, factor: (level @ LUMA)[..., None] * (1 - factor) + level * factor,
}

FACTORS = [0, 0.3, 0.5, 1, 1.7, 4, 10]


def all_colours() -> Image.Image:
    """Colours of 17 levels per channel, with every corner of the cube."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, 289, 3))


@pytest.mark.proves("brightness", "contrast", "saturation")
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", FORMULAS)
def test_colours_follow_the_formula(name: str, factor: float) -> None:
    expected = FORMULAS[name](levels(all_colours()), factor).clip(0, 255)
    assert np.abs(levels(result(all_colours(), f"{name}:factor={factor}")) - expected).max() <= 1


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_greys_follow_the_formula(name: str, factor: float) -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    got = result(ramp, f"{name}:factor={factor}")
    assert got.mode == "L"
    assert np.abs(levels(got) - FORMULAS[name](levels(ramp), factor).clip(0, 255)).max() <= 1


def test_saturation_leaves_grey_as_it_is() -> None:
    assert drawn(result(picture("KW", "L"), "saturation:factor=3")) == "KW"


@pytest.mark.parametrize("name", FORMULAS)
def test_a_factor_of_one_changes_nothing(name: str) -> None:
    assert result(all_colours(), f"{name}:factor=1").tobytes() == all_colours().tobytes()


@pytest.mark.proves("grayscale")
def test_grayscale_is_the_luma() -> None:
    got = result(all_colours(), "grayscale")
    assert got.mode == "L"
    assert np.abs(levels(got) - levels(all_colours()) @ LUMA).max() <= 1


@pytest.mark.parametrize("step", ["brightness:factor=0.5", "contrast:factor=2", "saturation:factor=2", "grayscale"])
def test_alpha_is_kept_unchanged(step: str) -> None:
    image = sample("chelsea.png", "RGBA").resize((64, 64))
    alpha = Image.fromarray(np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8))
    image.putalpha(alpha)
    assert result(image, step).getchannel("A").tobytes() == alpha.tobytes()
