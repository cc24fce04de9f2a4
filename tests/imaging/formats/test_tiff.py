"""TIFFs of every depth, format, colour, arrangement and compression, against the numbers that they are made of."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from itertools import product
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from made.tiff import by_hand, packed_bits, tags_of
from made.tiff import written as tiff
from numpy.typing import NDArray
from pictures import encoded, opened, run
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.codecs.encode import encode
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.model.picture import Picture
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

WIDTH, HEIGHT = 37, 21

TOP = 65_535

Pixels = NDArray[np.float64]
"""(H, W, channels), 0 to 1."""

CHANCE = np.random.default_rng(3)

TYPES = {
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "float16": np.float16,
    "float32": np.float32, "float64": np.float64,
}  # fmt: skip

ARRANGEMENTS: Mapping[str, Mapping[str, Any]] = {
    "strips": {"rowsperstrip": 5},
    "one-strip": {},
    "tiles": {"tile": (16, 16)},
}

BYTE_CODECS = ("none", "lzw", "deflate", "packbits", "zstd", "lzma")


CODINGS = (
    *((codec, False) for codec in BYTE_CODECS),
    *((codec, True) for codec in BYTE_CODECS if codec not in ("none", "packbits")),
)
"""Compressions without and with a predictor; libtiff has none for the others."""


def sample(channels: int) -> Pixels:
    """A smooth picture with some noise: its channels differ."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [(x / (WIDTH - 1) + at * y / (HEIGHT - 1)) / (1 + at) for at in range(channels)]
    return np.asarray(np.dstack(planes) * 0.98 + CHANCE.random((HEIGHT, WIDTH, channels)) * 0.02)


def stored(pixels: Pixels, kind: str) -> NDArray[Any]:
    """The pixels as numbers of a TIFF."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return pixels.astype(dtype)
    return np.rint(pixels * float(np.iinfo(dtype).max)).clip(0, float(np.iinfo(dtype).max)).astype(dtype)


def read(data: bytes, *, is_deep: bool = True) -> tuple[str, Pixels]:
    """The mode and the pixels of the frame, 0 to 1."""
    frame = decode(read_header(data, Limits()), DecodePlan(is_deep=is_deep), Limits()).frames[0]
    levels = np.asarray(frame.pixels if isinstance(frame, DeepFrame) else frame)
    return frame.mode, np.asarray(np.atleast_3d(levels) / np.iinfo(levels.dtype).max)


def close(got: Pixels, wanted: Pixels, levels: float) -> bool:
    """No channel is further from the numbers than half a level, and a little for the rounding of the file's own."""
    return got.shape == wanted.shape and float(np.abs(got - wanted).max()) <= 0.51 / levels


def levels_of(kind: str, *, is_deep: bool) -> float:
    """The levels that are to be seen of the numbers."""
    if kind == "float16":
        return 200.0 if not is_deep else 1000.0
    return 255.0 if not is_deep or kind == "uint8" else TOP


@pytest.mark.parametrize("is_deep", [True, False])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("photometric", "channels", "options", "mode"),
    [
        ("minisblack", 1, {}, "L"),
        ("miniswhite", 1, {}, "L"),
        ("minisblack", 2, {"extrasamples": ["unassalpha"]}, "RGBA"),
        ("rgb", 3, {}, "RGB"),
        ("rgb", 3, {"planarconfig": "separate"}, "RGB"),
        ("rgb", 4, {"extrasamples": ["unassalpha"]}, "RGBA"),
        ("rgb", 4, {"extrasamples": ["unassalpha"], "planarconfig": "separate"}, "RGBA"),
        ("rgb", 4, {"extrasamples": ["unspecified"]}, "RGB"),
        ("rgb", 6, {"extrasamples": ["unspecified", "unassalpha", "unspecified"]}, "RGBA"),
        ("rgb", 6, {"extrasamples": ["unspecified"] * 3, "planarconfig": "separate"}, "RGB"),
    ],
)
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_whole_and_floating_point_samples_keep_their_levels(
    arrangement: str,
    photometric: str,
    channels: int,
    options: Mapping[str, Any],
    mode: str,
    kind: str,
    *,
    is_deep: bool,
) -> None:
    pixels = sample(channels)
    squeezed = pixels[..., 0] if channels == 1 else pixels
    data = tiff(stored(squeezed, kind), photometric, **options, **ARRANGEMENTS[arrangement])

    got_mode, got = read(data, is_deep=is_deep)

    wanted = {"L": pixels, "RGB": pixels[..., :3]}.get(mode, pixels)
    if photometric == "miniswhite":
        wanted = 1 - wanted
    if mode == "RGBA":
        wanted = np.take(pixels, {2: (0, 0, 0, 1), 4: (0, 1, 2, 3), 6: (0, 1, 2, 4)}[channels], axis=2)
    deep_mode = {"L": "I;16"}.get(mode, f"{mode};16")
    assert got_mode == (deep_mode if is_deep and kind != "uint8" else mode)
    assert close(got, wanted, levels_of(kind, is_deep=is_deep))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("is_bigtiff", [False, True])
