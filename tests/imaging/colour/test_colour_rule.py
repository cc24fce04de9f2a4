"""Colours by ICC profile, code points, gamma and chromaticities: one rule, compared with what Chromium 156 shows."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from make import display_p3_profile
from pictures import Array
from PIL import Image, ImageCms

from imgsrv.imaging.colour.cicp import cicp_profile
from imgsrv.imaging.colour.colours import Colours, colours_of
from imgsrv.imaging.colour.convert import converted, wanted_colours
from imgsrv.imaging.colour.icc import P3
from imgsrv.imaging.colour.matrix_profile import Primaries, power, rgb_profile
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame, shallow

STORED = [(10, 10, 10), (60, 60, 60), (200, 200, 200), (230, 120, 60), (60, 200, 120), (40, 60, 220)]

SHOWN = {
    (1, 13): STORED,
    (12, 13): [(10, 10, 10), (60, 60, 60), (200, 200, 200), (247, 112, 38), (0, 203, 111), (34, 61, 229)],
    (9, 8): [(56, 56, 56), (133, 133, 133), (229, 229, 229), (255, 173, 123), (0, 238, 178), (69, 134, 248)],
    (4, 4): [(3, 3, 3), (57, 57, 57), (201, 201, 201), (255, 113, 32), (0, 199, 117), (0, 85, 227)],
    (5, 5): [(0, 0, 0), (36, 36, 36), (189, 189, 189), (228, 98, 37), (0, 189, 99), (16, 36, 211)],
    (6, 13): [(10, 10, 10), (60, 60, 60), (200, 200, 200), (225, 122, 59), (77, 198, 120), (48, 67, 221)],
    (8, 13): [(10, 10, 10), (60, 60, 60), (200, 200, 200), (255, 112, 39), (0, 205, 114), (22, 52, 227)],
    (10, 8): [(56, 56, 56), (133, 133, 133), (229, 229, 229), (255, 50, 131), (0, 255, 167), (0, 157, 250)],
    (11, 13): [(10, 10, 10), (60, 60, 60), (200, 200, 200), (242, 112, 39), (0, 204, 111), (34, 59, 229)],
    (22, 13): [(10, 10, 10), (60, 60, 60), (200, 200, 200), (232, 122, 59), (49, 196, 120), (40, 73, 220)],
    (1, 17): [(1, 1, 1), (44, 44, 44), (200, 200, 200), (235, 109, 44), (44, 200, 109), (23, 44, 224)],
}
"""Pixels of a PNG with `cICP` as Chromium shows them, by primaries and transfer."""

SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_POINTS = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def stored() -> Image.Image:
    return Image.fromarray(np.array([STORED], np.uint8))


def deep(image: Image.Image) -> DeepFrame:
    return DeepFrame(np.asarray(image).astype(np.uint16) * 257)


def shown(image: Image.Image, info: dict[str, Any]) -> Array:
    """The levels in sRGB."""
    frame = shallow(converted(image, colours_of(info, image.mode), Colours()))
    return np.asarray(frame).astype(int)


@pytest.mark.parametrize(("codes", "right"), SHOWN.items())
@pytest.mark.parametrize("bits", [8, 16])
def test_code_points_are_shown_as_browsers_do(
    codes: tuple[int, int], right: list[tuple[int, int, int]], bits: int
) -> None:
    image = deep(stored()) if bits == 16 else stored()
    assert np.abs(shown(image, {"cicp": Cicp(*codes)})[0] - right).max() <= 1


@pytest.mark.parametrize("transfer", [1, 6, 14, 15])
def test_curves_of_cameras_are_shown_as_srgb(transfer: int) -> None:
    assert cicp_profile(Cicp(1, transfer), is_grey=False) is None
    assert cicp_profile(Cicp(12, transfer), is_grey=False) == cicp_profile(Cicp(12, 13), is_grey=False)


def test_a_profile_counts_before_code_points() -> None:
    info = {"icc_profile": display_p3_profile(), "cicp": Cicp(1, 8)}
    assert np.abs(shown(stored(), info)[0] - SHOWN[12, 13]).max() <= 2


def test_a_profile_for_other_pixels_leaves_the_colours_to_the_code_points() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.abs(shown(stored(), {"icc_profile": lab, "cicp": Cicp(12, 13)})[0] - SHOWN[12, 13]).max() <= 1


@pytest.mark.parametrize(
    ("info", "right"),
    [
        ({"gamma": 1.0}, [(56, 56, 56), (133, 133, 133), (229, 229, 229), (244, 183, 133), (133, 229, 183)]),
        ({"gamma": 0.45455}, STORED[:5]),
        ({"gamma": 0.45455, "chromaticity": SRGB_POINTS}, STORED[:5]),
        (
            {"gamma": 0.45455, "chromaticity": P3_POINTS},
            [(3, 3, 3), (57, 57, 57), (201, 201, 201), (247, 113, 33), (0, 205, 112)],
        ),
        ({"chromaticity": P3_POINTS}, STORED[:5]),
        ({"gamma": 0.0}, STORED[:5]),
        ({"gamma": 1.0, "chromaticity": (0.3, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)}, STORED[:5]),
    ],
    ids=["linear", "usual", "usual-srgb", "p3", "no-gamma", "zero", "impossible"],
)
def test_gamma_and_chromaticities_are_those_of_a_png(info: dict[str, Any], right: list[tuple[int, int, int]]) -> None:
    assert np.abs(shown(stored(), info)[0, :5] - right).max() <= 1


def test_grey_has_a_curve_alone() -> None:
    grey = Image.fromarray(np.array([[10, 60, 200]], np.uint8))
    assert np.abs(shown(grey, {"gamma": 1.0})[0] - [56, 133, 229]).max() <= 1
    assert shown(grey, {"cicp": Cicp(12, 13)})[0].tolist() == [10, 60, 200]
    grey16 = Image.fromarray(np.array([[10, 60, 200]], np.uint16) * 257)
    assert np.abs(shown(grey16, {"cicp": Cicp(9, 8)})[0] - [56, 133, 229]).max() <= 1


def test_sixteen_linear_bits_keep_their_levels() -> None:
    """In 8 bits before the conversion, 65 dark levels become 14."""
    levels = np.arange(65)
    light = np.where(levels / 255 <= 0.04045, levels / 255 / 12.92, ((levels / 255 + 0.055) / 1.055) ** 2.4)
    ramp = np.repeat((light * 65_535).round().astype(np.uint16)[None, :, None], 3, axis=2)
    profile = rgb_profile("linear", Primaries((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.3127, 0.329)), power(1.0))
    got = shown(DeepFrame(ramp), {"icc_profile": profile})
    assert np.abs(got[0, :, 0] - levels).max() <= 1


def test_the_alpha_of_sixteen_bits_stays() -> None:
    pixels = np.random.default_rng(0).integers(0, 65_536, (7, 9, 4), np.uint16)
    got = converted(DeepFrame(pixels), Colours(display_p3_profile()), Colours())
    assert isinstance(got, DeepFrame)
    assert np.array_equal(got.pixels[..., 3], pixels[..., 3])
    assert not np.array_equal(got.pixels[..., :3], pixels[..., :3])


def test_keep_keeps_a_profile_made_of_code_points_for_every_format() -> None:
    colours = colours_of({"cicp": Cicp(12, 13)}, "RGB")
    wanted = wanted_colours(colours, "RGB", "keep")
    assert converted(stored(), colours, wanted).tobytes() == stored().tobytes()
    opened_profile = ImageCms.ImageCmsProfile(io.BytesIO(wanted.profile or b"")).profile
    p3 = ImageCms.ImageCmsProfile(io.BytesIO(P3)).profile
    assert opened_profile.red_colorant == p3.red_colorant
