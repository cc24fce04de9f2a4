"""The finer parameters of resize, crop and smartcrop: position and size of a part, and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import Array, encoded, levels, opened, picture, psnr, result, sample
from PIL import Image, ImageDraw

from imgsrv.errors import OperationDoesNotFit, UnusableParameters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

RAMP = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (40, 1)))
"""Each column has its own number as level."""


def columns(image: Image.Image) -> tuple[int, int]:
    """The first and the last column of the ramp in a part of it."""
    row = np.asarray(image)[0]
    return int(row[0]), int(row[-1])


@pytest.mark.parametrize(("focus", "left"), [(0.0, 0), (0.1, 0), (0.3, 40), (0.5, 80), (0.95, 160), (1.0, 160)])
def test_the_focus_is_in_the_middle_or_as_near_as_possible(focus: float, left: int) -> None:
    assert columns(result(RAMP, f"crop:width=40,height=40,focus_x={focus}")) == (left, left + 39)
    assert columns(result(RAMP, f"resize:width=40,height=40,fit=cover,focus_x={focus}")) == (left, left + 39)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ("width=0.5", (100, 40)),
        ("width=0.5,height=0.25", (100, 10)),
        ("width=0.001", (1, 40)),
        ("aspect=1:1", (40, 40)),
        ("aspect=16:9", (71, 40)),
        ("aspect=10", (200, 20)),
        ("aspect=2,width=60", (60, 30)),
        ("aspect=2,height=10", (20, 10)),
        ("aspect=1:50", (1, 40)),
        ("aspect=200:40.8,width=200", (200, 40)),
    ],
)
def test_a_part_can_be_a_fraction_or_a_shape(parameters: str, size: tuple[int, int]) -> None:
    assert result(RAMP, f"crop:{parameters}").size == size
    (step,) = parse_pipeline(f"crop:{parameters}").steps
    assert step.result_size(RAMP.size) == size


@pytest.mark.parametrize("parameters", ["width=60,aspect=1:1", "height=30,aspect=10"])
def test_a_shape_that_does_not_fit_into_the_picture_is_refused(parameters: str) -> None:
    with pytest.raises(OperationDoesNotFit, match="inside the picture of 200×40"):
        result(RAMP, f"crop:{parameters}")


def test_edges_can_be_fractions() -> None:
    assert columns(result(RAMP, "crop:width=0.5,left=0.25")) == (50, 149)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ("width=50,dpr=2", (100, 20)),
        ("width=50,height=5,fit=cover,dpr=1.5", (75, 8)),
        ("width=50,min_height=20", (100, 20)),
        ("width=50,height=5,fit=fill,min_height=8", (50, 8)),
        ("width=500,dpr=2", (200, 40)),
        ("width=500,enlarge=true,dpr=0.5", (250, 50)),
        ("min_width=300,enlarge=true", (300, 60)),
        ("max_width=50", (50, 10)),
        ("max_width=500", (200, 40)),
        ("max_width=60,max_height=10", (50, 10)),
        ("max_width=30,dpr=2", (60, 12)),
        ("width=50,height=20,fit=outside,max_width=70", (70, 14)),
        ("width=50,height=30,fit=fill,max_height=8", (50, 8)),
        ("max_width=30,fit=fill", (30, 40)),
        ("max_width=50,min_height=20", (100, 20)),
        ("max_width=50,min_height=20,fit=fill", (50, 40)),
    ],
)
def test_density_and_bounds_decide_the_size(parameters: str, size: tuple[int, int]) -> None:
    assert result(RAMP, f"resize:{parameters}").size == size


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("resize:width=9,focus_x=0.5", "fit=cover"),
        ("resize:width=9,height=9,fit=cover,focus_x=0.5,gravity=north", "leave one of them out"),
        ("resize:width=9,height=9,fit=contain,min_width=9", "no use for min_width"),
        ("resize:width=9,height=9,fit=cover,max_height=9", "no use for .*max_height"),
        ("resize:width=30000,dpr=2", "32768"),
        ("resize:max_width=30000,dpr=2", "32768"),
        ("resize:width=9,kernel=hamming,linear=true", "another kernel or leave linear out"),
        ("crop", "width, height or aspect is needed"),
        ("crop:width=9,height=9,aspect=1", "leave one of them out"),
        ("crop:width=9,focus_x=0.5,gravity=north", "leave one of them out"),
    ],
)
def test_contradicting_parameters_are_refused_with_what_to_change(step: str, hint: str) -> None:
    with pytest.raises(UnusableParameters, match=hint):
        parse_pipeline(step)


@pytest.mark.parametrize("at", [(20, 30), (150, 30), (85, 130), (150, 130)])
@pytest.mark.parametrize("step", ["smartcrop:width=60,height=60", "crop:width=60,height=60,gravity=smart"])
def test_the_salient_part_is_kept(step: str, at: tuple[int, int]) -> None:
    image = Image.new("RGB", (220, 200), (90, 110, 130))
    draw = ImageDraw.Draw(image)
    draw.ellipse((*at, at[0] + 36, at[1] + 36), fill=(224, 172, 140))
    draw.ellipse((at[0] + 10, at[1] + 12, at[0] + 14, at[1] + 16), fill="black")
    draw.ellipse((at[0] + 22, at[1] + 12, at[0] + 26, at[1] + 16), fill="black")
    scale = 1 if step.startswith("crop") else 200 / 60
    skin = (np.abs(levels(result(image, step)) - (224, 172, 140)).max(axis=2) < 40).sum() * scale**2
    assert skin > 0.85 * (np.abs(levels(image) - (224, 172, 140)).max(axis=2) < 40).sum()


def test_smart_gravity_keeps_the_head_of_a_portrait() -> None:
    made = result(sample("astronaut.jpg"), "crop:width=220,height=220,gravity=smart")
    face = sample("astronaut.jpg").crop((185, 70, 265, 170))
    found = levels(made, "L")
    wanted = levels(face, "L")
    differences = [
        np.abs(found[top : top + 100, left : left + 80] - wanted).mean() for top in range(121) for left in range(141)
    ]
    assert min(differences) < 1


def _light(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _levels(light: Array) -> Array:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", ["coffee.jpg", "rocket.jpg"])
def test_linear_light_is_that_of_pillow_in_floating_point(name: str) -> None:
    # Without the profile that the file brings along.
    image = Image.fromarray(np.asarray(sample(name)))
    made = result(image, "resize:width=150,linear=true")
    light = _light(levels(image) / 255)
    channels = [
        Image.fromarray(light[..., channel].astype(np.float32)).resize(made.size, Image.Resampling.LANCZOS)
        for channel in range(3)
    ]
    wanted = np.rint(_levels(np.stack([np.asarray(one, np.float64) for one in channels], axis=-1)))
    assert np.abs(levels(made) - wanted).max() <= 1
    assert psnr(levels(made), wanted) > 50


def test_linear_light_keeps_the_brightness_of_a_fine_pattern() -> None:
    pattern = Image.fromarray(np.tile(np.array([[0, 255], [255, 0]], np.uint8), (40, 40)))
    assert result(pattern, "resize:width=20,linear=true").getpixel((10, 10)) == pytest.approx(188, abs=1)
    assert result(pattern, "resize:width=20").getpixel((10, 10)) == pytest.approx(128, abs=1)


def test_linear_light_shows_no_hidden_colours() -> None:
    soft = picture("R.R.R.R./.R.R.R.R", "RGBA").resize((64, 16), Image.Resampling.NEAREST)
    soft = Image.fromarray(np.where(np.asarray(soft)[..., 3:] == 0, (0, 255, 0, 0), np.asarray(soft)).astype(np.uint8))
    pixels = np.asarray(result(soft, "resize:width=13,linear=true"))
    assert pixels[pixels[..., 3] > 8][:, 1].max() <= 4


def test_hamming_is_that_of_pillow() -> None:
    image = sample("coffee.jpg")
    made = result(image, "resize:width=123,kernel=hamming")
    assert np.array_equal(np.asarray(made), np.asarray(image.resize(made.size, Image.Resampling.HAMMING)))


def test_linear_light_of_a_soft_picture_is_that_of_pillow_in_floating_point() -> None:
    image = sample("coffee.jpg")
    image.putalpha(sample("rocket.jpg", "L").resize(image.size).point(lambda level: max(40, level)))
    made = levels(result(image, "resize:width=150,linear=true"))
    pixels = levels(image) / 255
    weighted = np.concatenate([_light(pixels[..., :3]) * pixels[..., 3:], pixels[..., 3:]], axis=-1)
    mixed = np.stack(
        [
            np.asarray(
                Image.fromarray(weighted[..., channel].astype(np.float32)).resize((150, 100), Image.Resampling.LANCZOS)
            )
            for channel in range(4)
        ],
        axis=-1,
    ).astype(np.float64)
    assert np.abs(made[..., 3] - 255 * np.clip(mixed[..., 3], 0, 1)).max() <= 1
    assert np.abs(made[..., :3] - _levels(mixed[..., :3] / mixed[..., 3:])).max() <= 2


def test_linear_light_of_a_large_jpeg_is_that_of_its_pixels() -> None:
    stars = Image.new("L", (640, 480), 8)
    for x, y in np.random.default_rng(3).integers(8, 472, (60, 2)):
        stars.paste(255, (int(x), int(y), int(x) + 2, int(y) + 2))
    data = encoded(stars, "JPEG", quality=95)
    assert np.array_equal(
        levels(result(data, "resize:width=80,linear=true")), levels(result(opened(data), "resize:width=80,linear=true"))
    )