@pytest.mark.parametrize(("codec", "predictor"), CODINGS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32"])
@pytest.mark.parametrize(
    ("photometric", "options"),
    [("minisblack", {}), ("rgb", {}), ("rgb", {"planarconfig": "separate", "tile": (32, 16)})],
)
def test_every_compression_and_byte_order_is_read(
    photometric: str,
    options: Mapping[str, Any],
    kind: str,
    codec: str,
    order: str,
    *,
    predictor: bool,
    is_bigtiff: bool,
) -> None:
    pixels = sample(1 if photometric == "minisblack" else 3)
    numbers = stored(pixels[..., 0] if photometric == "minisblack" else pixels, kind)
    data = tiff(
        numbers, photometric, compression=codec, predictor=predictor, byteorder=order, bigtiff=is_bigtiff, **options
    )

    assert close(read(data)[1], pixels, 255 if kind == "uint8" else TOP)


def plain(bits: int, samples: int = 1, photometric: int = 1, **more: tuple[str, tuple[int, ...]]) -> dict[int, Any]:
    """Tags of a picture without compression."""
    return tags_of((WIDTH, HEIGHT), bits, samples, photometric, **more)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 20, 31])
def test_odd_depths_are_scaled_to_the_whole_range(bits: int, samples: int, order: str) -> None:
    top = (1 << bits) - 1
    pixels = sample(samples)
    numbers = np.rint(pixels * top)
    numbers[0, 0], numbers[0, 1] = 0, top
    data = by_hand(plain(bits, samples, 1 if samples == 1 else 2), [packed_bits(numbers, bits)], order)

    assert close(read(data)[1], numbers / top, 255 if bits < 8 else TOP)
    assert close(read(data, is_deep=False)[1], numbers / top, 255)


@pytest.mark.parametrize("order", "<>")
def test_24_bits_follow_the_byte_order(order: str) -> None:
    numbers = np.rint(sample(1)[..., 0] * 0xFF_FFFF).astype(np.uint32)
    strip = b"".join(int(number).to_bytes(3, "big" if order == ">" else "little") for number in numbers.ravel())

    assert close(read(by_hand(plain(24), [strip], order))[1], numbers[..., None] / 0xFF_FFFF, TOP)


def test_signed_samples_of_8_bits_are_taken_for_unsigned_ones_as_libtiff_does() -> None:
    numbers = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    data = tiff(numbers, "minisblack")

    assert np.array_equal(np.rint(read(data)[1][..., 0] * 255), imagecodecs.tiff_decode(data, asrgb=True)[..., 0])


@pytest.mark.parametrize("kind", ["int16", "int32"])
def test_signed_samples_begin_with_black_at_the_smallest_number(kind: str) -> None:
    pixels = sample(1)[..., 0]
    bounds = np.iinfo(kind)
    numbers = np.rint(bounds.min + pixels * (float(bounds.max) - bounds.min)).astype(kind)
    numbers[0, :2] = bounds.min, bounds.max

    wanted = (numbers.astype(np.float64) - bounds.min) / (float(bounds.max) - bounds.min)
    assert close(read(tiff(numbers, "minisblack"))[1], wanted[..., None], TOP)


def test_floating_point_samples_are_clipped_and_what_is_no_number_is_black() -> None:
    numbers = np.array([[-1.0, 0.0, 0.5, 1.0, 7.0, np.nan, np.inf, -np.inf]], np.float32)

    got = read(tiff(numbers, "minisblack"))[1]

    assert np.allclose(got[0, :, 0], [0, 0, 0.5, 1, 1, 0, 1, 0], atol=1e-5)


