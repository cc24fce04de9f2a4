"""Shear, perspective and orient, compared with Pillow and with pictures that are known at every point."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from pictures import Array, drawn, picture, result
from PIL import Image, ImageOps

from imgsrv.errors import InvalidParameter, OperationDoesNotFit, UnusableParameters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline

WIDTH, HEIGHT = 90, 60


def scene(x: Array, y: Array) -> Array:
    """A smooth picture, known at every place: x and y in pixels from the top left corner."""
    return np.stack([127 + 100 * np.sin(x / 9 + channel) * np.cos(y / 7 - channel) for channel in range(3)], axis=-1)


def sampled(width: int, height: int, place: Callable[[Array, Array], tuple[Array, Array]]) -> Array:
    """The scene at the positions that `place` gives for the centres of pixels."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return scene(*place(x, y))


def as_image(pixels: Array) -> Image.Image:
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


SCENE = as_image(sampled(WIDTH, HEIGHT, lambda x, y: (x, y)))


@pytest.mark.proves("shear")
@pytest.mark.parametrize(("x", "y"), [(20, 0), (-35, 0), (0, 15), (10, -12), (30, 20)])
def test_shear_moves_every_point_to_its_place(x: float, y: float) -> None:
    sheared = result(SCENE, f"shear:x={x},y={y}")
    across, down = math.tan(math.radians(x)), math.tan(math.radians(y))
    assert sheared.size == (
        math.ceil(WIDTH + HEIGHT * abs(across) - 1e-6),
        math.ceil(HEIGHT + WIDTH * abs(down) - 1e-6),
    )
    inverse = np.linalg.inv([[1, across], [down, 1]])

    def origin(to_x: Array, to_y: Array) -> tuple[Array, Array]:
        right, below = to_x - sheared.width / 2, to_y - sheared.height / 2
        return (
            inverse[0, 0] * right + inverse[0, 1] * below + WIDTH / 2,
            inverse[1, 0] * right + inverse[1, 1] * below + HEIGHT / 2,
        )

    pixels = np.asarray(sheared, np.float64)
    x_from, y_from = origin(*np.meshgrid(np.arange(sheared.width) + 0.5, np.arange(sheared.height) + 0.5))
    inside = (x_from > 3) & (x_from < WIDTH - 3) & (y_from > 3) & (y_from < HEIGHT - 3)
    assert inside.sum() > 2000
    assert np.abs(pixels[..., :3] - scene(x_from, y_from))[inside].max() <= 4
    assert (pixels[inside][:, 3] == 255).all()


def test_new_corners_of_shear_are_transparent_or_have_the_given_colour() -> None:
    assert result(SCENE, "shear:x=30").getpixel((0, HEIGHT - 1))[3] == 0  # type: ignore[index]  # a pixel of RGBA
    assert result(SCENE, "shear:x=30,background=lime").getpixel((0, HEIGHT - 1)) == (0, 255, 0)


def test_shear_shows_no_fringe_of_hidden_colours() -> None:
    soft = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    soft.paste((200, 0, 0, 255), (10, 10, 30, 30))
    pixels = np.asarray(result(soft, "shear:x=20"))
    assert pixels[pixels[..., 3] > 8][:, 1].max() <= 12


@pytest.mark.parametrize("parameters", ["x=45,y=45", "x=80,y=10", ""])
def test_a_shear_that_leaves_nothing_is_refused(parameters: str) -> None:
    with pytest.raises(UnusableParameters):
        parse_pipeline(f"shear:{parameters}" if parameters else "shear")


def test_a_shear_with_a_result_that_is_too_wide_is_refused() -> None:
    with pytest.raises(OperationDoesNotFit, match="32766"):
        result(Image.new("L", (1, 9000)), "shear:x=80")


CORNERS = [(0.1, 0.2), (0.9, 0.05), (0.8, 0.95), (0.15, 0.8)]


