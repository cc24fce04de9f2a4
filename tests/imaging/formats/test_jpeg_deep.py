"""JPEGs that Pillow does not open: 12 bits a channel, and a JFIF segment without a version."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import encoded, levels, opened, result, run, sample
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits

SIDE, MIDDLE = 8, 2048

NUMBERS = (0, 1, 2047, 2048, 2049, 4000, 4095)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def flat_blocks(numbers: tuple[int, ...], components: int = 1) -> bytes:
    """A JPEG of 12 bits whose blocks of 8×8 pixels have one number each, written by ITU-T T.81 without a library.

    A flat block has one coefficient, 8 × (number − 2048), of which the difference from the block before is coded: its
    number of bits by a Huffman code, then the bits (F.1.2.1).  All codes have five bits here, so that code = value.
    Components are red, green and blue: Adobe's segment says so.
    """
    bits = ""
    before = [0] * components
    for number in numbers:
        for index in range(components):
            now = 8 * (number - MIDDLE)
            step, before[index] = now - before[index], now
            size = abs(step).bit_length()
            own = step if step > 0 else step + (1 << size) - 1
            # Behind it stands the end of the block: value 0, whose code is 0.
            bits += f"{size:05b}" + (f"{own:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 12, SIDE, SIDE * len(numbers), components)
    scan = bytes((components,))
    for index in range(1, components + 1):
        frame += bytes((index, 0x11, 0))
        scan += bytes((index, 0))
    differences = bytes((0, 0, 0, 0, 16, *bytes(11))) + bytes(range(16))
    return (
        b"\xff\xd8"
        + segment(0xEE, b"Adobe\0\x64" + bytes(5))
        + segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC1, frame)
        + segment(0xC4, b"\0" + differences)
        + segment(0xC4, b"\x10" + bytes((1, *bytes(15))) + b"\0")
        + segment(0xDA, scan + b"\0\x3f\0")
        + data
        + b"\xff\xd9"
    )


def numbers_of(data: bytes, plan: DecodePlan) -> list[int]:
    """The first channel of the first pixel of each block."""
    frame = decode(read_header(data, Limits()), plan, Limits()).frames[0]
    pixels = np.asarray(getattr(frame, "pixels", frame))
    return [int(number) for number in pixels.reshape(*pixels.shape[:2], -1)[0, ::SIDE, 0]]


@pytest.mark.parametrize("components", [1, 3])
def test_each_number_of_twelve_bits_is_scaled_to_the_full_range(components: int) -> None:
    data = flat_blocks(NUMBERS, components)
    assert numbers_of(data, DecodePlan(is_deep=True)) == [round(number * 65_535 / 4095) for number in NUMBERS]
    assert numbers_of(data, DecodePlan()) == [round(number * 255 / 4095) for number in NUMBERS]


def test_a_jpeg_of_twelve_bits_keeps_them_as_png() -> None:
    data = flat_blocks(NUMBERS)
    assert describe_picture(data, Limits())["bit_depth"] == 12
    with opened(run(data, format="png")) as made:
        assert made.mode.startswith("I;16")
        assert [made.getpixel((at * SIDE, 0)) for at in range(len(NUMBERS))] == [
            round(number * 65_535 / 4095) for number in NUMBERS
        ]
    assert result(data, "resize:width=14").size == (14, 2)


def test_a_jpeg_of_twelve_bits_is_turned_upright() -> None:
    turned = Image.new("L", (1, 1))
    turned.getexif()[0x0112] = 6
    written = encoded(turned, "JPEG", exif=turned.getexif())
    start = written.index(b"\xff\xe1")
    exif = written[start : start + 2 + int.from_bytes(written[start + 2 : start + 4], "big")]
    data = flat_blocks(NUMBERS)
    assert result(data[:2] + exif + data[2:]).size == (SIDE, SIDE * len(NUMBERS))


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_jpeg_of_twelve_bits_that_is_cut_is_refused(end: bytes) -> None:
    data = flat_blocks(NUMBERS)
    with pytest.raises(Undecodable, match="cut off"):
        run(data[:-5] + end)
    assert numbers_of(data[:-2], DecodePlan()) == numbers_of(data, DecodePlan())


def test_inks_of_twelve_bits_are_named() -> None:
    for read in (run, lambda data: describe_picture(data, Limits())):
        with pytest.raises(Undecodable, match="4 components of 12 bits"):
            read(flat_blocks(NUMBERS, 4))


@pytest.mark.parametrize("body", [b"JFIF\0", b"JFIF\0\1", b"JFIF"])
def test_a_jfif_segment_without_a_version_is_passed_over(body: bytes) -> None:
    """Chromium, sharp, ImageMagick and FFmpeg do so, too."""
    whole = encoded(sample("astronaut.jpg").resize((40, 40)), "JPEG")
    data = whole[:2] + segment(0xE0, body) + whole[whole.index(b"\xff\xdb") :]
    assert np.array_equal(levels(result(data)), levels(result(whole)))
    assert describe_picture(data, Limits())["width"] == 40