@pytest.mark.parametrize("codec", BYTE_CODECS)
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("photometric", "channels"), [("minisblack", 2), ("rgb", 4)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_that_are_multiplied_with_alpha_are_divided(
    planar: str, photometric: str, channels: int, kind: str, codec: str
) -> None:
    pixels = sample(channels)
    pixels[..., -1] = 0.5 + pixels[..., -1] / 2
    pixels[0, 0, -1], pixels[0, 1, -1] = 0, 1
    given = pixels.copy()
    given[..., :-1] *= given[..., -1:]
    data = tiff(stored(given, kind), photometric, extrasamples=["assocalpha"], planarconfig=planar, compression=codec)

    mode, got = read(data)

    assert mode == ("RGBA" if kind == "uint8" else "RGBA;16")
    wanted = np.take(pixels, (0, 0, 0, 1) if channels == 2 else (0, 1, 2, 3), axis=2)
    assert got[0, 0, 3] == 0
    seen = wanted[..., 3] > 0
    assert np.abs(got - wanted)[seen].max() < (2.6 / 255 if kind == "uint8" else 3 / TOP)


@pytest.mark.parametrize("is_deep", [True, False])
@pytest.mark.parametrize("codec", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("has_alpha", [True, False])
def test_inks_become_the_colours_that_they_take_from_white(
    kind: str, planar: str, codec: str, *, has_alpha: bool, is_deep: bool
) -> None:
    pixels = sample(5 if has_alpha else 4)
    pixels[..., 3] /= 2
    extra = {"extrasamples": ["unassalpha"]} if has_alpha else {}
    data = tiff(stored(pixels, kind), "separated", planarconfig=planar, compression=codec, **extra)

    mode, got = read(data, is_deep=is_deep)

    wanted = (1 - pixels[..., :3]) * (1 - pixels[..., 3:4])
    assert mode == ("RGBA" if has_alpha else "RGB")
    assert np.abs(got[..., :3] - wanted).max() < 1.6 / 255
    if has_alpha:
        assert np.abs(got[..., 3] - pixels[..., 4]).max() < 0.51 / 255


@pytest.mark.parametrize("is_in_8_bits", [False, True])
@pytest.mark.parametrize("codec", ["none", "lzw"])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_a_palette_gives_its_colours(kind: str, codec: str, *, is_in_8_bits: bool) -> None:
    size = 1 << (8 * np.dtype(kind).itemsize)
    colours = CHANCE.integers(0, 256, (3, size)).astype(np.uint16)
    indices = CHANCE.integers(0, size, (HEIGHT, WIDTH)).astype(kind)
    data = tiff(indices, "palette", colormap=colours if is_in_8_bits else colours * 257, compression=codec)

    got = read(data, is_deep=False)[1]

    assert np.array_equal(np.rint(got * 255), colours.T[indices])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", [0, 1, 3])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("fill_order", [1, 2])
def test_few_bits_are_read_in_both_orders_of_bits(
    fill_order: int, compression: int, order: str, photometric: int, bits: int
) -> None:
    numbers = CHANCE.integers(0, 1 << bits, (HEIGHT, WIDTH))
    strip = packed_bits(numbers, bits)
    strip = zlib.compress(strip) if compression == 8 else strip
    if fill_order == 2:
        strip = bytes(int(f"{byte:08b}"[::-1], 2) for byte in strip)
    colours = CHANCE.integers(0, 256, (3, 1 << bits))
    more: dict[str, Any] = {"t259": ("H", (compression,)), "t266": ("H", (fill_order,))}
    if photometric == 3:
        more["t320"] = ("H", tuple((colours * 257).ravel().tolist()))
    got = np.rint(read(by_hand(plain(bits, 1, photometric, **more), [strip], order), is_deep=False)[1] * 255)

    grey = np.rint(numbers * 255 / ((1 << bits) - 1))
    wanted = colours.T[numbers] if photometric == 3 else (255 - grey if photometric == 0 else grey)[..., None]
    assert np.array_equal(got, wanted)


def chroma_file(subsampling: tuple[int, int], compression: str, *, is_tiled: bool) -> bytes:
    """Luma and chroma in units, as section 22 of TIFF 6.0 lays them."""
    across, down = subsampling
    width, height = (48, 32) if is_tiled else (WIDTH, HEIGHT)
    columns, rows = -(-width // across), -(-height // down)
    luma = CHANCE.integers(16, 235, (rows, columns, across * down)).astype(np.uint8)
    chroma = CHANCE.integers(64, 192, (rows, columns, 2)).astype(np.uint8)
    data = np.concatenate((luma, chroma), axis=2).tobytes()
    codecs: Mapping[str, Any] = {"none": bytes, "deflate": zlib.compress, "lzw": imagecodecs.lzw_encode}
    packed = codecs[compression](data)
    code = {"none": 1, "deflate": 8, "lzw": 5}[compression]
    more: dict[str, Any] = {"t259": ("H", (code,)), "t530": ("H", subsampling)}
    tags = plain(8, 3, 6, **more)
    if is_tiled:
        del tags[278]
        tags |= {322: ("I", (48,)), 323: ("I", (32,))}
    return by_hand(tags, [bytes(packed)], is_tiled=is_tiled)


@pytest.mark.parametrize("is_tiled", [False, True])
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (1, 2)])
def test_luma_and_chroma_become_what_libtiff_makes_of_them(
    subsampling: tuple[int, int], compression: str, *, is_tiled: bool
) -> None:
    if is_tiled and subsampling == (4, 4):
        pytest.skip("libtiff loses its place in tiles of such units that go beyond the picture")
    data = chroma_file(subsampling, compression, is_tiled=is_tiled)

    got = np.rint(read(data)[1] * 255)

    wanted = imagecodecs.tiff_decode(data, asrgb=True)[..., :3].astype(np.float64)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_luma_and_chroma_in_planes_are_those_of_units(subsampling: tuple[int, int], compression: str) -> None:
    across, down = subsampling
    columns, rows = -(-WIDTH // across), -(-HEIGHT // down)
    luma = CHANCE.integers(16, 235, (rows * down, columns * across)).astype(np.uint8)
    chroma = CHANCE.integers(64, 192, (2, rows, columns)).astype(np.uint8)
    blocks = luma.reshape(rows, down, columns, across).swapaxes(1, 2).reshape(rows, columns, -1)
    in_units = by_hand(
        plain(8, 3, 6, t530=("H", subsampling)), [np.concatenate((blocks, np.moveaxis(chroma, 0, 2)), axis=2).tobytes()]
    )
    planes = [luma[:HEIGHT, :WIDTH].tobytes(), *(plane.tobytes() for plane in chroma)]
    if compression == "deflate":
        planes = [zlib.compress(plane) for plane in planes]
    code = {"none": 1, "deflate": 8}[compression]
    in_planes = by_hand(plain(8, 3, 6, t259=("H", (code,)), t284=("H", (2,)), t530=("H", subsampling)), planes)

    got = np.rint(read(in_planes)[1] * 255)

    wanted = imagecodecs.tiff_decode(in_units, asrgb=True)[..., :3].astype(np.float64)
    assert np.abs(got - wanted).max() <= 1


@pytest.mark.parametrize(("samples", "photometric"), [(1, 1), (3, 2)])
def test_colours_that_a_file_does_not_name_are_guessed(samples: int, photometric: int) -> None:
    numbers = stored(sample(samples), "uint8")
    tags = plain(8, samples, photometric)
    del tags[262]

    assert np.array_equal(np.rint(read(by_hand(tags, [numbers.tobytes()]))[1] * 255), numbers)


@pytest.mark.parametrize(("codec", "most"), [("webp", 0.02), ("jpeg2000", 0.0), ("jpegxl", 0.0), ("lerc", 0.0)])
@pytest.mark.parametrize("arrangement", ["strips", "tiles"])
@pytest.mark.parametrize("channels", [3, 4])
def test_codecs_of_pictures_inside_are_read(channels: int, arrangement: str, codec: str, most: float) -> None:
    options = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    arguments = {"compressionargs": {"level": 100}} if codec == "webp" else {}
    if codec == "jpegxl":
        arguments = {"compressionargs": {"lossless": True}}
    numbers = stored(sample(channels), "uint8")
    numbers[..., 3:] = 255
    data = tiff(numbers, "rgb", compression=codec, **arguments, **options, **ARRANGEMENTS[arrangement])

    got = read(data)[1]

    assert np.abs(got - numbers / 255).mean() <= most


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_codecs_of_pictures_keep_more_than_8_bits(kind: str) -> None:
    pixels = sample(3)
    data = tiff(stored(pixels, kind), "rgb", compression="lerc")

    assert close(read(data)[1], pixels, TOP)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("photometric", [8, 9])
def test_cielab_of_8_and_16_bits_is_the_colour_that_its_numbers_say(photometric: int, kind: str) -> None:
    # L 54, a 81 and b 70 (D50) is the red of sRGB; L 100 and 50 without chroma are white and a grey of 119.
    wanted = {(54.29, 80.81, 69.89): (255, 0, 0), (100.0, 0.0, 0.0): (255, 255, 255), (50.0, 0.0, 0.0): (119,) * 3}
    steps = 1 if kind == "uint8" else 256
    white = {(8, 1): 255, (9, 1): 255, (8, 256): 65_535, (9, 256): 65_280}[photometric, steps]
    zero = 0 if photometric == 8 else 128 * steps
    rows = [[round(light * white / 100), round(a * steps) + zero, round(b * steps) + zero] for light, a, b in wanted]
    numbers = np.array([rows]).astype(np.int64).astype(kind)

    got = np.rint(read(tiff(numbers, "cielab" if photometric == 8 else "icclab"), is_deep=False)[1] * 255)

    assert np.abs(got[0] - np.array(list(wanted.values()))).max() <= 5


def test_surplus_offsets_of_tiles_are_not_drawn() -> None:
    numbers = stored(sample(1)[..., 0], "uint8")
    tile = np.zeros((32, 48), np.uint8)
    tile[:HEIGHT, :WIDTH] = numbers
    tags = plain(8) | {322: ("I", (48,)), 323: ("I", (32,))}
    del tags[278]

    data = by_hand(tags, [tile.tobytes(), bytes(tile.nbytes)], is_tiled=True)

    assert np.array_equal(np.rint(read(data)[1][..., 0] * 255), numbers)


def test_a_strip_that_is_left_out_is_zero() -> None:
    numbers = stored(sample(1)[..., 0], "uint16")
    tags = plain(16) | {278: ("I", (11,)), 273: ("I", (8, 0)), 279: ("I", (22 * WIDTH, 0))}

    got = read(by_hand(tags, [numbers[:11].tobytes()]))[1][..., 0]

    assert np.array_equal(np.rint(got * TOP), np.concatenate((numbers[:11], np.zeros_like(numbers[11:]))))


@pytest.mark.parametrize("kind", "BHI")
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_of_any_integer_type_turns_the_picture(orientation: int, bits: int, kind: str) -> None:
    numbers = stored(sample(1)[..., 0], f"uint{bits}")
    data = by_hand(plain(bits, t274=(kind, (orientation,))), [numbers.tobytes()])
    turned = {
        1: numbers, 2: numbers[:, ::-1], 3: numbers[::-1, ::-1], 4: numbers[::-1], 5: numbers.T,
        6: np.rot90(numbers, -1), 7: np.rot90(numbers, 2).T, 8: np.rot90(numbers),
    }[orientation]  # fmt: skip

    facts = describe_picture(data, Limits())

    assert (facts["width"], facts["height"], facts["orientation"]) == (*turned.shape[::-1], orientation)
    assert np.array_equal(np.rint(read(data)[1][..., 0] * ((1 << bits) - 1)), turned)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_each_page_has_its_own_size_and_the_pages_are_counted(kind: str) -> None:
    file = io.BytesIO()
    pages = [stored(sample(1)[: 5 + at, : 9 + at, 0], kind) for at in range(12)]
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", metadata=None)

    assert describe_picture(file.getvalue(), Limits(max_frames=3))["frames"] == 12
    for at in (1, 2, 12):
        got = opened(run(file.getvalue(), page=at, format="png"))
        assert got.size == (8 + at, 4 + at)


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (plain(32, t339=("H", (6,))), "a TIFF of complex samples is not read"),
        (plain(16, 3, 32_845), "a TIFF of logarithmic luminance without a compression of SGI's is not read"),
        (plain(8, 1, 1, t259=("H", (34_661,))), "a TIFF with JBIG compression is not read"),
        (plain(8, 1, 1, t259=("H", (12_345,))), "a TIFF with compression 12345 is not read"),
        (plain(8, 3, 77), "a TIFF of photometric interpretation 77 is not read"),
        (plain(8, 3, 2, t258=("H", (5, 6, 5))), "whose samples have different depths is not read"),
        (plain(128), "a TIFF of 128-bit samples is not read"),
        (plain(8, 4, 5, t332=("H", (2,))), "inks that are not cyan, magenta, yellow and black is not read"),
        (plain(16, 3, 6, t530=("H", (1, 1))), "a TIFF of YCbCr with 16 bits per sample is not read"),
        (plain(16, 1, 32_803), "no raw file of a camera|the body is a camera raw file"),
        (plain(16, 3, 34_892), "no raw file of a camera|the body is a camera raw file"),
    ],
    ids=lambda value: value[-40:] if isinstance(value, str) else "",
)
def test_what_is_not_read_is_refused_by_its_name(tags: Mapping[int, Any], name: str) -> None:
    with pytest.raises(Undecodable, match=name):
        run(by_hand(tags, [bytes(4 * 3 * WIDTH * HEIGHT)]), format="png")


