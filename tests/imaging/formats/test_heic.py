"""The primary picture of a HEIC is read, with its colours and all its bits."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from boxed import item_box
from numpy.typing import NDArray
from pictures import encoded, levels, picture, result
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, Header, decode, read_header
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Frame
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

pillow_heif: Any = pytest.importorskip("pillow_heif")

SIZE = (64, 48)
ACROSS, DOWN = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))

LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def ramps(channels: int) -> NDArray[np.uint16]:
    """Ramps of 10 bits in each channel, of which the last one is alpha where there are four."""
    planes = (ACROSS * 1023 // 63, DOWN * 1023 // 47, (ACROSS + DOWN) * 1023 // 110, (DOWN[::-1] + 1) * 1023 // 48)
    return np.dstack(planes[:channels]).astype(np.uint16)


def deep_heic(pixels: NDArray[np.uint16], mode: str) -> bytes:
    """A lossless file of 10 bits."""
    high = (pixels << 6 | pixels >> 4).astype(np.uint16)
    file = io.BytesIO()
    pillow_heif.from_bytes(mode, SIZE, high.tobytes()).save(file, **LOSSLESS)
    return file.getvalue()


def header_of(data: bytes) -> Header:
    return read_header(data, Limits())


def deep(data: bytes) -> Frame:
    return decode(header_of(data), DecodePlan(is_deep=True), Limits()).frames[0]


def of_two(primary: int) -> bytes:
    """A red picture of 64×48 and a green one of 32×96."""
    file = pillow_heif.HeifFile()
    for colour, size in (("R", SIZE), ("G", (32, 96))):
        file.add_from_pillow(picture(colour).resize(size))
    made = io.BytesIO()
    file.save(made, primary_index=primary, **LOSSLESS)
    return made.getvalue()


@pytest.mark.parametrize(("primary", "size", "colour"), [(0, SIZE, (255, 0, 0)), (1, (32, 96), (0, 255, 0))])
def test_the_primary_picture_is_the_picture(primary: int, size: tuple[int, int], colour: tuple[int, ...]) -> None:
    data = of_two(primary)
    assert header_of(data).size == size
    got = result(data)
    assert got.size == size
    assert np.abs(levels(got) - colour).max() <= 2


def test_the_other_picture_is_the_second_frame() -> None:
    frame = decode(read_header(of_two(1), Limits(), 1), DecodePlan(), Limits()).frames[0]
    assert frame.size == SIZE
    assert np.abs(levels(frame) - (255, 0, 0)).max() <= 2


def test_pixels_of_another_size_than_the_header_says_are_refused() -> None:
    data = of_two(1)
    boxes = data.split(b"ispe")
    lying = b"ispe".join([boxes[0], *(box[:4] + struct.pack(">II", 96, 96) + box[12:] for box in boxes[1:])])
    with pytest.raises(Undecodable):
        result(lying)


def test_the_colours_of_the_box_are_known() -> None:
    data = encoded(
        picture("+").resize((16, 16)), "HEIF", color_primaries=12, transfer_characteristics=16, matrix_coefficients=6
    )
    assert header_of(data).image.info["cicp"] == Cicp(12, 16, 6, is_full_range=True)


@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB;16"), (4, "RGBA;16")])
def test_all_10_bits_are_kept(channels: int, mode: str) -> None:
    data = deep_heic(ramps(channels), mode)
    frame = deep(data)
    assert header_of(data).form.bit_depth(data, header_of(data).image) == 10
    assert isinstance(frame, DeepFrame)
    assert (frame.pixels == np.rint(ramps(channels) * (65535 / 1023))).all()


def test_grey_of_10_bits_is_grey_of_16() -> None:
    frame = deep(deep_heic(ramps(1), "L;16"))
    assert frame.mode == "I;16"
    assert (np.asarray(frame) == np.rint(ramps(1)[..., 0] * (65535 / 1023))).all()


def test_8_bits_of_10_are_rounded() -> None:
    got = levels(result(deep_heic(ramps(3), "RGB;16"), format="bmp"))
    assert np.abs(got - ramps(3) * (255 / 1023)).max() < 0.51


@pytest.mark.parametrize("mode", ["RGBa", "RGBa;16"])
def test_alpha_that_is_multiplied_into_the_colours_is_divided_out(mode: str) -> None:
    straight = np.full((48, 64, 4), (800, 400, 200, 512), np.uint16)
    colours = (straight[..., :3].astype(float) * 512 / 1023).round().astype(np.uint16)
    if mode == "RGBa":
        multiplied = Image.fromarray((straight >> 2).astype(np.uint8)).convert("RGBa")
        data = encoded(multiplied, "HEIF", **LOSSLESS)
    else:
        data = deep_heic(np.dstack([colours, straight[..., 3]]), mode)
    frame = deep(data)
    got = frame.pixels / 257 if isinstance(frame, DeepFrame) else levels(frame)
    assert np.abs(got - straight * (255 / 1023)).max() < 1.5


def test_a_file_whose_own_brand_is_another_one_is_read() -> None:
    data = of_two(0)
    own = data[8:12]
    assert header_of(data.replace(b"ftyp" + own, b"ftypmif2", 1)).size == SIZE


def test_a_film_is_refused_by_name() -> None:
    film = item_box(b"ftyp", b"msf1\0\0\0\0msf1hevc") + item_box(b"moov", bytes(64)) + item_box(b"mdat", bytes(64))
    with pytest.raises(Undecodable, match="film of HEVC"):
        header_of(film)
