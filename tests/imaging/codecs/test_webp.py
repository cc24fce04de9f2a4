"""WebP that OpenCV reads, compared with Pillow, which uses the same libwebp."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pictures import animation, encoded, opened, result, run, sample
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.formats.webp import read_pixels


def picture_of(mode: str) -> Image.Image:
    image = sample("chelsea.png").resize((151, 100)).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@pytest.mark.parametrize("options", [{"quality": 70}, {"lossless": True}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_is_read_as_pillow_reads_it(mode: str, options: dict[str, Any]) -> None:
    data = encoded(picture_of(mode), "WEBP", **options)
    with Image.open(io.BytesIO(data)) as file:
        got = read_pixels(file)
    assert got is not None
    assert (got.mode, got.tobytes()) == (mode, opened(data).tobytes())


@pytest.mark.parametrize(("value", "corner"), [(1, (0, 0)), (6, (39, 0)), (3, (39, 19)), (8, (0, 19))])
def test_it_is_turned_upright_once(value: int, corner: tuple[int, int]) -> None:
    size = (20, 40) if value in (6, 8) else (40, 20)
    image, exif = Image.new("RGB", size, "white"), Image.Exif()
    image.putpixel((0, 0), (0, 0, 0))
    exif[0x0112] = value
    got = result(encoded(image, "WEBP", lossless=True, exif=exif))
    assert got.size == (40, 20)
    assert got.getpixel(corner) == (0, 0, 0)


def test_an_animation_is_left_to_pillow() -> None:
    data = animation([picture_of("RGB"), picture_of("RGB").rotate(90)], "WEBP")
    with Image.open(io.BytesIO(data)) as file:
        assert read_pixels(file) is None


def test_a_truncated_file_is_undecodable(capfd: pytest.CaptureFixture[str]) -> None:
    data = encoded(picture_of("RGB"), "WEBP")
    with pytest.raises(Undecodable):
        run(data[: len(data) // 2])
    # OpenCV would say it to the log as well.
    assert capfd.readouterr() == ("", "")