@pytest.mark.proves("perspective")
def test_perspective_moves_every_point_to_its_place() -> None:
    part = np.array(CORNERS) * (WIDTH, HEIGHT)
    corners = ";".join(f"{x}:{y}" for x, y in CORNERS)
    straight = result(SCENE, f"perspective:corners={corners},width=80,height=50")
    assert straight.size == (80, 50)
    # The homography by its eight linear equations, source from target.
    rows, values = [], []
    for (u, v), (x, y) in zip([(0, 0), (80, 0), (80, 50), (0, 50)], part, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
        values += [x, y]
    a, b, c, d, e, f, g, h = np.linalg.solve(np.array(rows, np.float64), np.array(values))

    def origin(u: Array, v: Array) -> tuple[Array, Array]:
        depth = g * u + h * v + 1
        return (a * u + b * v + c) / depth, (d * u + e * v + f) / depth

    wanted = sampled(80, 50, origin)
    assert np.abs(np.asarray(straight, np.float64) - wanted).max() <= 5


@pytest.mark.parametrize(
    ("sides", "size"),
    [
        pytest.param("", (80, 60), id="its-own"),
        pytest.param(",width=40", (40, 30), id="width"),
        pytest.param(",height=120", (160, 120), id="height"),
        pytest.param(",width=7,height=9", (7, 9), id="both"),
    ],
)
def test_perspective_has_the_size_of_the_part_or_its_proportions(sides: str, size: tuple[int, int]) -> None:
    pipeline = f"perspective:corners=0.1:0;0.9:0;0.9:1;0.1:1{sides}"
    assert result(Image.new("L", (100, 60)), pipeline).size == size
    assert parse_pipeline(pipeline).steps[0].result_size((100, 60)) == size


def test_perspective_to_a_smaller_size_mixes_all_pixels() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (600, 600), np.uint8))
    small = np.asarray(result(noise, "perspective:corners=0:0;1:0;1:1;0:1,width=60"), np.float64)
    wanted = np.asarray(noise.resize((60, 60), Image.Resampling.BICUBIC), np.float64)
    assert np.abs(small - wanted).max() <= 2


@pytest.mark.parametrize("size", [(4000, 3), (3, 4000), (1, 1), (900, 900)])
@pytest.mark.parametrize("sides", ["width=3,height=2000", "width=2000,height=3", "width=1,height=1"])
def test_perspective_of_any_shape_has_the_requested_size(size: tuple[int, int], sides: str) -> None:
    pipeline = f"perspective:corners=0:0;0.5:0;1:1;0.9:1,{sides}"
    assert result(Image.new("RGB", size), pipeline).size == parse_pipeline(pipeline).steps[0].result_size(size)


def test_perspective_shows_no_fringe_of_hidden_colours() -> None:
    soft = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    soft.paste((200, 0, 0, 255), (10, 10, 30, 30))
    for sides in ("", ",width=23", ",width=90"):
        pixels = np.asarray(result(soft, f"perspective:corners=0.1:0;0.9:0.1;1:1;0:0.9{sides}"))
        assert pixels[pixels[..., 3] > 32][:, 1].max() <= 4


def test_perspective_of_an_upright_rectangle_is_a_crop() -> None:
    quarter = result(SCENE, "perspective:corners=0:0;0.5:0;0.5:0.5;0:0.5")
    assert np.array_equal(np.asarray(quarter), np.asarray(SCENE.crop((0, 0, WIDTH // 2, HEIGHT // 2))))


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param("0:0;1:0;1:1", id="three"),
        pytest.param("0:0;0:1;1:1;1:0", id="counter-clockwise"),
        pytest.param("0:0;1:1;1:0;0:1", id="crossed"),
        pytest.param("0:0;1:0;0.4:0.3;0:1", id="not-convex"),
        pytest.param("0:0;0:0;1:1;0:1", id="two-in-one"),
        pytest.param("0:0;1.1:0;1:1;0:1", id="outside"),
        pytest.param("0:0;nan:0;1:1;0:1", id="not-a-number"),
        pytest.param("left", id="no-numbers"),
    ],
)
def test_corners_that_form_no_convex_shape_are_refused(corners: str) -> None:
    with pytest.raises(InvalidParameter, match="clockwise from the top left"):
        parse_pipeline(f"perspective:corners={corners}")


@pytest.mark.parametrize("value", range(1, 9))
def test_orient_applies_an_exif_orientation(value: int) -> None:
    image = picture("RGB/YWK")
    image.getexif()[274] = value
    assert drawn(result(picture("RGB/YWK"), f"orient:value={value}")) == drawn(ImageOps.exif_transpose(image))
