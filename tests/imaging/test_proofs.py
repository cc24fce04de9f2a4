"""Every operation is compared with an independent result; a marker on a test names the operations that it proves.

An independent result comes from NumPy in float64, Pillow, OpenCV or a published table, never from imgsrv itself.  This
file also has the comparisons that belong to no other file.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from pictures import Array, levels, result, sample
from PIL import Image, ImageDraw, ImageFont, ImageOps, features

from imgsrv.imaging.lettering.fonts import BUILT_IN, typeface
from imgsrv.imaging.operations import OPERATIONS

PHOTO = sample("coffee.jpg").resize((120, 90))
LUMA = np.array([0.299, 0.587, 0.114])


def proven(source: str) -> set[str]:
    """The operations that the markers of a file name: `@pytest.mark.proves("blur", "sharpen")`."""
    marks = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    names = [
        mark.args
        for mark in marks
        if isinstance(mark.func, ast.Attribute) and ast.unparse(mark.func).endswith("mark.proves")
    ]
    return {
        name.value for row in names for name in row if isinstance(name, ast.Constant) and isinstance(name.value, str)
    }


def test_every_operation_has_an_independent_comparison() -> None:
    files = Path(__file__).parent.rglob("test_*.py")
    assert set().union(*(proven(file.read_text(encoding="utf-8")) for file in files)) == set(OPERATIONS)


# ---- the comparisons that belong to no other file ---------------------------------------------------------


@pytest.mark.proves("extend", "border")
def test_margins_equal_those_of_numpy_and_pillow() -> None:
    expected = ImageOps.expand(PHOTO, 7, (200, 100, 50))
    assert result(PHOTO, "border:width=7,colour=c86432").tobytes() == expected.tobytes()
    padded = np.pad(np.asarray(PHOTO), ((0, 0), (20, 20), (0, 0)), constant_values=255)
    assert np.array_equal(np.asarray(result(PHOTO, "extend:width=160,colour=white")), padded)


@pytest.mark.proves("redact")
def test_a_pixelated_box_has_the_means_of_its_cells() -> None:
    before, after = levels(PHOTO), levels(result(PHOTO, "redact:boxes=20;30;60;36,mode=pixelate"))
    expected = before.copy()
    cells = before[30:66, 20:80].reshape(6, 6, 10, 6, 3).mean(axis=(1, 3))
    expected[30:66, 20:80] = np.kron(cells, np.ones((6, 6, 1)))
    assert np.abs(after - expected).max() <= 1


@pytest.mark.proves("gradient")
@pytest.mark.parametrize("angle", [0, 30, 135, -100])
def test_a_gradient_at_any_angle_is_interpolated_with_premultiplied_alpha(angle: float) -> None:
    turn = math.radians(angle)
    y, x = np.mgrid[-44.5:45, -59.5:60]
    along = y * math.cos(turn) - x * math.sin(turn)
    reach = 60 * abs(math.sin(turn)) + 45 * abs(math.cos(turn))
    share = (along / reach / 2 + 0.5)[..., None]
    start, end, alphas = np.array([255, 128, 0]), np.array([0, 64, 255]), (0.2, 1.0)
    alpha = alphas[0] * (1 - share) + alphas[1] * share
    laid = start * alphas[0] * (1 - share) + end * alphas[1] * share
    expected = laid + levels(PHOTO) * (1 - alpha)
    # Three levels: the table has 256 steps, and colour and alpha are rounded before they are laid over.
    got = levels(result(PHOTO, f"gradient:start=ff800033,end=0040ff,angle={angle}"))
    assert np.abs(got - expected).max() <= 3


@pytest.mark.proves("normalize")
@pytest.mark.parametrize(("lower", "upper"), [(1, 99), (0, 100), (20, 70)])
def test_normalize_stretches_between_the_percentiles_of_numpy(lower: float, upper: float) -> None:
    low, high = np.percentile(np.asarray(PHOTO.convert("L")), (lower, upper), method="inverted_cdf").astype(float)
    expected = ((levels(PHOTO) - low) * 255 / (high - low)).clip(0, 255)
    assert np.abs(levels(result(PHOTO, f"normalize:lower={lower},upper={upper}")) - expected).max() <= 1


BLACK_BODIES = {5000: (0.3451, 0.3516), 6500: (0.3135, 0.3236), 10_000: (0.2807, 0.2883)}
"""x and y of black bodies (CIE 1931, Wyszecki & Stiles, Color Science)."""


def light(kelvin: int) -> Array:
    x, y = BLACK_BODIES[kelvin]
    matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    return np.asarray(matrix @ np.array([x / y, 1, (1 - x - y) / y]))


@pytest.mark.proves("temperature")
@pytest.mark.parametrize("kelvin", [5000, 10_000])
def test_temperature_follows_the_light_of_a_black_body(kelvin: int) -> None:
    share = levels(PHOTO) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = linear * light(kelvin) / light(6500)
    expected = 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).clip(0, 1)
    # Two levels: the table has four digits, and the formula of the operation is an approximation of it.
    assert np.abs(levels(result(PHOTO, f"temperature:kelvin={kelvin}")) - expected).max() <= 2


@pytest.mark.proves("text")
@pytest.mark.skipif(not features.check("raqm"), reason="Pillow kerns only with FriBidi of the system")
@pytest.mark.parametrize("align", ["left", "center", "right"])
def test_text_equals_that_of_pillow_drawn_larger_and_reduced(align: str) -> None:
    # Eight times as large, the hints of the font and the rounding of places to whole pixels hardly matter.
    fine, size = 8, 24
    face = ImageFont.truetype(typeface(BUILT_IN).file, size * fine)
    lines = "Day", "break, 7"
    widths = [face.getlength(line) for line in lines]
    start = {"left": 0.0, "center": 0.5, "right": 1.0}[align] * (max(widths) - widths[0])
    # The ascender and the descender of the font are 984 and 273 thousandths of the size.
    apart = round(size * (0.984 + 0.273)) * fine
    mask = Image.new("L", (200 * fine, 120 * fine))
    draw = ImageDraw.Draw(mask)
    draw.text((20 * fine + start, 40 * fine), lines[0], 255, face, anchor="ls")
    draw.text((20 * fine, 40 * fine + apart), lines[1], 255, face, anchor="ls")
    share = levels(mask.reduce(fine)) / 255
    expected = np.array((30, 60, 90)) * (1 - share[..., None]) + np.array((255, 200, 0)) * share[..., None]
    got = levels(
        result(
            Image.new("RGB", (200, 120), (30, 60, 90)),
            f"text:text=Day%0Abreak%2C 7,size=24,colour=ffc800,gravity=northwest,margin=0.0834,align={align}",
        )
    )
    inked = [np.argwhere((picture != (30, 60, 90)).any(axis=2)).min(axis=0) for picture in (got, expected)]
    (top, left), (y, x) = inked
    height, width = 66, 110
    difference = np.abs(got[top : top + height, left : left + width] - expected[y : y + height, x : x + width])
    assert difference.mean() < 0.5
    # A twelfth of a pixel of coverage: Pillow stands glyphs on an eighth.
    assert difference.max() <= 255 / 8


def smooth(values: Array, kernel: Array) -> Array:
    """Smooth along both axes; edges are repeated."""
    half = len(kernel) // 2
    for axis in (0, 1):
        margins = [(half, half) if axis == this else (0, 0) for this in (0, 1)]
        values = sliding_window_view(np.pad(values, margins, "edge"), len(kernel), axis) @ kernel
    return values


def attraction(colours: Array) -> Array:
    """Edges, skin, saturation and contrast by their weights, squared: the formula of the operation in float64."""
    luma = colours @ LUMA
    around = np.pad(luma, 1, "edge")
    slope = around[2:, 1:-1] + around[:-2, 1:-1] + around[1:-1, 2:] + around[1:-1, :-2] - 4 * luma
    direction = colours / np.maximum(np.linalg.norm(colours, axis=2, keepdims=True), 1e-6)
    skin = ((0.2 - np.linalg.norm(direction - (0.78, 0.57, 0.44), axis=2)) / 0.2).clip(0, 1) * (
        (luma > 0.2) & (luma < 0.95)
    )
    box = np.full(9, 1 / 9)
    contrast = 2 * np.sqrt((smooth(luma**2, box) - smooth(luma, box) ** 2).clip(0))
    total = 0.6 * np.abs(slope).clip(0, 1) + 2 * skin + 0.2 * np.ptp(colours, axis=2) + 0.2 * contrast.clip(0, 1)
    bell = np.exp(-(np.arange(-6, 7) ** 2) / (2 * 1.5**2))
    return smooth(total, bell / bell.sum()) ** 2


@pytest.mark.proves("smartcrop")
@pytest.mark.parametrize("name", ["coffee.jpg", "astronaut.jpg"])
@pytest.mark.parametrize(("width", "height"), [(40, 90), (120, 40)])
def test_smartcrop_finds_the_same_window_as_an_exhaustive_search(name: str, width: int, height: int) -> None:
    # As wide or as high as the picture, so that nothing is scaled.
    image = sample(name).resize((120, 90))
    windows = sliding_window_view(attraction(levels(image) / 255), (height, width))
    across, down = (np.abs(2 * (np.arange(side) + 0.5) / side - 1) for side in (width, height))
    scores = np.einsum("yxij,ij->yx", windows, 1 - 0.9 * np.maximum(across[None, :], down[:, None]) ** 4).ravel()
    scores = scores / scores.max() + 0.01 * (1 - np.abs(np.linspace(-1, 1, len(scores))))
    got = np.asarray(result(image, f"smartcrop:width={width},height={height}"))
    parts = sliding_window_view(np.asarray(image), (height, width), (0, 1)).reshape(len(scores), 3, height, width)
    found = np.flatnonzero((parts == got.transpose(2, 0, 1)).all(axis=(1, 2, 3)))
    assert len(found) == 1
    # Within a thousandth of the best: float32 may choose the neighbour.
    assert scores[found[0]] >= scores.max() - 1e-3
