"""JPEG 2000 read right.  The right values are the numbers that the files are made of, which are coded without loss."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made.jpeg2000 import Plane, codestream, defined, enumerated, jp2, mapped, noise_plane, palette, profiled
from pictures import encoded, levels, opened, psnr, result, run, sample
from PIL import Image, ImageCms

from imgsrv.errors import Undecodable
from imgsrv.imaging.apart import pictures, pool
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.colour.icc import P3
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = (37, 23)

SRGB, GREY, SYCC, CMYK, CMY, LAB = 16, 17, 18, 12, 11, 14
"""Enumerated colour spaces."""

ROUNDED = 0.501
"""Most levels between a number and its level."""


def read(data: bytes, *, is_deep: bool = False) -> NDArray[Any]:
    """The pixels of the decoded frame."""
    frame = decode(read_header(data, Limits()), DecodePlan(is_deep=is_deep), Limits()).frames[0]
    return frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)


def noise(count: int, bits: int = 8, *, is_signed: bool = False) -> list[Plane]:
    return [noise_plane(SIZE, bits, is_signed=is_signed, seed=seed) for seed in range(count)]


def flat(*levels: int, bits: int = 8) -> list[Plane]:
    """Components of one level each."""
    return [Plane(np.full(SIZE[::-1], level), bits) for level in levels]


def shown(planes: list[Plane], offset: tuple[int, int] = (0, 0)) -> NDArray[np.float64]:
    return np.stack([plane.shown(SIZE, offset) for plane in planes], axis=-1)


def of_sycc(pixels: NDArray[np.float64], bits: int = 8) -> NDArray[np.float64]:
    """Red, green and blue by IEC 61966-2-1, annex F."""
    middle = (1 << (bits - 1)) * 255 / ((1 << bits) - 1)
    luma, blue, red = pixels[..., 0], pixels[..., 1] - middle, pixels[..., 2] - middle
    colours = luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue
    return np.stack(colours, axis=-1).clip(0, 255)


# ---- depth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 7, 8, 9, 10, 12, 14, 16, 20])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_every_depth_is_scaled_to_the_full_range(count: int, bits: int, is_signed: bool) -> None:  # noqa: FBT001
    planes = noise(count, bits, is_signed=is_signed)

    got = read(codestream(planes, SIZE))

    assert np.abs(got.reshape(*SIZE[::-1], count) - shown(planes)).max() <= ROUNDED


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_more_than_8_bits_are_kept_where_they_are_wanted(count: int, bits: int) -> None:
    planes = noise(count, bits)

    got = read(codestream(planes, SIZE), is_deep=True)

    assert got.dtype == np.uint16
    assert np.abs(got.reshape(*SIZE[::-1], count) - 257 * shown(planes)).max() <= ROUNDED


def test_white_and_black_of_every_depth_are_white_and_black() -> None:
    for bits in (1, 2, 4, 8, 12, 16):
        stream = jp2(codestream(flat(*[(1 << bits) - 1] * 3, bits=bits), SIZE), enumerated(SRGB))
        assert read(stream).min() == 255
        assert opened(run(stream, format="png")).getpixel((5, 5)) in ((255, 255, 255), 65_535, 255)
    assert read(codestream(flat(0, 0, 0, bits=12), SIZE)).max() == 0


def test_components_of_different_depths_are_scaled_each_by_its_own() -> None:
    planes = [plane for bits in (4, 8, 12) for plane in noise(1, bits)]
    assert np.abs(read(codestream(planes, SIZE)) - shown(planes)).max() <= ROUNDED


def test_a_description_names_the_depth() -> None:
    assert describe_picture(codestream(noise(3, 12), SIZE), Limits())["bit_depth"] == 12


# ---- subsampling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [(2, 2), (2, 1), (1, 2), (4, 1), (4, 2)])
@pytest.mark.parametrize("offset", [(0, 0), (3, 5)])
@pytest.mark.parametrize("bits", [8, 12])
def test_subsampled_colours_are_sycc(step: tuple[int, int], offset: tuple[int, int], bits: int) -> None:
    planes = [
        noise_plane(SIZE, bits, offset=offset, step=each, seed=seed) for seed, each in enumerate(((1, 1), step, step))
    ]

    got = read(codestream(planes, SIZE, offset))

    assert np.abs(got - of_sycc(shown(planes, offset), bits)).max() <= ROUNDED + 0.01


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("step", [(2, 2), (3, 1)])
def test_a_picture_of_which_every_component_is_subsampled_has_the_size_of_its_header(
    count: int, step: tuple[int, int]
) -> None:
    planes = [noise_plane(SIZE, step=step, seed=seed) for seed in range(count)]
    got = read(codestream(planes, SIZE))
    assert np.abs(got.reshape(*SIZE[::-1], count) - shown(planes)).max() <= ROUNDED


@pytest.mark.parametrize("tile", [16, 17, 32])
@pytest.mark.parametrize("offset", [(0, 0), (5, 9)])
@pytest.mark.parametrize("resolutions", [1, 3])
def test_tiles_and_offsets_stand_where_they_belong(tile: int, offset: tuple[int, int], resolutions: int) -> None:
    planes = [noise_plane(SIZE, offset=offset, seed=seed) for seed in range(3)]
    got = read(codestream(planes, SIZE, offset, tile, resolutions))
    assert np.array_equal(got, shown(planes, offset))


def test_tiles_of_subsampled_colours_of_odd_sides() -> None:
    planes = [noise_plane(SIZE, step=step, seed=seed) for seed, step in enumerate(((1, 1), (2, 2), (2, 2)))]
    got = read(codestream(planes, SIZE, tile=18))
    assert np.abs(got - of_sycc(shown(planes))).max() <= ROUNDED


@pytest.mark.parametrize("count", [2, 3, 8])
def test_parts_of_tiles_may_stand_in_any_order(count: int) -> None:
    """As in `relax_tileparts.jp2` of sharp.  Parts beyond the first of each tile are empty here."""
    planes = noise(3)
    data = codestream(planes, SIZE, tile=16)
    at = data.index(b"\xff\x90\x00\x0a")
    head, parts = data[:at], [list[bytes]() for _ in range(count)]
    while data[at : at + 2] == b"\xff\x90":
        tile, size = struct.unpack_from(">HI", data, at + 4)
        parts[0].insert(0, data[at : at + 10] + b"\0\0" + data[at + 12 : at + size])
        for number in range(1, count):
            total = count if number == count - 1 else 0
            parts[number].insert(0, struct.pack(">HHHIBB", 0xFF90, 10, tile, 14, number, total) + b"\xff\x93")
        at += size

    got = read(head + b"".join(map(b"".join, parts)) + data[at:])

    assert np.array_equal(got, shown(planes))


# ---- colours -------------------------------------------------------------------------------------------


def test_sycc_of_full_size_is_converted_by_its_number() -> None:
    planes = noise(3)
    stream = codestream(planes, SIZE)
    assert np.abs(read(jp2(stream, enumerated(SYCC))) - of_sycc(shown(planes))).max() <= ROUNDED
    assert np.array_equal(read(jp2(stream, enumerated(SRGB))), shown(planes))


def test_cmyk_is_converted_as_that_of_a_jpeg() -> None:
    stream = codestream(flat(200, 100, 0, 51), SIZE)

    got = read(jp2(stream, enumerated(CMYK)))[0, 0]

    assert np.abs(got - np.array([55, 155, 255]) * 204 / 255).max() <= 1


def test_cmy_is_inverted() -> None:
    planes = noise(3)
    assert np.array_equal(read(jp2(codestream(planes, SIZE), enumerated(CMY))), 255 - shown(planes))


def lab_of(colour: tuple[int, int, int]) -> list[float]:
    """L, a and b under D50 of a colour of sRGB (CIE 15, with the primaries of sRGB adapted by Bradford)."""
    share = np.array(colour) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
    x, y, z = np.cbrt(np.array(to_xyz) @ light / (0.9642, 1, 0.8249))
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("bits", [8, 12, 15, 16])
@pytest.mark.parametrize("colour", [(128, 128, 128), (200, 100, 60), (60, 120, 90), (150, 160, 220)])
@pytest.mark.parametrize("is_told", [False, True])
def test_cielab_is_converted(bits: int, colour: tuple[int, int, int], is_told: bool) -> None:  # noqa: FBT001
    """By ISO/IEC 15444-2, M.11.7.4.1: a number is value × (2^bits − 1) / range + offset."""
    ranges = (100, 0, 255, 1 << (bits - 1), 255, 1 << (bits - 1))
    reach = ranges if is_told else (100, 0, 170, 1 << (bits - 1), 200, (1 << (bits - 2)) + (1 << (bits - 3)))
    most = (1 << bits) - 1
    numbers = [round(value * most / reach[2 * at] + reach[2 * at + 1]) for at, value in enumerate(lab_of(colour))]
    colours = enumerated(LAB, *((*ranges, 0x00443530) if is_told else ()))

    got = result(jp2(codestream(flat(*numbers, bits=bits), SIZE), colours)).convert("RGB").getpixel((0, 0))

    # In whole numbers of a and b a colour moves by some levels.
    assert np.abs(np.array(got) - colour).max() <= 3


def test_a_profile_is_applied() -> None:
    stream = codestream(flat(230, 120, 60), SIZE)
    image = Image.new("RGB", (1, 1), (230, 120, 60))
    srgb = ImageCms.createProfile("sRGB")
    wanted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(P3)), srgb)
    assert wanted is not None

    for method in (2, 3):
        got = read(jp2(stream, profiled(P3, method)))[0, 0]
        assert np.abs(got - np.array(wanted.getpixel((0, 0)), float)).max() <= 1


def test_a_profile_without_a_header_says_nothing() -> None:
    """As in `orb-blue10-lin-jp2.jp2` of OpenJPEG's data, which four readers show as red, green and blue."""
    planes = noise(3)
    assert np.array_equal(read(jp2(codestream(planes, SIZE), profiled(b"\0"))), shown(planes))


