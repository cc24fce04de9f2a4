"""A second picture over the first: its position, its blending, and invalid requests."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, opened, picture, sample
from PIL import Image

from imgsrv.errors import MissingPart, TooManyPixels, Undecodable, UnusedPart
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.composite import composite
from imgsrv.imaging.process import process

GREY, RED = (128, 128, 128), (255, 0, 0)


def marked(pipeline: str, below: Image.Image, mark: Image.Image) -> Image.Image:
    """The picture after a pipeline that lays a mark over it."""
    parts = {"watermark": encoded(mark)}
    return opened(process(encoded(below), parse_pipeline(pipeline), Output(format="png"), Limits(), parts))


def red_box(result: Image.Image) -> tuple[int, int, int, int] | None:
    """The box of the red pixels of the result."""
    mask = (np.asarray(result.convert("RGB")) == RED).all(axis=2)
    return Image.fromarray(mask).getbbox()


@pytest.mark.parametrize(
    ("arguments", "box"),
    [
        pytest.param("margin=0", (80, 40, 100, 50), id="southeast-is-the-default"),
        pytest.param("margin=0,gravity=northwest", (0, 0, 20, 10), id="northwest"),
        pytest.param("margin=0,gravity=center", (40, 20, 60, 30), id="center"),
        pytest.param("margin=0.1,gravity=northwest", (5, 5, 25, 15), id="a-margin-of-the-shorter-side"),
        pytest.param("margin=0,gravity=north,scale=0.5", (25, 0, 75, 25), id="half-as-wide-as-the-picture"),
        pytest.param("margin=0.1,scale=1", (15, 5, 95, 45), id="as-large-as-there-is-room"),
    ],
)
def test_gravity_and_margin_place_the_mark(arguments: str, box: tuple[int, int, int, int]) -> None:
    result = marked(f"watermark:{arguments}", Image.new("RGB", (100, 50), GREY), Image.new("RGB", (20, 10), RED))
    assert red_box(result) == box


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_outside_of_the_mark_stay_unchanged(mode: str) -> None:
    below = sample("coffee.jpg").resize((300, 200)).convert(mode)
    result = marked("watermark:margin=0", below, Image.new("RGB", (20, 10), RED))
    expected = np.asarray(below.convert("RGB"))
    assert np.array_equal(np.asarray(result.convert("RGB"))[:190], expected[:190])
    assert np.array_equal(np.asarray(result.convert("RGB"))[:, :280], expected[:, :280])


def test_tiles_cover_the_picture_with_one_in_its_middle() -> None:
    result = marked(
        "watermark:tile=true,margin=0.1", Image.new("RGB", (100, 50), GREY), Image.new("RGB", (20, 10), RED)
    )
    is_red = (np.asarray(result) == RED).all(axis=2)
    assert is_red[20:30, 40:60].all()
    assert not is_red[:, [39, 35, 60, 64]].any()
    assert (is_red.any(axis=1).sum(), is_red.any(axis=0).sum()) == (30, 80)


def test_a_tiny_mark_is_tiled_quickly_over_a_large_picture() -> None:
    result = marked("watermark:tile=true,margin=0", Image.new("RGB", (3000, 2000), GREY), Image.new("RGB", (1, 1), RED))
    assert red_box(result) == (0, 0, 3000, 2000)


def test_opacity_mixes_in_proportion() -> None:
    result = marked("watermark:margin=0,opacity=0.25", picture("B").resize((4, 4)), picture("R").resize((4, 4)))
    assert np.abs(np.asarray(result, int) - (64, 0, 191)).max() <= 1


# ---- blend modes, against their formulas in W3C Compositing Level 1 --------------------------------------


def _mixed(mode: str, cb: NDArray[np.float64], cs: NDArray[np.float64]) -> NDArray[np.float64]:
    """B(cb, cs) of §9.1, for colours from 0 to 1."""
    formulas = {
        "normal": cs,
        "multiply": cb * cs,
        "screen": cb + cs - cb * cs,
        "overlay": np.where(cb <= 0.5, 2 * cb * cs, 1 - 2 * (1 - cb) * (1 - cs)),
        "darken": np.minimum(cb, cs),
        "lighten": np.maximum(cb, cs),
        "difference": np.abs(cb - cs),
    }
    return formulas[mode]


@pytest.mark.proves("watermark")
@pytest.mark.parametrize("mode", ["normal", "multiply", "screen", "overlay", "darken", "lighten", "difference"])
@pytest.mark.parametrize("below_mode", ["L", "RGB", "RGBA"])
def test_a_blend_mode_follows_its_formula_within_three_levels(mode: str, below_mode: str) -> None:
    dice = np.random.default_rng(7)
    below = Image.fromarray(dice.integers(0, 256, (40, 50, 4), np.uint8)).convert(below_mode)
    above = Image.fromarray(dice.integers(0, 256, (40, 50, 4), np.uint8))
    b, s = np.asarray(below.convert("RGBA"), np.float64) / 255, np.asarray(above, np.float64) / 255
    cb, ab, cs, as_ = b[..., :3], b[..., 3:], s[..., :3], s[..., 3:]
    alpha = as_ + ab * (1 - as_)
    colour = (1 - ab) * as_ * cs + ab * as_ * _mixed(mode, cb, cs) + (1 - as_) * ab * cb

    result = np.asarray(composite(below, above, mode).convert("RGBA"), np.float64) / 255  # type: ignore[arg-type]

    assert np.abs(result[..., 3:] - alpha).max() * 255 <= 1
    assert np.abs(result[..., :3] * result[..., 3:] - colour).max() * 255 <= 3


# ---- parts of the upload -----------------------------------------------------------------------------------


def test_a_missing_part_is_named() -> None:
    with pytest.raises(MissingPart, match="watermark needs a part named 'logo'"):
        process(encoded(picture("R")), parse_pipeline("watermark:part=logo"), Output(), Limits())


def test_an_unused_part_is_refused() -> None:
    with pytest.raises(UnusedPart, match="'logo'"):
        parse_pipeline("flip").check_parts({"logo"})


def test_two_steps_may_share_a_part() -> None:
    parse_pipeline("watermark/watermark:gravity=north").check_parts({"watermark"})


def test_a_broken_mark_is_a_bad_picture() -> None:
    with pytest.raises(Undecodable):
        process(
            encoded(picture("R")), parse_pipeline("watermark"), Output(), Limits(), {"watermark": b"\xff\xd8\xff\xe0no"}
        )


def test_a_mark_is_checked_against_the_limits() -> None:
    with pytest.raises(TooManyPixels):
        process(
            encoded(picture("R")),
            parse_pipeline("watermark"),
            Output(),
            Limits(max_pixels=1000),
            {"watermark": encoded(picture("G").resize((100, 100)))},
        )


def test_every_frame_of_an_animation_is_marked() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("green", "blue", "black")]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], duration=100)
    result = process(
        file.getvalue(),
        parse_pipeline("watermark:margin=0"),
        Output(),
        Limits(),
        {"watermark": encoded(Image.new("RGB", (10, 10), RED))},
    )
    with Image.open(io.BytesIO(result)) as animation:
        for index in range(3):
            animation.seek(index)
            assert red_box(animation) == (30, 30, 40, 40)
