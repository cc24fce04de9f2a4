"""AVIF and HEIC of more than 8 bits are written, with all that belongs to them.

Readers that know nothing of the writer say what is in the files: imagecodecs, Pillow and pillow-heif.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import levels, opened, run
from PIL import ExifTags, Image

from imgsrv.errors import ResultTooLarge
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.picture import Frame, Metadata, Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

SIZE = (64, 48)
ACROSS, DOWN = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
PLANES = (ACROSS * 65535 // 63, DOWN * 65535 // 47, (ACROSS + DOWN) * 65535 // 110, 65535 - (ACROSS + DOWN) * 400)

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'

NAMES = [
    "avif",
    pytest.param("heic", marks=pytest.mark.skipif("heic" not in FORMATS, reason="the extra heif is not installed")),
]


def ramps(channels: int) -> NDArray[np.uint16]:
    """Ramps of 16 bits: (48, 64, channels)."""
    return np.dstack(PLANES[:channels]).astype(np.uint16)


def frame_of(pixels: NDArray[np.uint16]) -> Frame:
    return DeepFrame(pixels) if pixels.shape[2] > 1 else Image.fromarray(pixels[..., 0])


def written(name: str, frame: Frame, more: dict[str, Any] | None = None, **output: Any) -> bytes:
    file = io.BytesIO()
    encode(Picture((frame,), "png", **(more or {})), name, Output(format=name, **output), file)
    return file.getvalue()


def read(name: str, data: bytes) -> tuple[NDArray[np.float64], int]:
    """The samples in 16 bits, and the bits that they have in the file."""
    if name == "avif":
        flags = data[data.index(b"av1C") + 6]
        samples, depth = imagecodecs.avif_decode(data), 12 if flags & 0x20 else 10 if flags & 0x40 else 8
    else:
        import pillow_heif  # noqa: PLC0415  an optional wheel

        file: Any = pillow_heif.HeifFile
        samples = np.asarray(file(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)[0])
        depth = file(io.BytesIO(data)).info["bit_depth"]
    return np.atleast_3d(samples) * (65535 / ((1 << depth) - 1)), depth


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_16_bits_become_10(name: str, channels: int) -> None:
    samples, depth = read(name, written(name, frame_of(ramps(channels)), quality=95, subsampling="4:4:4"))
    assert depth == 10
    assert samples.shape == (48, 64, channels)
    assert np.abs(samples - ramps(channels)).mean() < 0.5 * 257


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_without_loss_16_bits_become_12(name: str, channels: int) -> None:
    samples, depth = read(name, written(name, frame_of(ramps(channels)), lossless=True))
    assert depth == 12
    assert np.abs(samples - ramps(channels)).max() <= 65535 / 4095 / 2 + 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_quality_counts_for_every_channel(name: str, channels: int) -> None:
    noise = np.random.default_rng(1).integers(0, 65536, (48, 64, channels)).astype(np.uint16)
    low, high = (len(written(name, frame_of(noise), quality=quality)) for quality in (20, 90))
    assert 2 * low < high


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_exif_and_xmp_are_written_with_16_bits(name: str, channels: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Somebody"
    got = opened(written(name, frame_of(ramps(channels)), {"metadata": Metadata(exif, XMP)}, metadata="keep"))
    assert got.getexif()[ExifTags.Base.Artist] == "Somebody"
    assert got.info["xmp"] == XMP


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_written_with_16_bits(name: str, channels: int) -> None:
    profile = bytes(imagecodecs.cms_profile("adobergb"))
    data = written(name, frame_of(ramps(channels)), {"profile": profile})
    assert opened(data).info["icc_profile"] == profile


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_code_points_are_written(name: str, is_deep: bool) -> None:  # noqa: FBT001
    frame = frame_of(ramps(4)) if is_deep else Image.fromarray((ramps(3) >> 8).astype(np.uint8))
    data = written(name, frame, {"cicp": Cicp(9, 16)})
    at = data.index(b"nclx") + 4
    assert struct.unpack(">HHHB", data[at : at + 7]) == (9, 16, 9, 0x80)
    assert read(name, data)[1] == (10 if is_deep else 8)


@pytest.mark.parametrize("name", NAMES)
def test_code_points_that_nobody_knows_are_written_as_unspecified_or_as_they_are(name: str) -> None:
    data = written(name, frame_of(ramps(3)), {"cicp": Cicp(200, 16)})
    at = data.index(b"nclx") + 4
    assert struct.unpack(">HH", data[at : at + 4]) in ((2, 16), (200, 16))


@pytest.mark.parametrize("name", NAMES)
def test_10_bits_stay_through_a_pipeline(name: str) -> None:
    first = written(name, frame_of(ramps(3)), quality=95, subsampling="4:4:4")
    samples, depth = read(name, run(first, "flip", format="same", quality=95, subsampling="4:4:4"))
    assert depth == 10
    assert np.abs(samples - ramps(3)[::-1]).mean() < 257


@pytest.mark.parametrize("size", [(32_769, 1), (1, 32_769), (16_384, 16_385)])
def test_an_avif_that_nothing_opens_is_refused_before_it_is_written(size: tuple[int, int]) -> None:
    large = Image.new("1", (1, 1))
    large._size = size  # 268 megapixels would take long to make
    with pytest.raises(ResultTooLarge, match="format=avif"):
        written("avif", large)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_of_16_bits_can_be_bounded(name: str) -> None:
    data = written("png", frame_of(ramps(4)))
    whole = run(data, format=name, quality=90)
    assert len(run(data, format=name, quality=90, max_bytes=len(whole) - 50)) <= len(whole) - 50
    like = run(data, format=name, target=0.9)
    assert read(name, like)[1] == 10
    assert levels(opened(like)).shape == (48, 64, 4)