def test_the_first_colours_that_are_understood_count() -> None:
    planes = noise(3)
    data = jp2(codestream(planes, SIZE), enumerated(99), enumerated(SYCC), enumerated(SRGB))
    assert np.abs(read(data) - of_sycc(shown(planes))).max() <= ROUNDED


def test_a_marker_without_a_length_is_passed_over() -> None:
    data = codestream(noise(3), SIZE)
    tile = data.index(b"\xff\x90\x00\x0a")
    got = read(data[:tile] + b"\xff\x30" + data[tile:])
    assert np.array_equal(got, read(data))


@pytest.mark.parametrize(("number", "name"), [(19, "CIEJab"), (9, "PhotoYCC"), (99, "number 99")])
def test_colours_that_are_not_read_are_refused_by_name(number: int, name: str) -> None:
    with pytest.raises(Undecodable, match=name):
        read(jp2(codestream(noise(3), SIZE), enumerated(number)))


# ---- channels ------------------------------------------------------------------------------------------


def test_alpha_is_straight() -> None:
    planes = noise(4)
    stream = codestream(planes, SIZE)
    assert np.array_equal(read(stream), shown(planes))
    data = jp2(stream, enumerated(SRGB), defined((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0)))
    assert np.array_equal(read(data), shown(planes))


