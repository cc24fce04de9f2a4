"""Pictures that are too large are refused from the header, before a pixel is decoded."""

from __future__ import annotations

import struct
import zlib

import pytest
from make import pixel_bomb
from pictures import animation, encoded, opened, picture, run
from PIL import Image, TiffImagePlugin

from imgsrv.errors import OperationDoesNotFit, ResultTooLarge, TooManyFrames, TooManyPixels
from imgsrv.imaging.model.limits import Limits


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG with this size in its header and without pixels, so that decoding would fail in another way."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def with_size(data: bytes, at: int, layout: str, *size: int) -> bytes:
    packed = struct.pack(layout, *size)
    return data[:at] + packed + data[at + len(packed) :]


def jpeg_that_claims(width: int, height: int) -> bytes:
    data = encoded(picture("RG/BY"), "JPEG")
    return with_size(data, data.index(b"\xff\xc0") + 5, ">HH", height, width)


def gif_that_claims(width: int, height: int) -> bytes:
    return with_size(encoded(picture("RG/BY"), "GIF"), 6, "<HH", width, height)


def bmp_that_claims(width: int, height: int) -> bytes:
    return with_size(encoded(picture("RG/BY"), "BMP"), 18, "<ii", width, height)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_that_claims(20_000, 20_000), id="png"),
        pytest.param(jpeg_that_claims(20_000, 20_000), id="jpeg"),
        pytest.param(gif_that_claims(20_000, 20_000), id="gif"),
        pytest.param(bmp_that_claims(20_000, 20_000), id="bmp"),
    ],
)
def test_a_pixel_bomb_is_refused_from_its_header(data: bytes) -> None:
    with pytest.raises(TooManyPixels) as caught:
        run(data)

    assert (caught.value.width, caught.value.height, caught.value.limit) == (20_000, 20_000, 100_000_000)
    assert str(caught.value) == "20000×20000 is 400 megapixels; the limit is 100 (--max-pixels)"


def test_the_pixel_bomb_of_the_samples_is_refused() -> None:
    with pytest.raises(TooManyPixels):
        run(pixel_bomb())


def test_a_picture_at_the_limit_is_processed() -> None:
    assert opened(run(encoded(picture("RG/BY")), limits=Limits(max_pixels=4))).size == (2, 2)


def test_a_picture_one_pixel_over_the_limit_is_refused() -> None:
    with pytest.raises(TooManyPixels):
        run(encoded(picture("RG/BY")), limits=Limits(max_pixels=3))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_an_animation_with_too_many_frames_is_refused(form: str) -> None:
    data = animation([picture("R"), picture("G"), picture("B")], form, duration=50)
    with pytest.raises(TooManyFrames, match="more than 2 frames"):
        run(data, limits=Limits(max_frames=2))


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_frames_of_an_animation_count_as_pixels(form: str) -> None:
    data = animation([picture("RG"), picture("GB"), picture("BR")], form, duration=50)
    with pytest.raises(TooManyPixels):
        run(data, limits=Limits(max_pixels=5))


def test_a_gif_of_many_thousand_frames_ends_at_the_frame_limit() -> None:
    two = animation([picture("R"), picture("G")], "GIF", duration=20)
    begin = two.index(b"!\xf9")
    data = two[:begin] + two[begin:-1] * 20_000 + b";"
    with pytest.raises(TooManyFrames):
        run(data)


def test_one_frame_of_a_long_gif_is_enough_for_a_still_format() -> None:
    data = animation([picture("R"), picture("G"), picture("B")], "GIF", duration=50)
    assert opened(run(data, limits=Limits(max_frames=1), format="bmp")).size == (1, 1)


def test_a_tiff_tile_larger_than_the_limit_is_refused() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.TILEWIDTH] = 48_000
    tags[TiffImagePlugin.TILELENGTH] = 48_000
    data = encoded(picture("RG/BY"), "TIFF", tiffinfo=tags, compression="raw")
    begin = int.from_bytes(data[4:8], "little")
    # Pillow drops the tags of tiles when it writes; two that it keeps are renamed.
    data = data[:begin] + data[begin:].replace(struct.pack("<HH", 278, 4), struct.pack("<HH", 323, 4))
    data = data.replace(struct.pack("<HHII", 323, 4, 1, 2), struct.pack("<HHII", 323, 4, 1, 48_000))
    data = data.replace(struct.pack("<HH", 284, 3), struct.pack("<HH", 322, 4))
    data = data.replace(struct.pack("<HHII", 322, 4, 1, 1), struct.pack("<HHII", 322, 4, 1, 48_000))
    with pytest.raises(TooManyPixels):
        run(data)


def test_a_result_over_the_limit_is_refused_and_names_the_operation() -> None:
    with pytest.raises(ResultTooLarge, match="resize would make a picture of 200×100"):
        run(encoded(picture("RG")), "resize:width=200,enlarge=true", limits=Limits(max_pixels=19_999))


def test_a_side_that_the_output_format_cannot_hold_is_refused() -> None:
    with pytest.raises(ResultTooLarge, match=r"format=webp .* 16383 pixels"):
        run(encoded(Image.new("L", (16_384, 1))), format="webp")


LONGEST = [("webp", 16_383), ("avif", 32_768), ("jpeg", 65_500), ("gif", 65_535), ("jp2", 65_535)]


@pytest.mark.parametrize(("name", "most"), LONGEST)
def test_the_longest_side_of_a_format_is_written_and_read_again(name: str, most: int) -> None:
    data = run(encoded(Image.new("L", (most, 1))), format=name)
    assert opened(run(data, format="png")).size == (most, 1)


@pytest.mark.parametrize(("name", "most"), LONGEST)
def test_a_side_one_pixel_longer_is_refused(name: str, most: int) -> None:
    with pytest.raises(ResultTooLarge):
        run(encoded(Image.new("L", (most + 1, 1))), format=name)


def test_rotating_a_side_longer_than_opencv_takes_is_refused() -> None:
    with pytest.raises(OperationDoesNotFit, match="32766"):
        run(encoded(Image.new("L", (40_000, 1))), "rotate:degrees=0.01")


def test_rotating_a_very_long_picture_by_a_quarter_is_possible() -> None:
    assert opened(run(encoded(Image.new("L", (40_000, 1))), "rotate:degrees=90")).size == (1, 40_000)
