"""EXIF orientation is applied once, at full and at reduced scale, and is removed."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from make import oriented
from pictures import corpus, drawn, encoded, levels, opened, picture, psnr, result, run, sample
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from imgsrv import describe

ALL = range(1, 9)
SIDES = {1: "RG/BY", 2: "GR/YB", 3: "YB/GR", 4: "BY/RG", 5: "RB/GY", 6: "BR/YG", 7: "YG/BR", 8: "GY/RB"}
"""What RG/BY shows once it is upright, for each orientation (EXIF 2.32, 4.6.4)."""


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def stored(image: Image.Image, form: str, orientation: int) -> bytes:
    return encoded(image, form, exif=exif_with(orientation).tobytes())


@pytest.mark.parametrize("orientation", ALL)
def test_orientation_moves_the_corners(orientation: int) -> None:
    data = stored(picture("RG/BY"), "PNG", orientation)
    assert drawn(result(data)) == SIDES[orientation]


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", ALL)
def test_orientation_is_applied_once_in_every_format(form: str, orientation: int) -> None:
    image = sample("coffee.jpg").resize((47, 31))
    upright = opened(encoded(image, form)).convert("RGB")
    expected = ImageOps.exif_transpose(_tagged(upright, orientation))

    got = result(stored(image, form, orientation))

    assert got.size == expected.size
    assert psnr(levels(got), levels(expected)) > 34


def _tagged(image: Image.Image, orientation: int) -> Image.Image:
    image = image.copy()
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return image


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("width", [33, 51, 99, 130])
@pytest.mark.parametrize("size", [(435, 291), (437, 293)])
def test_a_jpeg_with_odd_sides_at_reduced_scale_is_upright_and_in_place(
    orientation: int, width: int, size: tuple[int, int]
) -> None:
    data = stored(sample("coffee.jpg").resize(size), "JPEG", orientation)
    full = ImageOps.exif_transpose(opened(data))
    height = max(1, int(full.height * width / full.width + 0.5))

    got = result(data, f"resize:width={width}")

    assert got.size == (width, height)
    assert psnr(levels(got), levels(full.resize((width, height), Image.Resampling.LANCZOS))) > 35


@pytest.mark.parametrize("metadata", ["strip", "copyright", "keep"])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "tiff"])
def test_the_result_has_no_orientation(name: str, metadata: str) -> None:
    data = run(stored(picture("RG/BY"), "PNG", 6), format=name, metadata=metadata)
    assert opened(data).getexif().get(ExifTags.Base.Orientation, 1) == 1


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_does_not_exist_changes_nothing(value: int) -> None:
    assert drawn(result(stored(picture("RG/BY"), "PNG", value))) == "RG/BY"


def test_orientation_is_applied_before_a_crop() -> None:
    data = stored(picture("RG/BY"), "PNG", 6)
    assert drawn(result(data, "crop:width=1,height=1,left=1,top=0")) == "R"


XMP_WITH_ORIENTATION = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="a"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_orientation_in_xmp_turns_nothing(form: str) -> None:
    # Chromium, libvips and ImageMagick show the picture as it is stored.
    if form == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP_WITH_ORIENTATION.decode())
        data = encoded(Image.new("RGB", (12, 8)), form, pnginfo=text)
    elif form == "TIFF":
        exif = Image.Exif()
        exif[700] = XMP_WITH_ORIENTATION
        data = encoded(Image.new("RGB", (12, 8)), form, exif=exif)
    else:
        data = encoded(Image.new("RGB", (12, 8)), form, xmp=XMP_WITH_ORIENTATION)
    assert b"tiff:Orientation" in data
    assert result(data).size == (12, 8)
    assert describe(data)["orientation"] == 1


def _with_entry(kind: int, value: bytes) -> bytes:
    """EXIF with the orientation as a value of that TIFF type."""
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHI4s", 1, 0x112, kind, 1, value) + bytes(4)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("kind", "value", "size"),
    [
        pytest.param(3, b"\0\6\0\0", (8, 12), id="short"),
        pytest.param(1, b"\6\0\0\0", (12, 8), id="byte"),
        pytest.param(4, b"\0\0\0\6", (12, 8), id="long"),
        pytest.param(8, b"\0\6\0\0", (12, 8), id="signed-short"),
        pytest.param(9, b"\0\0\0\6", (12, 8), id="signed-long"),
    ],
)
def test_an_orientation_counts_where_it_is_a_short(form: str, kind: int, value: bytes, size: tuple[int, int]) -> None:
    # The sizes are those that Chromium 156 gives the same files; the standard has SHORT (CIPA DC-008, table 4).
    data = encoded(Image.new("RGB", (12, 8)), form, exif=_with_entry(kind, value))
    assert result(data).size == size


@pytest.mark.parametrize("orientation", ALL)
def test_the_oriented_samples_all_look_the_same(orientation: int) -> None:
    assert psnr(levels(result(oriented(orientation))), levels(sample("coffee.jpg"))) > 36


@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_oriented_pictures_of_the_corpus_are_upright(orientation: int) -> None:
    image = opened(corpus(f"odd/orientation-{orientation}.jpg"))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    expected = ImageCms.profileToProfile(ImageOps.exif_transpose(image), profile, ImageCms.createProfile("sRGB"))
    assert expected is not None
    assert psnr(levels(result(corpus(f"odd/orientation-{orientation}.jpg"))), levels(expected)) > 50


GEOMETRY = [
    "resize:width=20",
    "resize:width=20,height=20,fit=cover,gravity=northwest",
    "resize:width=20,height=20,fit=cover,focus_x=0.2,focus_y=0.9",
    "smartcrop:width=20,height=20",
    "crop:width=10,height=20,left=3,top=1",
    "crop:aspect=1:1,gravity=smart",
    "trim:threshold=60",
    "rotate:degrees=90",
    "rotate:degrees=17",
    "flip",
    "flop",
    "orient:value=6",
    "shear:x=20",
    "perspective:corners=0.1:0;0.9:0.1;1:1;0:0.9",
    "pad:left=5,mode=mirror",
    "extend:aspect=1:1,mode=blur",
    "border:width=3",
    "round:radius=9",
    "round:shape=circle",
    "resize:width=20,kernel=hamming,dpr=1.5",
    "resize:width=20,min_height=25,linear=true",
    "crop:width=0.5,aspect=1:1,focus_x=0.1",
    "perspective:corners=0.1:0;0.9:0.1;1:1;0:0.9,width=9",
    "pad:top=3,right=1,mode=copy",
    "extend:width=60,gravity=southwest,colour=red",
    "shear:y=-10,background=white",
]


@pytest.mark.parametrize("step", GEOMETRY)
@pytest.mark.parametrize("orientation", ALL)
def test_every_operation_on_shape_works_on_the_upright_picture(step: str, orientation: int) -> None:
    image = sample("coffee.jpg").resize((47, 31))
    upright = ImageOps.exif_transpose(_tagged(image, orientation))

    got, expected = result(stored(image, "PNG", orientation), step), result(upright, step)

    assert np.array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize("step", ["fit=cover,focus_x=0.2,focus_y=0.9", "fit=cover,gravity=smart", "linear=true"])
@pytest.mark.parametrize("orientation", ALL)
def test_a_jpeg_decoded_at_reduced_scale_shows_the_part_of_the_upright_picture(step: str, orientation: int) -> None:
    data = stored(sample("coffee.jpg").resize((437, 293)), "JPEG", orientation)
    upright = ImageOps.exif_transpose(opened(data))

    got, expected = (result(one, f"resize:width=60,height=40,{step}") for one in (data, upright))

    assert got.size == expected.size
    assert psnr(levels(got), levels(expected)) > (99 if step == "linear=true" else 33)