def test_the_thumbnail_of_a_camera_raw_file_is_not_taken_for_the_picture() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        version = [(50706, "B", 4, (1, 4, 0, 0), True)]
        writer.write(stored(sample(3), "uint8"), photometric="rgb", subfiletype=1, subifds=1, extratags=version)
        writer.write(np.zeros((96, 128), np.uint16), photometric=32_803, subfiletype=0)

    with pytest.raises(Undecodable, match=r"cut off|broken|no raw file of a camera|the body is a camera raw file"):
        run(file.getvalue(), format="png")


def test_metadata_is_found_whoever_decodes_the_pixels() -> None:
    icc = b"no profile"
    tags = [(34675, "B", len(icc), icc, True), (33432, "s", 0, "somebody", True), (700, "B", 3, b"<x>", True)]
    for kind, order in product(("uint8", "uint16"), "<>"):
        data = tiff(
            stored(sample(3), kind), "rgb", extratags=tags, byteorder=order, resolution=(300, 300), resolutionunit=2
        )
        image = read_header(data, Limits()).image

        assert image.info["icc_profile"] == icc
        assert image.info["xmp"] == b"<x>"
        assert image.info["dpi"] == (300, 300)
        assert image.getexif()[33432] == "somebody"


def test_a_strip_that_says_more_than_it_should_is_not_decoded_further() -> None:
    numbers = stored(sample(1)[..., 0], "uint16")
    for code, packed in ((8, zlib.compress(numbers.tobytes() + bytes(10_000_000))),):
        data = by_hand(plain(16, t259=("H", (code,))), [packed])
        assert np.array_equal(np.rint(read(data)[1][..., 0] * TOP), numbers)


