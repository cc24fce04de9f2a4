"""PNGs of every depth, colour and transparency, compared with the samples that they were made of."""

from __future__ import annotations

import io
import mmap
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from pictures import opened, run
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.decode import DecodePlan, decode, read_header
from imgsrv.imaging.formats.png import FORMAT
from imgsrv.imaging.model.cicp import Cicp
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

Samples = NDArray[np.uint16]

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6

SIZE = (37, 11)

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top, and the steps across and down, of each pass of an interlaced picture (specification, 8.2)."""


def chunk(kind: bytes, data: bytes, error: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ error)


def rows_of(samples: Samples, depth: int) -> bytes:
    """Rows without filters.  samples: (H, W, channels)."""
    if depth == 16:
        rows = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(len(samples), -1), axis=1)
    return np.pad(rows, ((0, 0), (1, 0))).tobytes()


def png(samples: Samples, depth: int, colour: int, *before: bytes, is_interlaced: bool = False) -> bytes:
    parts = [samples[top::down, left::across] for left, top, across, down in PASSES] if is_interlaced else [samples]
    packed = zlib.compress(b"".join(rows_of(part, depth) for part in parts if part.size))
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, is_interlaced)
    chunks = [chunk(b"IHDR", header), *before, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def noise(channels: int, depth: int) -> Samples:
    return np.random.default_rng(depth).integers(0, 1 << depth, (SIZE[1], SIZE[0], channels)).astype(np.uint16)


def decoded(data: bytes, *, is_deep: bool = False) -> Any:
    """The picture of the data in a memory mapping, as a worker has it."""
    mapping = mmap.mmap(-1, len(data))
    mapping.write(data)
    return decode(read_header(mapping, Limits()), DecodePlan(is_deep=is_deep), Limits()).frames[0]


def levels(frame: Image.Image) -> NDArray[Any]:
    return frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame)


def narrowed(samples: Samples, depth: int) -> NDArray[np.uint8]:
    """Samples in 8 bits: value · 255 / (2^depth − 1), rounded."""
    return np.rint(samples.astype(float) * 255 / ((1 << depth) - 1)).astype(np.uint8)


def info_of(*before: bytes) -> dict[Any, Any]:
    FORMAT.register()
    with Image.open(io.BytesIO(png(noise(3, 8), 8, RGB, *before)), formats=[FORMAT.reader]) as image:
        return dict(image.info)


def trns(*colour: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(colour)}H", *colour))


# ---- a transparent colour --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_compared_with_samples_as_the_file_has_them(depth: int, *, is_interlaced: bool) -> None:
    samples = noise(1, depth)
    # Another sample with the same high byte is not transparent.
    samples[0, :4, 0] = [1, 0, 1, 0]
    got = levels(decoded(png(samples, depth, GREY, trns(1), is_interlaced=is_interlaced)))

    assert np.array_equal(got[..., 3] == 0, samples[..., 0] == 1)
    assert np.array_equal(got[..., 0], narrowed(samples[..., 0], depth))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_compared_with_samples_as_the_file_has_them(depth: int) -> None:
    samples = noise(3, depth)
    colour = [int(level) for level in samples[3, 5]]
    samples[4, 6] = colour
    samples[4, 7] = [colour[0], colour[1], colour[2] ^ 1]
    got = levels(decoded(png(samples, depth, RGB, trns(*colour))))

    assert np.array_equal(got[..., 3] == 0, (samples == colour).all(axis=2))
    assert np.array_equal(got[..., :3], narrowed(samples, depth))


@pytest.mark.parametrize(("depth", "colour"), [(2, GREY), (8, GREY), (8, RGB)])
def test_bits_of_a_transparent_colour_beyond_the_depth_do_not_count(depth: int, colour: int) -> None:
    samples = noise(3 if colour == RGB else 1, depth)
    samples[0, 0] = 1
    got = levels(decoded(png(samples, depth, colour, trns(*[0xAB01 & ~(0xFF ^ 0x1)] * samples.shape[2]))))

    assert np.array_equal(got[..., 3] == 0, (samples == 1).all(axis=2))


@pytest.mark.parametrize(
    ("colour", "channels", "broken"),
    [
        pytest.param(GREY, 1, b"\0", id="too-short"),
        pytest.param(RGB, 3, bytes(8), id="too-long"),
        pytest.param(RGBA, 4, bytes(6), id="beside-alpha"),
    ],
)
def test_a_transparent_colour_of_a_wrong_length_is_ignored_as_by_libpng(
    colour: int, channels: int, broken: bytes
) -> None:
    samples = noise(channels, 8)
    got = levels(decoded(png(samples, 8, colour, chunk(b"tRNS", broken))))

    assert np.array_equal(got, samples[..., 0] if channels == 1 else samples)


# ---- 16 bits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (GREY_ALPHA, 2), (RGB, 3), (RGBA, 4)])
def test_all_16_bits_are_kept_or_rounded(colour: int, channels: int, *, is_interlaced: bool) -> None:
    samples = noise(channels, 16)
    data = png(samples, 16, colour, is_interlaced=is_interlaced)
    right = samples[..., [0, 0, 0, 1]] if colour == GREY_ALPHA else samples[..., 0] if colour == GREY else samples

    assert np.array_equal(levels(decoded(data, is_deep=True)), right)
    assert np.array_equal(levels(decoded(data)), narrowed(right, 16))


@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3)])
def test_16_bits_with_a_transparent_colour_are_kept(colour: int, channels: int) -> None:
    samples = noise(channels, 16)
    transparent = [int(level) for level in samples[2, 9]]
    got = levels(decoded(png(samples, 16, colour, trns(*transparent)), is_deep=True))

    assert got.dtype == np.uint16
    assert np.array_equal(got[..., :3], np.broadcast_to(samples, got[..., :3].shape))
    assert np.array_equal(got[..., 3], np.where((samples == transparent).all(axis=2), 0, 65_535))


def test_16_bits_with_alpha_stay_in_a_result() -> None:
    samples = noise(2, 16)
    again = levels(decoded(run(png(samples, 16, GREY_ALPHA), "flip", format="png"), is_deep=True))

    assert np.array_equal(again, samples[::-1, :, [0, 0, 0, 1]])


@pytest.mark.parametrize("changed", [slice(0, 4), slice(-20, None)])
def test_broken_pixels_of_16_bits_are_refused(changed: slice) -> None:
    data = png(noise(4, 16), 16, RGBA)
    at = data.index(b"IDAT") + 4
    packed = bytearray(data[at : data.index(b"IEND") - 8])
    packed[changed] = bytes(len(packed[changed]))
    broken = data[: at - 8] + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b"")
    with pytest.raises(Undecodable, match="its pixels are broken"):
        decoded(broken)


def test_broken_pixels_of_16_bits_are_not_kept_in_memory() -> None:
    data = png(np.zeros((1000, 1000, 4), np.uint16), 16, RGBA)
    at = data.index(b"IDAT")
    broken = data[: at - 4] + chunk(b"IDAT", data[at + 4 : -16 - 200]) + chunk(b"IEND", b"")

    def attempts(count: int) -> int:
        for _ in range(count):
            with pytest.raises(Undecodable, match="its pixels are broken"):
                decoded(broken)
        return int(psutil.Process().memory_info().rss)

    before = attempts(10)

    assert attempts(30) - before < 30 * 8_000_000 / 4


# ---- broken and large chunks -----------------------------------------------------------------------------


def profile(size: int = 200) -> bytes:
    return b"name\0\0" + zlib.compress(bytes(size))


LARGE_TEXT = b"<" + b"x" * 1_200_000 + b">"

ODD_CHUNKS = {
    "resolution-with-a-wrong-checksum": chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1), 1),
    "text-with-a-wrong-checksum": chunk(b"tEXt", b"Comment\0hello", 1),
    "profile-with-a-wrong-checksum": chunk(b"iCCP", profile(), 1),
    "unknown-chunk-with-a-wrong-checksum": chunk(b"abCd", b"1234", 1),
    "large-compressed-text": chunk(b"zTXt", b"mxfile\0\0" + zlib.compress(LARGE_TEXT)),
    "large-compressed-xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LARGE_TEXT)),
    "large-text": chunk(b"tEXt", b"Comment\0" + LARGE_TEXT),
    "text-that-is-packed-in-another-way": chunk(b"zTXt", b"Comment\0\7abc"),
    "profile-that-is-packed-in-another-way": chunk(b"iCCP", b"name\0\7abc"),
    "short-resolution": chunk(b"pHYs", b"\0"),
    "short-gamma": chunk(b"gAMA", b"\0"),
    "short-chromaticity": chunk(b"cHRM", bytes(31)),
    "empty-intent": chunk(b"sRGB", b""),
    "many-texts-of-a-megabyte": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20))) * 70,
}


@pytest.mark.parametrize("odd", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_a_broken_or_large_ancillary_chunk_is_left_out(odd: bytes) -> None:
    samples = noise(3, 8)

    assert np.array_equal(levels(decoded(png(samples, 8, RGB, odd))), samples)


@pytest.mark.parametrize("odd", [ODD_CHUNKS["large-compressed-text"], chunk(b"zTXt", b"Comment\0\7abc")])
def test_a_broken_or_large_text_behind_the_pixels_is_left_out(odd: bytes) -> None:
    data, samples = png(noise(3, 8), 8, RGB), noise(3, 8)
    end = data.index(b"IEND") - 4

    assert np.array_equal(levels(decoded(data[:end] + odd + data[end:])), samples)


@pytest.mark.parametrize(
    "behind", [b"", b"\0\0\0\0IE", b"\0\0\0\x09tEXtCom", b"\0\0\0\x09abCdab", b"\xff\xff\xff\xffIEND"]
)
@pytest.mark.parametrize("depth", [8, 16])
def test_what_is_cut_off_behind_the_pixels_does_no_harm(depth: int, behind: bytes) -> None:
    samples = noise(3, depth)
    data = png(samples, depth, RGB)

    assert np.array_equal(levels(decoded(data[: data.index(b"IEND") - 4] + behind)), narrowed(samples, depth))


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_wrong_checksum_of_a_critical_chunk_is_refused(kind: bytes) -> None:
    data = bytearray(png(noise(1, 8) % 2, 8, PALETTE, chunk(b"PLTE", bytes(6))))
    data[data.index(kind) + 7] ^= 1
    with pytest.raises(Undecodable):
        decoded(bytes(data))


def test_of_many_texts_with_one_keyword_the_first_is_read() -> None:
    texts = [b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(name * 300_000) for name in (b"one", b"two")]
    info = info_of(chunk(b"iTXt", texts[0]), *[chunk(b"iTXt", texts[1])] * 100)

    assert info["xmp"] == b"one" * 300_000


def test_what_follows_a_chunk_that_is_left_out_is_read() -> None:
    text = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>"
    data = png(noise(3, 8), 8, RGB, chunk(b"tEXt", b"Comment\0hello", 1), chunk(b"iTXt", text), trns(1, 2, 3))

    assert opened(run(data, metadata="keep", format="png")).info["xmp"] == b"<x:xmpmeta/>"
    assert levels(decoded(data)).shape[2] == 4


# ---- colours ---------------------------------------------------------------------------------------------

GAMMA, LINEAR = chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"gAMA", struct.pack(">I", 100_000))
PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
CHROMATICITY = chunk(b"cHRM", struct.pack(">8I", *PRIMARIES))
SRGB, PROFILE, CICP = chunk(b"sRGB", b"\1"), chunk(b"iCCP", profile()), chunk(b"cICP", bytes((12, 13, 0, 1)))
AS_INFO = {"gamma": 0.45455, "chromaticity": tuple(part / 100_000 for part in PRIMARIES)}


@pytest.mark.parametrize(
    ("chunks", "right"),
    [
        pytest.param([GAMMA, CHROMATICITY], AS_INFO, id="gamma-and-chromaticity"),
        pytest.param([GAMMA, LINEAR], {"gamma": 0.45455}, id="the-first-of-two"),
        pytest.param([GAMMA, CHROMATICITY, SRGB], {"srgb": 1}, id="srgb-before-gamma"),
        pytest.param([GAMMA, SRGB, PROFILE], {"icc_profile": bytes(200)}, id="a-profile-before-srgb"),
        pytest.param([PROFILE, SRGB, CICP], {"cicp": Cicp(12, 13, 0, is_full_range=True)}, id="cicp-before-a-profile"),
        pytest.param(
            [chunk(b"cICP", bytes((9, 16, 0, 0)))], {"cicp": Cicp(9, 16, 0, is_full_range=False)}, id="narrow-range"
        ),
        pytest.param([chunk(b"cICP", bytes((12, 13, 1, 1))), SRGB], {"srgb": 1}, id="cicp-with-a-matrix"),
        pytest.param([chunk(b"cICP", bytes((2, 2, 0, 1))), SRGB], {"srgb": 1}, id="cicp-that-tells-nothing"),
        pytest.param([chunk(b"cICP", bytes((12, 13, 0))), SRGB], {"srgb": 1}, id="cicp-that-is-too-short"),
        pytest.param([chunk(b"iCCP", profile(), 1), GAMMA], {"gamma": 0.45455}, id="a-broken-profile"),
        pytest.param([chunk(b"iCCP", b"n\0\0" + b"no zlib"), SRGB], {"srgb": 1}, id="a-profile-that-does-not-unpack"),
        pytest.param([chunk(b"iCCP", profile(5 << 20)), SRGB], {"srgb": 1}, id="a-profile-that-is-too-large"),
        pytest.param([chunk(b"gAMA", bytes(4))], {}, id="a-gamma-of-0"),
        pytest.param([chunk(b"cHRM", bytes(32))], {}, id="a-chromaticity-of-0"),
        pytest.param([chunk(b"sRGB", b"\4"), GAMMA], {"gamma": 0.45455}, id="an-unknown-intent"),
    ],
)
def test_of_several_ways_to_tell_colours_the_strongest_counts(chunks: Sequence[bytes], right: dict[str, Any]) -> None:
    assert info_of(*chunks) == right


@pytest.mark.parametrize(
    ("samples", "colour", "before"),
    [
        pytest.param(np.dstack([noise(1, 8), noise(1, 8)[::-1]]), GREY_ALPHA, (), id="alpha"),
        pytest.param(noise(1, 8), GREY, (trns(77),), id="a-transparent-level"),
        pytest.param(noise(1, 8), GREY, (), id="opaque"),
        pytest.param(noise(1, 16), GREY, (), id="16-bits"),
    ],
)
def test_the_gamma_of_grey_counts_at_every_level(samples: Samples, colour: int, before: tuple[bytes, ...]) -> None:
    depth = 16 if samples.max() > 255 else 8
    samples[0, :5, 0] = range(5)
    got = levels(decoded(png(samples, depth, colour, LINEAR, *before)).convert("RGBA"))
    light = samples[..., 0] / ((1 << depth) - 1)
    right = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255

    assert np.abs(got[..., 0] - right).max() <= 0.6
    if before or colour == GREY_ALPHA:
        assert np.array_equal(got[..., 3], samples[..., 1] if colour == GREY_ALPHA else (samples[..., 0] != 77) * 255)


NARROW = chunk(b"cICP", bytes((1, 13, 0, 0)))


@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (GREY_ALPHA, 2), (RGB, 3), (RGBA, 4)])
@pytest.mark.parametrize("depth", [8, 16])
def test_samples_of_narrow_range_are_widened(depth: int, colour: int, channels: int, *, is_deep: bool) -> None:
    samples = noise(channels, depth)
    got = levels(decoded(png(samples, depth, colour, NARROW), is_deep=is_deep)).astype(float)
    top, scale = (65_535, 256) if got.max() > 255 else (255, 1)
    stored = samples.astype(float) * (1 if depth == 8 else scale / 256)
    # H.273, 8.3: black is 16 and white 235 of 256 levels.
    right = ((stored - 16 * scale) * top / (219 * scale)).clip(0, top)
    colours = right[..., : max(1, channels - (channels in (2, 4)))]

    assert np.abs(got.reshape(*got.shape[:2], -1)[..., : colours.shape[2]] - colours).max() <= 1.1
    if channels in (2, 4):
        assert np.abs(got[..., 3] / top - samples[..., -1] / ((1 << depth) - 1)).max() < 0.003


def test_a_palette_of_narrow_range_is_widened() -> None:
    table = chunk(b"PLTE", bytes((16, 16, 16, 235, 235, 235, 16, 235, 126)))
    got = levels(decoded(png(noise(1, 8) % 3, 8, PALETTE, NARROW, table)))
    right = np.array([(0, 0, 0), (255, 255, 255), (0, 255, 128)])

    assert np.array_equal(got, right[noise(1, 8)[..., 0] % 3])


def test_a_profile_of_two_megabytes_is_read() -> None:
    assert len(info_of(chunk(b"iCCP", profile(2 << 20)))["icc_profile"]) == 2 << 20