def test_opaque_alpha_of_16_bits_is_opaque() -> None:
    assert read(codestream(flat(1, 2, 3, 65_535, bits=16), SIZE))[..., 3].min() == 255


def test_alpha_of_grey() -> None:
    planes = noise(2)
    got = read(jp2(codestream(planes, SIZE), enumerated(GREY), defined((0, 0, 1), (1, 1, 0))))
    assert np.array_equal(got[..., [0, 3]], shown(planes))
    deep = read(codestream(noise(2, 12), SIZE), is_deep=True)
    assert np.abs(deep[..., [1, 3]] - 257 * shown(noise(2, 12))).max() <= ROUNDED


def test_premultiplied_alpha_is_divided_out() -> None:
    red, alpha = np.tile(np.arange(37), (23, 1)), np.tile(np.arange(37) * 4, (23, 1))
    planes = [Plane(red), Plane(red * 2), Plane(red * 4), Plane(alpha)]
    channels = defined((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 2, 0))

    got = read(jp2(codestream(planes, SIZE), enumerated(SRGB), channels))

    assert np.abs(got[0, 5:] - np.array([64, 127.5, 255, 0])).max(axis=0)[:3].max() <= 1
    assert np.array_equal(got[..., 3], alpha)


def test_channels_in_another_order_are_put_in_order() -> None:
    planes = noise(4)
    channels = defined((0, 1, 0), (1, 0, 3), (2, 0, 2), (3, 0, 1))
    got = read(jp2(codestream(planes, SIZE), enumerated(SRGB), channels))
    assert np.array_equal(got, shown(planes)[..., [3, 2, 1, 0]])


