"""`POST /info`: what a picture is, from its header alone."""

from __future__ import annotations

import io

import pytest
from PIL import ExifTags, Image, ImageCms

from imgsrv.errors import TooManyPixels
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.limits import Limits


def _file(mode: str, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (6, 4)).save(file, form, **options)
    return file.getvalue()


def test_a_plain_picture_is_described() -> None:
    assert describe_picture(_file("RGB", "JPEG"), Limits()) == {
        "format": "jpeg",
        "media_type": "image/jpeg",
        "width": 6,
        "height": 4,
        "mode": "RGB",
        "has_alpha": False,
        "frames": 1,
        "orientation": 1,
        "profile": None,
        "exif": {},
    }


def test_the_size_is_that_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6

    found = describe_picture(_file("RGB", "JPEG", exif=exif), Limits())

    assert (found["width"], found["height"], found["orientation"]) == (4, 6, 6)


def test_a_profile_is_named() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert "sRGB" in describe_picture(_file("RGB", "PNG", icc_profile=profile), Limits())["profile"]


def test_a_profile_that_cannot_be_read_is_said_to_be_so() -> None:
    assert describe_picture(_file("RGB", "PNG", icc_profile=b"nonsense"), Limits())["profile"] == "unreadable"


@pytest.mark.parametrize(("mode", "expected"), [pytest.param("RGBA", True), pytest.param("L", False)])
def test_alpha_is_told(mode: str, *, expected: bool) -> None:
    assert describe_picture(_file(mode, "PNG"), Limits())["has_alpha"] is expected


def test_a_text_of_any_length_is_told_shortened() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "M" * 60_000

    assert describe_picture(_file("RGB", "JPEG", exif=exif), Limits())["exif"] == {"make": "M" * 200}


def test_a_picture_over_the_limit_is_not_described() -> None:
    with pytest.raises(TooManyPixels):
        describe_picture(_file("RGB", "PNG"), Limits(max_pixels=23))