def test_more_strips_than_can_be_meant_are_refused_at_once() -> None:
    tags = plain(16) | {256: ("I", (4000,)), 257: ("I", (20_000,)), 322: ("I", (1,)), 323: ("I", (1,))}

    with pytest.raises(Undecodable, match="strips or tiles"):
        run(by_hand(tags, [b"aa"], is_tiled=True), format="png")


def test_an_image_of_pillow_shows_the_pixels_too() -> None:
    numbers = stored(sample(3), "uint16")
    image = read_header(tiff(numbers, "rgb"), Limits()).image

    assert isinstance(image, Image.Image)
    assert np.array_equal(np.asarray(image), np.rint(numbers / 257).astype(np.uint8))


def test_what_only_libtiff_decodes_is_what_it_makes_of_it() -> None:
    """ThunderScan: each byte says that three pixels stay as the one before them, or gives one (0xC0) as it is."""
    strip = bytes([0xC0 | 5, *[0x00 | 36]] * HEIGHT)
    data = by_hand(plain(4, t259=("H", (32_809,))), [strip])

    got = np.rint(read(data)[1][..., 0] * 255)

    assert got.shape == (HEIGHT, WIDTH)
    assert np.array_equal(got, imagecodecs.tiff_decode(data, asrgb=True)[..., 0])
    assert np.all(got == 5 * 17)


