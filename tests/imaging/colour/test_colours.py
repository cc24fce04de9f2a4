"""The result of every kind of colour is sRGB with 8 bits and without a profile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from make import P3_PRIMARIES, display_p3_profile, sixteen_bit
from pictures import Array, corpus, drawn, encoded, levels, opened, picture, psnr, result, run, sample
from PIL import Image, ImageCms

SRGB_PRIMARIES = {"r": (0.43607, 0.22249, 0.01392), "g": (0.38515, 0.71687, 0.09708), "b": (0.14307, 0.06061, 0.71410)}
"""Red, green and blue of sRGB as XYZ under D50 (IEC 61966-2-1, adapted by Bradford)."""


def p3_to_srgb(pixels: Array) -> Array:
    """The conversion in float64 from the definitions, with colours outside of sRGB clipped."""
    share = pixels / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    p3, srgb = (np.array(list(primaries.values())).T for primaries in (P3_PRIMARIES, SRGB_PRIMARIES))
    out = (linear @ (np.linalg.inv(srgb) @ p3).T).clip(0, 1)
    return np.asarray(np.where(out <= 0.0031308, out * 12.92, 1.055 * out ** (1 / 2.4) - 0.055) * 255)


def test_display_p3_becomes_srgb() -> None:
    image = sample("astronaut.jpg").resize((64, 64))
    got = levels(result(encoded(image, "PNG", icc_profile=display_p3_profile())))
    assert np.abs(got - p3_to_srgb(levels(image))).max() <= 2


def test_display_p3_under_alpha_becomes_srgb_and_keeps_the_alpha() -> None:
    image = Image.new("RGBA", (2, 2), (200, 100, 50, 77))
    pixel = result(encoded(image, "PNG", icc_profile=display_p3_profile())).getpixel((0, 0))
    expected = p3_to_srgb(np.array([[200.0, 100.0, 50.0]]))[0]
    assert isinstance(pixel, tuple)
    assert np.abs(np.array(pixel[:3]) - expected).max() <= 1
    assert pixel[3] == 77


def test_a_profile_of_srgb_changes_no_level() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = sample("astronaut.jpg").resize((40, 40))
    assert result(encoded(image, "PNG", icc_profile=profile)).tobytes() == image.tobytes()


@pytest.mark.parametrize("profile", [b"junk", b"\0" * 200, display_p3_profile()[:300]], ids=["short", "zeros", "cut"])
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes) -> None:
    assert drawn(result(encoded(picture("RG/BY"), "PNG", icc_profile=profile))) == "RG/BY"


def test_a_profile_that_is_shorter_than_it_says_is_ignored() -> None:
    """Lcms takes tags that are cut off for numbers that they are not (`relax.jp2` of OpenJPEG's data)."""
    cut = b"\0\1" + display_p3_profile()[2:]
    data = encoded(Image.new("RGB", (2, 2), (200, 100, 50)), "PNG", icc_profile=cut)
    assert result(data).getpixel((0, 0)) == (200, 100, 50)


def test_a_profile_whose_colours_lie_in_one_plane_is_ignored() -> None:
    """Lcms makes noise of it (`relax.jp2` of OpenJPEG's data has red and blue of 0)."""
    profile = bytearray(display_p3_profile())
    for name in (b"rXYZ", b"bXYZ"):
        at = int.from_bytes(profile[profile.index(name) + 4 :][:4], "big")
        profile[at + 8 : at + 20] = bytes(12)
    data = encoded(Image.new("RGB", (2, 2), (200, 100, 50)), "PNG", icc_profile=bytes(profile))
    assert result(data).getpixel((0, 0)) == (200, 100, 50)


def test_a_profile_for_other_pixels_is_ignored() -> None:
    data = encoded(Image.new("L", (2, 2), 90), "PNG", icc_profile=display_p3_profile())
    assert result(data).getpixel((0, 0)) == 90


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "tiff"])
def test_no_profile_is_left_on_the_result(name: str) -> None:
    data = encoded(sample("astronaut.jpg").resize((20, 20)), "PNG", icc_profile=display_p3_profile())
    assert "icc_profile" not in opened(run(data, format=name, metadata="keep")).info


