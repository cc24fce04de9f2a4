"""Resize: every fit, the size it promises, and the quality it reaches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import corpus, drawn, encoded, levels, opened, picture, psnr, result, sample
from PIL import Image

from imgsrv.errors import UnusableParameters
from imgsrv.imaging.pipelines.pipeline import parse_pipeline


def size_of(before: tuple[int, int], parameters: str) -> tuple[int, int]:
    return result(Image.new("L", before), f"resize:{parameters}").size


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        pytest.param("width=100", (100, 50), id="one-side-keeps-the-proportions"),
        pytest.param("height=100", (200, 100), id="the-other-side-too"),
        pytest.param("width=100,height=100", (100, 50), id="inside-is-the-default"),
        pytest.param("width=100,height=20,fit=inside", (40, 20), id="inside"),
        pytest.param("width=100,height=100,fit=outside", (200, 100), id="outside"),
        pytest.param("width=100,height=100,fit=cover", (100, 100), id="cover"),
        pytest.param("width=100,height=100,fit=contain", (100, 100), id="contain"),
        pytest.param("width=100,height=100,fit=fill", (100, 100), id="fill"),
        pytest.param("width=100,fit=fill", (100, 200), id="fill-with-one-side-keeps-the-other"),
        pytest.param("width=100,fit=cover", (100, 50), id="cover-with-one-side"),
        pytest.param("height=100,fit=contain", (200, 100), id="contain-with-one-side"),
        pytest.param("width=400", (400, 200), id="same-size"),
    ],
)
def test_every_fit_reduces_400_by_200_to(parameters: str, size: tuple[int, int]) -> None:
    assert size_of((400, 200), parameters) == size


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        pytest.param("width=80", (40, 20), id="one-side"),
        pytest.param("width=80,height=80,fit=inside", (40, 20), id="inside"),
        pytest.param("width=80,height=80,fit=outside", (40, 20), id="outside"),
        pytest.param("width=80,height=80,fit=fill", (40, 20), id="fill"),
        pytest.param("width=80,height=10,fit=fill", (40, 10), id="fill-one-side-larger"),
        pytest.param("width=80,height=80,fit=cover", (20, 20), id="cover-keeps-the-shape"),
        pytest.param("width=80,height=20,fit=cover", (40, 10), id="cover-wide"),
        pytest.param("width=80,height=80,fit=contain", (80, 80), id="contain-keeps-the-canvas"),
    ],
)
def test_a_picture_of_40_by_20_is_not_enlarged_by_default(parameters: str, size: tuple[int, int]) -> None:
    assert size_of((40, 20), parameters) == size


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        pytest.param("width=80", (80, 40), id="one-side"),
        pytest.param("width=80,height=80,fit=inside", (80, 40), id="inside"),
        pytest.param("width=80,height=80,fit=outside", (160, 80), id="outside"),
        pytest.param("width=80,height=80,fit=fill", (80, 80), id="fill"),
        pytest.param("width=80,height=80,fit=cover", (80, 80), id="cover"),
        pytest.param("width=80,height=80,fit=contain", (80, 80), id="contain"),
    ],
)
def test_a_picture_of_40_by_20_is_enlarged_on_request(parameters: str, size: tuple[int, int]) -> None:
    assert size_of((40, 20), parameters + ",enlarge=true") == size


@pytest.mark.parametrize(
    ("before", "width", "size"),
    [
        pytest.param((3, 2), 1, (1, 1), id="two-thirds-round-up"),
        pytest.param((10_000, 1), 5, (5, 1), id="never-below-one"),
        pytest.param((4, 6), 3, (3, 5), id="half-rounds-up"),
        pytest.param((1, 10_000), 1, (1, 10_000), id="nothing-to-do"),
    ],
)
def test_sides_are_rounded(before: tuple[int, int], width: int, size: tuple[int, int]) -> None:
    assert size_of(before, f"width={width}") == size


def test_width_or_height_is_needed() -> None:
    with pytest.raises(UnusableParameters, match="width or height is needed"):
        parse_pipeline("resize:fit=cover")


SIDES = st.integers(1, 70)


@given(
    before=st.tuples(SIDES, SIDES),
    width=st.none() | SIDES,
    height=SIDES,
    fit=st.sampled_from(["inside", "outside", "cover", "contain", "fill"]),
    enlarge=st.booleans(),
    form=st.sampled_from(["JPEG", "PNG"]),
)
def test_the_predicted_size_is_the_size_of_the_result(
    before: tuple[int, int], width: int | None, height: int, fit: str, *, enlarge: bool, form: str
) -> None:
    side = "" if width is None else f"width={width},"
    text = f"resize:{side}height={height},fit={fit},enlarge={str(enlarge).lower()}"

    got = result(encoded(Image.new("RGB", before, "red"), form), text)

    assert got.size == parse_pipeline(text).steps[0].result_size(before)


@pytest.mark.parametrize(
    ("gravity", "rows"),
    [("west", "RG"), ("center", "GB"), ("east", "BY"), ("north", "GB"), ("northwest", "RG"), ("southeast", "BY")],
)
def test_gravity_chooses_what_cover_keeps_of_a_wide_picture(gravity: str, rows: str) -> None:
    wide = picture("RGBY").resize((40, 10), Image.Resampling.NEAREST)
    got = result(wide, f"resize:width=20,height=10,fit=cover,gravity={gravity},enlarge=true,kernel=nearest")
    assert drawn(got.resize((2, 1), Image.Resampling.NEAREST)) == rows


@pytest.mark.parametrize(
    ("gravity", "row"), [("north", 0), ("northeast", 0), ("center", 2), ("west", 2), ("south", 4), ("southwest", 4)]
)
def test_gravity_chooses_where_contain_puts_a_wide_picture(gravity: str, row: int) -> None:
    got = result(picture("RGBYW"), f"resize:width=5,height=5,fit=contain,gravity={gravity},background=black")
    assert drawn(got).split("/") == ["RGBYW" if at == row else "KKKKK" for at in range(5)]


def test_the_bars_of_contain_are_transparent_unless_they_have_a_colour() -> None:
    assert drawn(result(picture("RG"), "resize:width=2,height=3,fit=contain")) == "../RG/.."


def test_the_bars_of_contain_keep_the_alpha_of_a_transparent_picture() -> None:
    assert drawn(result(picture("R.", "RGBA"), "resize:width=2,height=3,fit=contain,background=ff0")) == "YY/R./YY"


def test_a_grey_picture_can_have_coloured_bars() -> None:
    assert drawn(result(picture("KW", "L"), "resize:width=2,height=3,fit=contain,background=red")) == "RR/KW/RR"


def test_a_street_of_6_megapixels_equals_lanczos_from_full_resolution() -> None:
    data = corpus("photos/street-6mp.jpg")
    expected = opened(data).resize((720, 588), Image.Resampling.LANCZOS)
    assert psnr(levels(result(data, "resize:width=720,height=588,fit=fill")), levels(expected)) > 48


@pytest.mark.proves("resize")
@pytest.mark.parametrize(
    ("kernel", "pillow"),
    [
        ("box", Image.Resampling.BOX),
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS),
    ],
)
@pytest.mark.parametrize("size", [(97, 64), (451, 300), (700, 466)])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_kernel_is_that_of_pillow(kernel: str, pillow: Image.Resampling, size: tuple[int, int], mode: str) -> None:
    image = sample("chelsea.png", mode)
    got = result(image, f"resize:width={size[0]},height={size[1]},fit=fill,enlarge=true,kernel={kernel}")
    assert psnr(levels(got), levels(image.resize(size, pillow))) > 50


def test_nearest_repeats_pixels() -> None:
    assert drawn(result(picture("RG/BY"), "resize:width=4,enlarge=true,kernel=nearest")) == "RRGG/RRGG/BBYY/BBYY"


@pytest.mark.parametrize("kernel", ["box", "bilinear", "bicubic", "mitchell", "lanczos"])
def test_hidden_colours_do_not_bleed_into_visible_ones(kernel: str) -> None:
    image = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))

    got = np.asarray(result(image, f"resize:width=13,kernel={kernel}"))

    visible = got[got[..., 3] > 32]
    assert visible[:, 1].max() <= 4
    assert visible[:, 0].min() >= 250


@pytest.mark.parametrize("gravity", ["northwest", "center", "southeast"])
def test_cover_of_a_reduced_jpeg_shows_the_part_that_full_decoding_shows(gravity: str) -> None:
    image = sample("hubble_deep_field.jpg").crop((0, 0, 997, 871))
    data = encoded(image, "JPEG", quality=95)
    text = f"resize:width=200,height=100,fit=cover,gravity={gravity}"
    assert psnr(levels(result(data, text)), levels(result(opened(data), text))) > 38


@given(
    before=st.tuples(st.integers(100, 400), st.integers(100, 400)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    gravity=st.sampled_from(["northwest", "center", "southeast"]),
)
def test_cover_of_a_reduced_jpeg_never_reaches_outside_of_it(
    before: tuple[int, int], size: tuple[int, int], gravity: str
) -> None:
    data = encoded(Image.new("L", before), "JPEG")
    assert result(data, f"resize:width={size[0]},height={size[1]},fit=cover,gravity={gravity}").size == size