@pytest.mark.parametrize("arrangement", [{}, {"rowsperstrip": 8}, {"tile": (16, 16)}], ids=str)
@pytest.mark.parametrize(
    ("photometric", "planar", "subsampling"),
    [
        *(("rgb", planar, None) for planar in ("contig", "separate")),
        *(("ycbcr", "contig", subsampling) for subsampling in ("444", "422", "420")),
        ("ycbcr", "separate", None),
    ],
)
def test_a_jpeg_inside_is_what_libtiff_makes_of_it(
    photometric: str, planar: str, subsampling: str | None, arrangement: Mapping[str, Any]
) -> None:
    units = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}
    more: dict[str, Any] = {"subsampling": units[subsampling]} if subsampling else {}
    arguments: dict[str, Any] = {"level": 95, **({"subsampling": subsampling} if subsampling else {})}
    data = tiff(
        stored(sample(3), "uint8"),
        photometric,
        compression="jpeg",
        compressionargs=arguments,
        planarconfig=planar,
        **more,
        **arrangement,
    )

    got = np.rint(read(data)[1] * 255)

    assert np.abs(got - imagecodecs.tiff_decode(data, asrgb=True)[..., :3].astype(np.float64)).max() <= 1


def test_a_jpeg_of_12_bits_inside_keeps_them() -> None:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    numbers = (x * 60 + y * 80).astype(np.uint16)
    strip = bytes(imagecodecs.jpeg_encode(numbers, level=99, bitspersample=12))

    mode, got = read(by_hand(plain(12, t259=("H", (7,))), [strip]))

    assert mode == "I;16"
    assert np.abs(got[..., 0] * 4095 - numbers).max() < 8


