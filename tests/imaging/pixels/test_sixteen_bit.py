"""Colours keep 16 bits from PNG or TIFF to PNG or TIFF, and every bit if pixels are only moved."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, levels, opened, psnr, run, sample
from PIL import ExifTags, Image, ImageCms, ImageOps

from imgsrv.errors import ImgsrvError, Undecodable
from imgsrv.imaging.colour.display_p3 import make_display_p3
from imgsrv.imaging.colour.icc import P3
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

Pixels = NDArray[np.uint16]

ENDINGS = {"png": ".png", "tiff": ".tiff"}

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels_of(channels: int, size: tuple[int, int] = (60, 40)) -> Pixels:
    """Red, green, blue and alpha of a photograph, with different low bits."""
    image = sample("chelsea.png").resize(size)
    image.putalpha(Image.linear_gradient("L").resize(size))
    low = np.random.default_rng(1).integers(0, 256, (*size[::-1], 4), np.uint16)
    return np.asarray((np.asarray(image).astype(np.uint16) * 256 + low)[..., :channels], np.uint16)


def saved(pixels: Pixels, form: str = "png") -> bytes:
    code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.imencode(ENDINGS[form], cv2.cvtColor(pixels, code))[1].tobytes()


def read(data: bytes) -> Pixels:
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert found.dtype == np.uint16
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB if found.shape[2] == 3 else cv2.COLOR_BGRA2RGBA), np.uint16)


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """The PNG with another chunk behind its header."""
    made = encoded(Image.new("RGB", (1, 1)), "PNG", **{kind.decode(): content})
    start = 33
    return data[:start] + made[start : made.index(b"IDAT") - 4] + data[start:]


@pytest.mark.parametrize("after", ENDINGS)
@pytest.mark.parametrize("before", ENDINGS)
@pytest.mark.parametrize("channels", [3, 4])
def test_every_level_survives_between_formats(channels: int, before: str, after: str) -> None:
    pixels = pixels_of(channels)
    data = run(saved(pixels, before), format=after)
    assert np.array_equal(read(data), pixels)
    assert describe_picture(data, Limits())["bit_depth"] == 16
    # Pillow keeps the high bytes.
    assert np.array_equal(np.asarray(opened(data)), pixels >> 8)


@pytest.mark.proves("crop", "flip", "flop", "orient", "rotate")
@pytest.mark.parametrize(
    ("pipeline", "moved"),
    [
        ("flip", lambda pixels: pixels[::-1]),
        ("flop/flip", lambda pixels: pixels[::-1, ::-1]),
        ("rotate:degrees=90", lambda pixels: np.rot90(pixels, -1)),
        ("rotate:degrees=180", lambda pixels: np.rot90(pixels, 2)),
        ("rotate:degrees=-90/flip", lambda pixels: np.rot90(pixels)[::-1]),
        ("crop:left=10,top=20,width=30,height=15", lambda pixels: pixels[20:35, 10:40]),
    ],
)
def test_an_operation_that_only_moves_pixels_keeps_16_bits(pipeline: str, moved: Any) -> None:
    pixels = pixels_of(4)
    assert np.array_equal(read(run(saved(pixels), pipeline)), moved(pixels))


@pytest.mark.parametrize("form", ENDINGS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright_once(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = saved(pixels_of(3), form)
    tagged = with_chunk(data, b"exif", exif.tobytes()) if form == "png" else _with_orientation(data, orientation)
    upright = np.asarray(ImageOps.exif_transpose(opened(tagged)))
    assert np.array_equal(read(run(tagged, format="same")) >> 8, upright)
    part = read(run(tagged, "crop:left=0,top=0,width=20,height=9", format="same"))
    assert np.array_equal(part >> 8, upright[:9, :20])


def _with_orientation(data: bytes, orientation: int) -> bytes:
    """The TIFF with the orientation, in an additional directory at its end."""
    assert data[:2] == b"II"
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    entries = [data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
    entries.append(struct.pack("<HHIHH", ExifTags.Base.Orientation, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
    directory = len(entries).to_bytes(2, "little") + b"".join(entries) + bytes(4)
    return data[:4] + len(data).to_bytes(4, "little") + data[8:] + directory


@pytest.mark.parametrize("channels", [3, 4])
def test_a_smaller_copy_equals_the_channels_resampled_in_floating_point(channels: int) -> None:
    pixels = pixels_of(channels, (300, 200))
    got = read(run(saved(pixels), "resize:width=97"))
    weight = pixels[..., 3:].astype(np.float64) / 65_535 if channels == 4 else np.ones((200, 300, 1))

    def small(plane: Any) -> Any:
        return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((97, 65), Image.Resampling.LANCZOS))

    alpha = small(weight[..., 0])
    for channel in range(3):
        expected = small(pixels[..., channel] * weight[..., 0])
        # In levels of 8 bits, as everywhere.
        assert psnr(got[..., channel] * alpha / 257, expected / 257) > 50
    if channels == 4:
        assert psnr(got[..., 3] / 257, alpha * 255) > 50


def test_grey_is_resized_in_16_bits_too() -> None:
    ramp = np.linspace(0, 65_535, 400).astype(np.uint16)
    got = np.asarray(opened(run(encoded(Image.fromarray(np.tile(ramp, (100, 1)))), "resize:width=200")))
    assert got.dtype == np.uint16
    assert len(np.unique(got)) > 190
    assert abs(int(got[20, 100]) - 65_535 * 100.5 / 200) < 200


@pytest.mark.parametrize(
    "pipeline",
    [
        "clahe",
        "median:radius=3",
        "blur:sigma=2/clahe",
        "threshold/flip",
    ],
)
def test_a_pipeline_with_an_operation_on_8_bits_gives_8_bits(pipeline: str) -> None:
    assert describe_picture(run(saved(pixels_of(3)), pipeline), Limits())["bit_depth"] == 8


@pytest.mark.parametrize(
    ("icc", "profile"),
    [("srgb", SRGB), ("srgb", P3), ("keep", P3), ("p3", SRGB), ("srgb", b"no profile")],
)
def test_sixteen_bits_stay_whatever_the_colours(icc: str, profile: bytes) -> None:
    data = run(with_chunk(saved(pixels_of(3)), b"icc_profile", profile), icc=icc)
    facts = describe_picture(data, Limits())
    assert facts["bit_depth"] == 16
    kept = opened(data).info.get("icc_profile")
    assert kept == (None if icc == "srgb" else make_display_p3())


@pytest.mark.parametrize("form", ENDINGS)
def test_metadata_is_kept_if_the_format_can_hold_it(form: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "somebody"
    data = run(with_chunk(saved(pixels_of(3)), b"exif", exif.tobytes()), format=form, metadata="keep")
    assert describe_picture(data, Limits())["bit_depth"] == 16
    assert opened(data).getexif()[ExifTags.Base.Copyright] == "somebody"


@pytest.mark.parametrize("form", ENDINGS)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_undecodable(form: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = saved(pixels_of(3), form)
    with pytest.raises(Undecodable):
        run(data[: int(len(data) * share)])
    # OpenCV would say it to the log as well.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", ENDINGS)
def test_changed_bytes_give_a_picture_or_an_error_of_ours(form: str) -> None:
    chance = np.random.default_rng(5)
    good = saved(pixels_of(4), form)
    for _ in range(60):
        data = bytearray(good)
        for at in chance.integers(0, len(good), 3):
            data[at] = chance.integers(0, 256)
        try:
            body = run(bytes(data), "flip", Limits(max_pixels=100_000))
        except ImgsrvError:
            continue
        assert levels(opened(body)).size


def test_an_output_of_8_bits_gets_the_nearest_level() -> None:
    # PNG specification, third edition, 12.4: level · 255 / 65535, rounded.
    pixels = pixels_of(3)
    got = levels(opened(run(saved(pixels), format="webp", lossless=True)))
    assert np.array_equal(got, (pixels.astype(np.uint32) + 128) // 257)
