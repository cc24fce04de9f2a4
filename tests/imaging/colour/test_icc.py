"""`icc`: sRGB, Display P3 or the colours of the input with the right profile, compared with float64 matrices."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
import pytest
from make import display_p3_profile
from pictures import Array, animation, corpus, encoded, levels, opened, picture, psnr, run, sample
from PIL import Image, ImageCms

from imgsrv.errors import BadOutputs, UnusableParameters
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.colour.icc import P3
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.jobs.variants import parse_variants

WITH_PROFILE = [name for name, form in WRITTEN.items() if "icc" in form.fields]

SRGB_TO_P3 = np.array([[0.8224620, 0.1775380, 0.0], [0.0331942, 0.9668058, 0.0], [0.0170826, 0.0723974, 0.9105200]])
"""Linear sRGB to linear Display P3: both under D65 (CSS Color 4, §17)."""


def linear(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def curved(values: Array) -> Array:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def through(matrix: Array, pixels: Array) -> Array:
    return curved(linear(pixels / 255) @ matrix.T) * 255


@cache
def wide() -> bytes:
    return encoded(sample("astronaut.jpg"), icc_profile=display_p3_profile())


def profile_of(image: Image.Image) -> bytes | None:
    found = image.info.get("icc_profile")
    assert found is None or isinstance(found, bytes)
    return found


def exact(name: str) -> dict[str, Any]:
    return {"lossless": True} if name in ("webp", "heic") else {}


def test_the_profile_of_display_p3_is_correct() -> None:
    opened_profile = ImageCms.ImageCmsProfile(io.BytesIO(P3)).profile
    assert opened_profile.profile_description == "Display P3"
    assert opened_profile.version == 4.4
    # Those of the profile that every telephone writes, under D50.
    colorants = opened_profile.red_colorant, opened_profile.green_colorant, opened_profile.blue_colorant
    known = (0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)
    assert [pytest.approx(one, abs=1e-4) for one in known] == [colorant and colorant[0] for colorant in colorants]


@pytest.mark.parametrize("name", WITH_PROFILE)
def test_a_picture_converted_to_srgb_has_no_profile(name: str) -> None:
    assert profile_of(opened(run(wide(), format=name))) is None


@pytest.mark.parametrize("name", WITH_PROFILE)
def test_keep_keeps_colours_and_profile(name: str) -> None:
    got = opened(run(wide(), format=name, icc="keep", **exact(name)))
    assert profile_of(got) == display_p3_profile()
    assert psnr(levels(got, "RGB"), levels(sample("astronaut.jpg"))) > 33


@pytest.mark.parametrize("name", WITH_PROFILE)
def test_srgb_becomes_p3_with_its_profile(name: str) -> None:
    image = sample("astronaut.jpg")
    got = opened(run(encoded(image), format=name, icc="p3", **exact(name)))
    assert profile_of(got) == P3
    assert psnr(levels(got, "RGB"), through(SRGB_TO_P3, levels(image))) > 33


def test_p3_differs_from_a_float64_matrix_by_at_most_one_level() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    got = opened(run(encoded(Image.fromarray(colours)), format="png", icc="p3"))
    error = np.abs(levels(got) - through(SRGB_TO_P3, colours.astype(np.float64)))
    # 8 bits of a dark colour are steep: lcms rounds on its way.
    assert error.max() <= 2
    assert error.mean() < 0.4


def test_colours_outside_of_srgb_survive_in_p3_and_are_clipped_in_srgb() -> None:
    red = encoded(picture("RR/RR"), icc_profile=display_p3_profile())
    assert levels(opened(run(red, format="png", icc="p3")))[0, 0].tolist() == [255, 0, 0]
    inside = levels(opened(run(run(red, format="png", icc="p3"), format="png")))[0, 0]
    assert inside.tolist() == levels(opened(run(red, format="png")))[0, 0].tolist()


def test_converting_to_p3_and_back_loses_little() -> None:
    image = sample("coffee.jpg")
    back = opened(run(run(encoded(image), format="png", icc="p3"), format="png"))
    assert psnr(levels(back), levels(image)) > 45


@pytest.mark.parametrize("icc", ["keep", "p3"])
def test_grey_stays_one_channel_without_a_profile(icc: str) -> None:
    got = opened(run(encoded(sample("chelsea.png").convert("L")), format="png", icc=icc))
    assert (got.mode, profile_of(got)) == ("L", None)


def test_a_picture_that_becomes_grey_keeps_a_profile_that_fits() -> None:
    got = opened(run(wide(), "grayscale", format="jpeg", icc="keep"))
    assert (got.mode, profile_of(got)) == ("RGB", display_p3_profile())


@pytest.mark.parametrize(("icc", "kept"), [("keep", None), ("p3", P3)])
def test_cmyk_is_converted_and_its_profile_never_stays(icc: str, kept: bytes | None) -> None:
    data = corpus("odd/cmyk-orientation6.jpg")
    got = opened(run(data, "resize:width=60", format="png", icc=icc))
    assert (got.mode, profile_of(got)) == ("RGB", kept)


def test_a_profile_that_cannot_be_read_is_not_kept() -> None:
    data = encoded(picture("RG"), icc_profile=b"junk" * 100)
    assert profile_of(opened(run(data, format="png", icc="keep"))) is None


@pytest.mark.parametrize("name", ["gif", "bmp", "jp2"])
def test_a_format_without_profiles_gets_srgb(name: str) -> None:
    with pytest.raises(UnusableParameters, match="no use for icc"):
        Output.model_validate({"format": name, "icc": "p3"}).check()
    srgb, p3 = (opened(run(wide(), format=name, icc=icc)) for icc in ("srgb", "p3"))
    assert psnr(levels(srgb, "RGB"), levels(p3, "RGB")) > 36
    assert profile_of(p3) is None


@pytest.mark.parametrize("name", [name for name in WITH_PROFILE if WRITTEN[name].has_animation])
def test_every_frame_is_converted(name: str) -> None:
    frames = [picture("RR/RR"), picture("GG/GG")]
    got = opened(run(animation(frames, "PNG", duration=50), format=name, icc="p3", **exact(name)))
    got.seek(1)
    assert profile_of(got) == P3
    assert levels(got, "RGB")[0, 0] == pytest.approx(through(SRGB_TO_P3, np.array([0.0, 255.0, 0.0])), abs=6)


def test_cielab_of_a_tiff_is_converted() -> None:
    image = sample("astronaut.jpg")
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    # 8 bits of L, a and b are coarser than those of sRGB.
    assert psnr(levels(opened(run(encoded(lab, "TIFF"), format="png"))), levels(image)) > 45


def test_outputs_of_a_batch_have_the_same_colours() -> None:
    with pytest.raises(BadOutputs, match="differ in icc"):
        parse_variants(b'[{"name": "a", "icc": "p3"}, {"name": "b"}]', {})


def test_a_picture_in_p3_has_its_profile() -> None:
    assert describe_picture(run(wide(), format="jpeg", icc="p3"), Limits())["profile"] == "Display P3"