@pytest.mark.parametrize(
    "compression", ["tiff_ccitt", "group3", "group4", "packbits", "tiff_lzw", "tiff_adobe_deflate"]
)
def test_black_and_white_is_read_from_every_code(compression: str) -> None:
    bits = sample(1)[..., 0] > 0.5
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "TIFF", compression=compression)

    assert np.array_equal(read(file.getvalue())[1][..., 0], bits)


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_black_and_white_without_a_named_colour_is_black_on_white(compression: str) -> None:
    bits = sample(1)[..., 0] > 0.5
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "TIFF", compression=compression, tiffinfo={262: 0})
    entry = struct.pack("<HHIHH", 262, 3, 1, 0, 0)
    assert entry in file.getvalue()
    # A private tag in place of the photometric interpretation.
    unnamed = file.getvalue().replace(entry, struct.pack("<HHIHH", 261, 3, 1, 0, 0))

    assert np.array_equal(read(unnamed)[1], read(file.getvalue())[1])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "RGB;16", "RGBA;16"])
@pytest.mark.parametrize("size", [(1, 1), (37, 21), (700, 333)])
def test_what_is_written_is_what_tifffile_and_libtiff_read(size: tuple[int, int], mode: str) -> None:
    channels = 1 if mode in ("L", "I;16") else len(mode.removesuffix(";16"))
    top = 65_536 if mode.endswith("16") else 256
    numbers: Any = CHANCE.integers(0, top, (*size[::-1], channels)).astype(np.uint16 if top > 256 else np.uint8)
    squeezed = numbers[..., 0] if channels == 1 else numbers
    frame = DeepFrame(numbers) if mode in ("RGB;16", "RGBA;16") else Image.fromarray(squeezed)
    file = io.BytesIO()

    encode(Picture((frame,), "png"), "tiff", Output(format="tiff"), file)

    assert np.array_equal(tifffile.imread(io.BytesIO(file.getvalue())), squeezed)
    assert np.array_equal(imagecodecs.tiff_decode(file.getvalue()).reshape(squeezed.shape), squeezed)
    page: Any = tifffile.TiffFile(io.BytesIO(file.getvalue())).pages[0]
    assert page.extrasamples == ((2,) if channels == 4 else ())


def test_jpeg_2000_of_another_size_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = encoded(Image.new("RGB", (40, 30)), "JPEG2000", no_jp2=True)
    hidden = struct.pack(">I4s", 12, b"free") + stream[:4] + encoded(Image.new("RGB", (8, 8)), "JPEG2000") + stream
    monkeypatch.setattr("imagecodecs.jpeg2k_decode", lambda *_given, **_named: pytest.fail("it is decoded"))
    for data in (stream, hidden):
        with pytest.raises(Undecodable, match="pixels and not 8×8"):
            run(by_hand(tags_of((8, 8), 8, 3, 2, t259=("H", (34_712,))), [data]))


def test_grey_of_old_jpeg_that_is_a_whole_jpeg_is_read() -> None:
    """Libtiff looks for it where JPEGInterchangeFormat points, which some writers have wrong; tifffile reads it so."""
    grey = Image.fromarray(np.rint(sample(1)[..., 0] * 255).astype(np.uint8))
    inner = encoded(grey, "JPEG")
    tags = tags_of((WIDTH, HEIGHT), 8, t259=("H", (6,)), t513=("I", (14,)), t514=("I", (len(inner),)))

    assert opened(run(by_hand(tags, [inner]), format="png")).tobytes() == opened(inner).tobytes()
