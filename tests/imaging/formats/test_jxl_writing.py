"""JPEG XL with 16 bits a channel: written in sRGB, with all bits where it is lossless, and as well as 8 bits where not.

The reader that looks at the colours is that of Pillow's plugin, which has a libjxl of its own.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, opened, psnr, run, sample
from PIL import ExifTags, Image, ImageCms

from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats.jxl_header import read_jxl_header, with_srgb_curve
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Metadata, Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

plugin = pytest.importorskip("pillow_jxl")

CHANNELS = [1, 3, 4]


def pixels_of(channels: int) -> NDArray[np.uint16]:
    """A photograph of 16 bits.  Its alpha has 8: libjxl keeps every bit of it, and noise would be most of a file."""
    image = sample("chelsea.png").resize((120, 81))
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    low = np.random.default_rng(1).integers(0, 257, (81, 120, 4))
    low[..., 3] = np.asarray(image)[..., 3]
    return np.asarray((np.asarray(image) * 256.0 + low)[..., :channels], np.uint16)


def frame_of(pixels: NDArray[np.uint16]) -> Image.Image:
    return Image.fromarray(pixels[..., 0]) if pixels.shape[2] == 1 else DeepFrame(pixels)


def written(pixels: NDArray[np.uint16], kept: Metadata | None = None, **output: Any) -> bytes:
    file = io.BytesIO()
    picture = Picture((frame_of(pixels),), "png", metadata=kept or Metadata())
    encode(picture, "jxl", Output(format="jxl", **output), file)
    return file.getvalue()


def read(data: bytes) -> NDArray[Any]:
    return np.atleast_3d(imagecodecs.jpegxl_decode(data))


def shown(data: bytes) -> Image.Image:
    """What a viewer shows that applies the profile of the file."""
    with plugin.JpegXLImagePlugin.JXLImageFile(io.BytesIO(data)) as image:
        image.load()
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        colours = image.convert("RGB")
        seen = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"))
        assert seen is not None
        return seen


@pytest.mark.parametrize("how", [{"lossless": True}, {"quality": 100}])
@pytest.mark.parametrize("channels", CHANNELS)
def test_without_loss_every_bit_is_kept(channels: int, how: dict[str, Any]) -> None:
    pixels = pixels_of(channels)
    data = written(pixels, **how)
    assert np.array_equal(read(data), pixels)
    facts = describe_picture(data, Limits())
    assert (facts["bit_depth"], facts["profile"]) == (16, None)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("quality", [30, 90])
def test_with_loss_it_is_as_good_and_as_small_as_in_8_bits(channels: int, quality: int) -> None:
    pixels = pixels_of(channels)
    shallow = Image.fromarray(np.rint(pixels / 257).astype(np.uint8).squeeze())
    deep, eight = written(pixels, quality=quality), run(encoded(shallow), format="jxl", quality=quality)
    # Its container has 60 bytes more.
    assert len(deep) < 1.1 * len(eight) + 100
    errors = [np.abs(read(deep) / 257 - pixels / 257).mean(), np.abs(read(eight) * 1.0 - pixels / 257).mean()]
    assert errors[0] < 1.05 * errors[1] + 0.05


@pytest.mark.parametrize("how", [{"lossless": True}, {"quality": 95}])
def test_a_viewer_shows_the_same_colours(how: dict[str, Any]) -> None:
    pixels = pixels_of(3)
    assert psnr(np.asarray(shown(written(pixels, **how))), pixels / 257) > (50 if "lossless" in how else 32)


@pytest.mark.parametrize("how", [{"lossless": True}, {"quality": 80}])
def test_metadata_is_kept(how: dict[str, Any]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "somebody"
    data = written(pixels_of(4), Metadata(exif), metadata="keep", **how)
    assert describe_picture(data, Limits())["exif"]["copyright"] == "somebody"
    assert read(data).shape == (81, 120, 4)
    assert describe_picture(written(pixels_of(3), Metadata(exif), **how), Limits())["exif"] == {}


def test_a_pipeline_keeps_16_bits_into_a_jpeg_xl_and_out_of_it() -> None:
    pixels = pixels_of(3)
    png = io.BytesIO()
    encode(Picture((frame_of(pixels),), "png"), "png", Output(format="png"), png)
    there = run(png.getvalue(), "flip", format="jxl", lossless=True)
    assert np.array_equal(read(there), pixels[::-1])
    back = describe_picture(run(there, "flip/blur:sigma=1", format="png"), Limits())
    assert back["bit_depth"] == 16


def test_a_target_of_likeness_is_met_in_16_bits() -> None:
    assert opened(run(written(pixels_of(3), lossless=True), format="jxl", target=0.97)).size == (120, 81)


@pytest.mark.parametrize("channels", CHANNELS)
def test_only_the_curve_of_a_header_is_changed(channels: int) -> None:
    linear = bytes(imagecodecs.jpegxl_encode(pixels_of(channels).squeeze(), lossless=False, level=80))
    start = linear.index(b"\xff\x0a") if not linear.startswith(b"\xff\x0a") else 0
    changed = with_srgb_curve(linear[start:])
    assert read_jxl_header(changed) == read_jxl_header(linear[start:])
    different = np.frombuffer(changed, np.uint8) ^ np.frombuffer(linear[start:], np.uint8)
    assert sum(int(byte).bit_count() for byte in different) == (LINEAR ^ SRGB).bit_count()
    with pytest.raises(ValueError, match="linear"):
        with_srgb_curve(changed)


LINEAR, SRGB = 8 - 2, 13 - 2
"""What a header says of both curves, less the 2 that the form of the number adds."""