def test_cmyk_without_a_profile_becomes_rgb_by_its_inks() -> None:
    inks = sample("coffee.jpg").resize((40, 30)).convert("CMYK")
    inks.paste((10, 60, 200, 40), (0, 0, 20, 30))
    data = encoded(inks, "TIFF")
    ink = levels(inks)
    expected = (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    assert np.abs(levels(result(data)) - expected).max() <= 1


def test_cmyk_with_a_profile_becomes_srgb_through_it() -> None:
    image = opened(corpus("odd/cmyk-icc.jpg"))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    expected = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert expected is not None
    assert psnr(levels(result(corpus("odd/cmyk-icc.jpg"))), levels(expected)) > 45


def test_cmyk_of_a_camera_becomes_rgb_by_its_inks_and_upright() -> None:
    ink = levels(opened(corpus("odd/cmyk-orientation6.jpg")))
    expected = (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
    got = levels(result(corpus("odd/cmyk-orientation6.jpg")))
    assert np.abs(got - np.rot90(expected, -1)).max() <= 1


def test_a_grey_picture_with_a_grey_profile_stays_grey() -> None:
    got = result(corpus("odd/grayscale-icc.jpg"))
    assert (got.mode, got.size) == ("L", (50, 50))


def test_sixteen_bits_of_grey_become_the_nearest_level() -> None:
    # PNG specification, third edition, 12.4: level · 255 / 65535, rounded.
    got = np.asarray(result(sixteen_bit(), format="bmp"))
    assert np.array_equal(got, ((np.arange(65_536) + 128) // 257).reshape(256, 256))


def test_sixteen_bits_of_colour_become_eight_bits() -> None:
    msb, lsb = (result(corpus(f"odd/rgb16-{order}.tif")) for order in ("msb", "lsb"))
    assert msb.mode == "RGB"
    assert msb.tobytes() == lsb.tobytes()


@pytest.mark.parametrize("value", [-5.0, 0.0, 0.4, 1.0, 1e9, float("nan"), float("inf")])
def test_floating_point_grey_is_clipped_and_rounded(value: float) -> None:
    # Floating-point samples are white at 1.0, as in tifffile, ImageMagick and GIMP.
    data = encoded(Image.fromarray(np.full((2, 2), value, np.float32)), "TIFF")
    expected = 0 if np.isnan(value) else round(65_535 * min(1, max(0, value)))
    assert result(data).getpixel((0, 0)) == expected


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP"])
def test_one_bit_becomes_black_and_white(form: str) -> None:
    assert drawn(result(encoded(picture("KW/WK", "1"), form))) == "KW/WK"


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF"])
def test_a_palette_becomes_colours(form: str) -> None:
    assert drawn(result(encoded(picture("RG/BY").quantize(4), form))) == "RG/BY"


@pytest.mark.parametrize("form", ["PNG", "GIF", "WEBP"])
def test_a_palette_with_a_transparent_colour_keeps_it(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    assert drawn(result(encoded(picture("R./.Y", "RGBA"), form, **options))) == "R./.Y"


@pytest.mark.parametrize(
    ("mode", "colour", "transparency"),
    [
        pytest.param("RGB", (255, 0, 0), (255, 0, 0), id="rgb"),
        pytest.param("L", 70, 70, id="grey"),
        pytest.param("1", 1, 255, id="one-bit"),
    ],
)
def test_a_colour_named_as_transparent_is_transparent(
    mode: str, colour: tuple[int, ...] | int, transparency: object
) -> None:
    data = encoded(Image.new(mode, (2, 2), colour), "PNG", transparency=transparency)
    assert result(data).getchannel("A").getextrema() == (0, 0)


def test_grey_with_alpha_keeps_both() -> None:
    image = Image.merge("LA", (Image.new("L", (2, 2), 40), Image.new("L", (2, 2), 90)))
    assert result(encoded(image)).getpixel((1, 1)) == (40, 40, 40, 90)


def test_grey_stays_grey() -> None:
    assert result(encoded(Image.new("L", (3, 2), 40))).mode == "L"