def test_a_palette_is_looked_up() -> None:
    index = noise_plane(SIZE, 2)
    columns = [[255, 10, 20, 30], [0, 40, 50, 60], [7, 70, 80, 90]]
    mapping = mapped((0, 1, 0), (0, 1, 1), (0, 1, 2))
    stream = codestream([index], SIZE)

    got = read(jp2(stream, enumerated(SRGB), palette(columns), mapping))
    assert np.array_equal(got, np.array(columns).T[index.samples])

    swapped = defined((0, 0, 3), (1, 0, 2), (2, 0, 1))
    got = read(jp2(stream, enumerated(SRGB), palette(columns), mapping, swapped))
    assert np.array_equal(got, np.array(columns[::-1]).T[index.samples])


def test_a_palette_of_16_bits_with_alpha_beside_it() -> None:
    planes = [noise_plane(SIZE, 1), noise_plane(SIZE, seed=1)]
    columns = [[65_535, 0], [32_768, 257], [0, 514]]
    mapping = mapped((0, 1, 0), (0, 1, 1), (0, 1, 2), (1, 0, 0))
    channels = defined((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 1, 0))

    got = read(jp2(codestream(planes, SIZE), enumerated(SRGB), palette(columns, 16), mapping, channels))

    wanted = np.dstack([np.array(columns).T[planes[0].samples] / 257, planes[1].samples])
    assert np.abs(got - wanted).max() <= ROUNDED


def test_a_sample_beyond_the_palette_has_its_last_colour() -> None:
    index = noise_plane(SIZE, 3)
    columns = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    got = read(jp2(codestream([index], SIZE), enumerated(SRGB), palette(columns)))
    assert np.array_equal(got, np.array(columns).T[index.samples.clip(0, 2)])


def test_components_without_a_meaning_are_left_out() -> None:
    planes = noise(5)
    assert np.array_equal(read(jp2(codestream(planes, SIZE), enumerated(SRGB))), shown(planes)[..., :3])
    with pytest.raises(Undecodable, match="9 components"):
        read(codestream(noise(9), SIZE))


# ---- where it is decoded -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_helper_gives_the_same_pixels(monkeypatch: pytest.MonkeyPatch, count: int, is_deep: bool) -> None:  # noqa: FBT001
    data = codestream(noise(count, 12), SIZE)
    pool.take_losses()
    apart = read(data, is_deep=is_deep)
    assert pool._State.idle
    assert pool.take_losses() == []

    monkeypatch.setattr(pictures, "is_warm", lambda: False)

    assert np.array_equal(read(data, is_deep=is_deep), apart)


def test_without_a_shared_library_plain_files_are_read_and_others_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    planes, deep = noise(3), noise(3, 12, is_signed=True)
    plain, twelve = codestream(planes, SIZE), codestream(deep, SIZE)
    subsampled = codestream([noise_plane(SIZE, step=step) for step in ((1, 1), (2, 2), (2, 2))], SIZE)
    monkeypatch.setattr(pictures, "is_warm", lambda: False)
    monkeypatch.setattr("imgsrv.imaging.apart.decoders.jp2.library", lambda: None)

    assert np.array_equal(read(plain), shown(planes))
    assert np.abs(read(twelve) - shown(deep)).max() <= ROUNDED
    with pytest.raises(Undecodable, match="different sizes"):
        read(subsampled)


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut-in-the-header": lambda data: data[:60],
    "cut-in-the-size": lambda data: data[: data.index(b"\xff\x51") + 20],
    "cut-in-the-pixels": lambda data: data[:-300],
    "no-codestream": lambda data: data[: data.index(b"jp2c") - 4],
    "no-width": lambda data: data.replace(b"\xff\x51", b"\xff\x51", 1).replace(b"\x00\x00\x00\x25", bytes(4)),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_file_is_refused(name: str) -> None:
    with pytest.raises(Undecodable):
        read(BROKEN[name](jp2(codestream(noise(3), SIZE), enumerated(SRGB))))


def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes_where_that_is_accepted() -> None:
    image = sample("astronaut.jpg").resize((256, 256))
    data = encoded(image, "JPEG2000", irreversible=True)
    cut = data[: len(data) * 3 // 4]

    with pytest.raises(Undecodable):
        run(cut, format="png")
    got = opened(run(cut, format="png", broken="accept"))

    assert psnr(levels(got, "RGB"), levels(image)) > 25
