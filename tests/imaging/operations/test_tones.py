"""Operations on levels and colours, compared with their formulas in float64 within one level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import result, sample
from PIL import Image

from imgsrv.errors import InvalidParameter, UnusableParameters
from imgsrv.imaging.colour.monotone_curve import interpolate
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

Array = NDArray[np.float64]

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 60, 4), np.uint8))
PHOTO = sample("coffee.jpg").resize((90, 60))

LUMA = np.array([0.299, 0.587, 0.114])


def lumas(colours: Array) -> Array:
    return np.asarray((colours @ LUMA)[..., None])


def matrix(*rows: tuple[float, float, float]) -> Callable[[Array], Array]:
    return lambda colours: colours @ np.array(rows).T


def levels(colours: Array) -> Array:
    share = ((colours - 40) / (200 - 40)).clip(0, 1)
    return np.asarray(250 - 240 * share ** (1 / 2.0))


def hue_90(colours: Array) -> Array:
    """W3C Filter Effects, feColorMatrix hueRotate, with cos 90° = 0 and sin 90° = 1."""
    base = np.tile([0.213, 0.715, 0.072], (3, 1))
    sine = np.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]])
    return np.asarray(colours @ (base + sine).T)


FORMULAS = {
    "gamma:value=2.2": lambda colours: 255 * (colours / 255) ** (1 / 2.2),
    "levels:black=40,white=200,gamma=2,out_black=250,out_white=10": levels,
    "invert": lambda colours: 255 - colours,
    "posterize:levels=3": lambda colours: np.round(colours / 127.5) * 127.5,
    "solarize:threshold=100": lambda colours: np.where(colours >= 100, 255 - colours, colours),
    "curves:points=0.2:0;0.8:1": lambda colours: 255 * ((colours / 255 - 0.2) / 0.6).clip(0, 1),
    "hue:degrees=90": hue_90,
    "tint:colour=8040c0": lambda colours: lumas(colours) + (np.array([128, 64, 192]) - LUMA @ [128, 64, 192]),
    "duotone:shadow=102030,highlight=f0e0d0": lambda colours: (
        np.array([16, 32, 48]) + (np.array([240, 224, 208]) - [16, 32, 48]) * lumas(colours) / 255
    ),
    "sepia": matrix((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)),
    "matrix:values=0;1;0;0;0;1;1;0;0": matrix((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "matrix:values=0.5;0.25;0.25;-1;2;0;0;0;3": matrix((0.5, 0.25, 0.25), (-1, 2, 0), (0, 0, 3)),
}


@pytest.mark.proves(
    "gamma", "levels", "invert", "posterize", "solarize", "curves", "hue", "tint", "duotone", "sepia", "matrix"
)
@pytest.mark.parametrize("frame", [NOISE, PHOTO], ids=["noise", "photo"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("pipeline", FORMULAS)
def test_an_operation_follows_its_formula_within_one_level_and_keeps_alpha(
    pipeline: str, mode: str, frame: Image.Image
) -> None:
    before = frame.convert(mode)
    after = result(before, pipeline)

    expected = FORMULAS[pipeline](np.asarray(before.convert("RGB"), np.float64)).clip(0, 255)

    assert np.abs(np.asarray(after.convert("RGB"), np.float64) - expected).max() <= 1
    if mode == "RGBA":
        assert after.getchannel("A").tobytes() == before.getchannel("A").tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize(
    "pipeline",
    [
        *("gamma:value=1", "levels", "posterize:levels=256", "solarize:threshold=256", "curves:points=0:0;1:1"),
        *("hue:degrees=0", "hue:degrees=360", "temperature:kelvin=6500", "tint:colour=red,amount=0", "sepia:amount=0"),
        *("matrix:values=1;0;0;0;1;0;0;0;1", "invert/invert", "normalize:lower=0,upper=100"),
    ],
)
def test_neutral_parameters_change_nothing(pipeline: str, mode: str) -> None:
    frame = NOISE.convert(mode)
    # Its darkest and brightest luma fill the range, or normalize would stretch it.
    frame.paste((0, 0, 0, 255)[: len(mode)] if mode != "L" else 0, (0, 0, 1, 1))
    frame.paste((255, 255, 255, 255)[: len(mode)] if mode != "L" else 255, (1, 0, 2, 1))
    assert np.array_equal(np.asarray(result(frame, pipeline).convert(mode)), np.asarray(frame))


def test_normalize_fills_the_range_and_keeps_grey_grey() -> None:
    dull = Image.linear_gradient("L").point([60 + level // 3 for level in range(256)])
    after = np.asarray(result(dull, "normalize:lower=0,upper=100"), np.float64)
    assert (after.min(), after.max()) == (0, 255)
    coloured = np.asarray(result(dull.convert("RGB"), "normalize").convert("RGB"))
    assert (coloured[..., 0] == coloured[..., 2]).all()


def test_normalize_counts_only_visible_pixels() -> None:
    frame = Image.new("RGBA", (10, 10), (100, 100, 100, 255))
    frame.paste((150, 150, 150, 255), (0, 0, 5, 10))
    hidden = frame.copy()
    hidden.paste((255, 255, 255, 0), (0, 0, 1, 10))
    plain, partly = (np.asarray(result(each, "normalize"))[:, 1:, :3] for each in (frame, hidden))
    assert np.array_equal(plain, partly)


def test_a_picture_of_one_luma_is_kept_by_normalize() -> None:
    assert result(Image.new("L", (5, 5), 77), "normalize").getpixel((0, 0)) == 77


def test_warm_light_is_redder_and_cool_light_bluer_than_neutral() -> None:
    grey = Image.new("RGB", (1, 1), (128, 128, 128))
    warm, cool = (np.asarray(result(grey, f"temperature:kelvin={kelvin}")).reshape(3) for kelvin in (3000, 12000))
    assert warm[0] > warm[1] > warm[2]
    assert cool[2] > cool[0]
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = ((np.array([warm, cool]) / 255 + 0.055) / 1.055) ** 2.4 @ weights
    assert np.abs(light / ((128 / 255 + 0.055) / 1.055) ** 2.4 - 1).max() < 0.03


def test_a_curve_goes_through_its_points_and_never_overshoots_them() -> None:
    points = [(0.0, 0.1), (0.3, 0.1), (0.5, 0.9), (0.7, 0.9), (1.0, 0.2)]
    assert interpolate(points, [x for x, _y in points]) == pytest.approx([y for _x, y in points])
    heights = np.array(interpolate(points, np.linspace(0, 1, 1001)))
    steps = np.diff(heights)
    assert (steps[300:499] >= -1e-12).all()
    assert (steps[700:] <= 1e-12).all()
    assert (heights.min(), heights.max()) == pytest.approx((0.1, 0.9))


def test_a_curve_of_one_channel_leaves_the_others() -> None:
    after = np.asarray(result(PHOTO, "curves:points=0:1;1:0,channel=green"), int)
    before = np.asarray(PHOTO, int)
    assert np.array_equal(after[..., [0, 2]], before[..., [0, 2]])
    assert np.abs(after[..., 1] - (255 - before[..., 1])).max() <= 1


@pytest.mark.parametrize(
    "step",
    [
        *("curves:points=0:0", "curves:points=0:0;0:1", "curves:points=0.5:0;0.2:1", "curves:points=0:0;2:1"),
        *("curves:points=0:nan;1:1", "curves:points=a:b;1:1", "curves:points=0;1", "matrix:values=1;2;3"),
        *("matrix:values=1;0;0;0;1;0;0;0;inf", "matrix:values=1;0;0;0;1;0;0;0;101", "tint:colour=ff000080"),
    ],
)
def test_an_invalid_list_of_numbers_is_refused_with_a_valid_form(step: str) -> None:
    with pytest.raises(InvalidParameter, match="such as"):
        parse_pipeline(step)


def test_black_must_be_below_white() -> None:
    with pytest.raises(UnusableParameters, match="black"):
        parse_pipeline("levels:black=200,white=100")


def test_lists_of_numbers_are_printed_as_they_are_written() -> None:
    text = "curves:points=0:0;0.5:0.6;1:1/matrix:values=1;0;0;0;1;0;0;0;0.5"
    assert str(parse_pipeline(text)) == text
