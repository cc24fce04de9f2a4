"""BMP, DIB, ICO and CUR files of every kind, compared with the pixels that they were made of.

The kinds are those of bmpsuite (Jason Summers) and of the headers in Microsoft's and IBM's documents.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, run
from PIL import Image

from imgsrv.errors import BadPicture, Undecodable, UnsupportedFormat
from imgsrv.imaging.codecs.decode import DecodePlan, Header, decode, read_header
from imgsrv.imaging.formats.bitmaps import runs as runs_module
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pixels.sixteen_bit import DeepFrame

Pixels = NDArray[Any]

WIDTH, HEIGHT = 13, 7

INDICES = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH))

PALETTE = np.random.default_rng(6).integers(0, 256, (256, 3)).astype(np.uint8)

RGB = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)

FIELDS, ALPHA_FIELDS = 3, 6


def header(
    bits: int, *, length: int = 40, code: int = 0, colours: int = 0, height: int = HEIGHT, rest: bytes = b""
) -> bytes:
    """A header of any length; what follows the first 40 bytes of a longer one is `rest`."""
    if length == 12:
        return struct.pack("<IHHHH", 12, WIDTH, height, 1, bits)
    fields = struct.pack("<IiiHHIIiiII", length, WIDTH, height, 1, bits, code, 0, 2835, 2835, colours, 0)
    return (fields + rest).ljust(length, b"\0")[: max(length, len(fields[:length] + rest))]


def palette(count: int, size: int = 4) -> bytes:
    return b"".join(colour[::-1].tobytes() + bytes(size - 3) for colour in PALETTE[:count])


def rows(lines: Iterable[bytes], *, is_top_down: bool = False) -> bytes:
    """Rows of whole multiples of 4 bytes, the last one first."""
    padded = [line + bytes(-len(line) % 4) for line in lines]
    return b"".join(padded if is_top_down else padded[::-1])


def indices(bits: int, array: Pixels = INDICES) -> list[bytes]:
    """Rows of indices of so many bits."""
    parts = np.unpackbits((array % (1 << bits)).astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
    return [np.packbits(row).tobytes() for row in parts.reshape(len(array), -1)]


def bmp(head: bytes, colours: bytes, pixels: bytes, *, gap: bytes = b"", tail: bytes = b"") -> bytes:
    at = 14 + len(head) + len(colours) + len(gap)
    size = at + len(pixels) + len(tail)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, at) + head + colours + gap + pixels + tail


def words(masks: Sequence[int], channels: Pixels, size: int) -> list[bytes]:
    """Rows of pixels.  channels: (H, W, masks) with values that fit the masks."""
    total = np.zeros(channels.shape[:2], np.uint64)
    for at, mask in enumerate(masks):
        if mask:
            total |= channels[..., at].astype(np.uint64) << np.uint64((mask & -mask).bit_length() - 1)
    return [row.astype(f"<u{size}").tobytes() for row in total]


def opened_header(data: bytes) -> Header:
    """The header of the data in a memory mapping, as a worker has it."""
    mapping = mmap.mmap(-1, len(data))
    mapping.write(data)
    return read_header(mapping, Limits())


def pixels(data: bytes, *, is_deep: bool = False) -> Pixels:
    frame = decode(opened_header(data), DecodePlan(is_deep=is_deep), Limits()).frames[0]
    return frame.pixels if isinstance(frame, DeepFrame) else np.asarray(frame.convert("RGBA"))


def opaque(colours: Pixels) -> Pixels:
    return np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])


# ---- palettes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("length", [12, 16, 40, 52, 56, 64, 108, 124])
def test_indices_of_every_size_behind_every_header(bits: int, length: int) -> None:
    head = header(bits, length=length)
    data = bmp(head, palette(1 << bits, 3 if length == 12 else 4), rows(indices(bits)))

    assert np.array_equal(pixels(data), opaque(PALETTE[INDICES % (1 << bits)]))


def test_a_top_down_bitmap_is_not_turned() -> None:
    data = bmp(header(8, height=-HEIGHT), palette(256), rows(indices(8), is_top_down=True))

    assert np.array_equal(pixels(data), opaque(PALETTE[INDICES]))


def test_indices_beyond_a_short_palette_are_black() -> None:
    data = bmp(header(8, colours=5), palette(5), rows(indices(8, INDICES % 7)))
    right = np.where((INDICES % 7 < 5)[..., None], PALETTE[INDICES % 7], 0)

    assert np.array_equal(pixels(data), opaque(right))


@pytest.mark.parametrize("length", [12, 40])
def test_a_palette_ends_where_the_pixels_begin(length: int) -> None:
    data = bmp(header(8, length=length), palette(5, 3 if length == 12 else 4), rows(indices(8, INDICES % 5)))

    assert np.array_equal(pixels(data), opaque(PALETTE[INDICES % 5]))


@pytest.mark.parametrize(
    ("colours", "gap"), [pytest.param(300, b"", id="300-colours"), pytest.param(256, bytes(100), id="a-gap")]
)
def test_what_stands_between_palette_and_pixels_is_skipped(colours: int, gap: bytes) -> None:
    table = palette(256) + bytes(4 * (colours - 256))

    assert np.array_equal(
        pixels(bmp(header(8, colours=colours), table, rows(indices(8)), gap=gap)), opaque(PALETTE[INDICES])
    )


def test_a_palette_of_levels_is_grey() -> None:
    ramp = b"".join(bytes((level, level, level, 0)) for level in range(256))
    data = bmp(header(8), ramp, rows(indices(8)))

    assert opened_header(data).image.mode == "L"
    assert np.array_equal(pixels(data)[..., 1], INDICES)


# ---- masks -----------------------------------------------------------------------------------------------

MASKS = {
    "1555": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "555": (16, (0x7C00, 0x3E0, 0x1F, 0)),
    "565": (16, (0xF800, 0x7E0, 0x1F, 0)),
    "4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "2-3-1": (16, (0x30, 0xE, 1, 0)),
    "8-8-0": (16, (0xFF00, 0xFF, 0, 0)),
    "8888": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "reversed": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    "shifted": (32, (0xFF00000, 0xFF000, 0xFF0, 0)),
    "shifted-with-alpha": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    "10-10-10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
    "10-10-10-2": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    "11-11-10": (32, (0xFFE00000, 0x1FFC00, 0x3FF, 0)),
    "6-1-7-5-4": (32, (0xFC000000, 0x2000000, 0x1FC0000, 0x3E000)),
}


def levels(masks: Sequence[int]) -> Pixels:
    """Values at random that use all bits of each mask."""
    tops = [(1 << mask.bit_count()) for mask in masks]
    return np.random.default_rng(8).integers(0, tops, (HEIGHT, WIDTH, len(masks)))


def scaled(values: Pixels, masks: Sequence[int], top: int = 255) -> Pixels:
    """Values of each mask on a scale of 0 to `top`, rounded; alpha without a mask is opaque."""
    channels = []
    for at, mask in enumerate(masks):
        highest = (1 << mask.bit_count()) - 1
        missing = np.full(values.shape[:2], top if at == 3 else 0)
        channels.append(np.rint(values[..., at] * top / highest) if highest else missing)
    return np.dstack(channels)


# A header of 52 bytes has no mask for alpha.
@pytest.mark.parametrize(
    ("length", "name"),
    [(length, name) for length in (40, 52, 56, 108, 124) for name in MASKS if length != 52 or not MASKS[name][1][3]],
)
def test_each_channel_is_read_by_its_mask(length: int, name: str) -> None:
    bits, masks = MASKS[name]
    values = levels(masks)
    code = ALPHA_FIELDS if length == 40 and masks[3] else FIELDS
    rest = struct.pack("<4I", *masks)[: 12 if (length == 40 and not masks[3]) or length == 52 else 16]
    data = bmp(header(bits, length=length, code=code, rest=rest), b"", rows(words(masks, values, bits // 8)))

    assert np.array_equal(pixels(data), scaled(values, masks))


def test_more_than_8_bits_are_kept_where_the_result_can_hold_them() -> None:
    bits, masks = MASKS["10-10-10"]
    values = levels(masks)
    rest = struct.pack("<4I", *masks)
    data = bmp(header(bits, length=56, code=FIELDS, rest=rest), b"", rows(words(masks, values, 4)))

    assert np.array_equal(pixels(data, is_deep=True), scaled(values, masks, 65_535)[..., :3])
    assert describe_picture(data, Limits())["bit_depth"] == 10
    assert describe_picture(run(data, format="png"), Limits())["bit_depth"] == 16


@pytest.mark.parametrize("length", [40, 124])
def test_masks_that_are_not_announced_do_not_count(length: int) -> None:
    values = levels(MASKS["555"][1])
    rest = struct.pack("<4I", 0xF800, 0x7E0, 0x1F, 0)
    data = bmp(
        header(16, length=length, rest=rest if length == 124 else b""), b"", rows(words(MASKS["555"][1], values, 2))
    )

    assert np.array_equal(pixels(data), scaled(values, MASKS["555"][1]))


@pytest.mark.parametrize("length", [40, 56, 124])
def test_the_fourth_byte_of_32_bits_is_no_alpha_without_a_mask(length: int) -> None:
    lines = [np.dstack([row[None, :, ::-1], np.full((1, WIDTH), 77, np.uint8)]).tobytes() for row in RGB]

    assert np.array_equal(pixels(bmp(header(32, length=length), b"", rows(lines))), opaque(RGB))


@pytest.mark.parametrize("name", ["8888", "4444", "shifted-with-alpha"])
def test_alpha_that_is_announced_is_believed_even_if_all_of_it_is_zero(name: str) -> None:
    bits, masks = MASKS[name]
    values = levels(masks)
    values[..., 3] = 0
    data = bmp(
        header(bits, length=56, code=FIELDS, rest=struct.pack("<4I", *masks)),
        b"",
        rows(words(masks, values, bits // 8)),
    )

    assert np.array_equal(pixels(data), scaled(values, masks))


@pytest.mark.parametrize("alpha", [np.zeros_like(INDICES), INDICES])
@pytest.mark.parametrize("length", [108, 124])
def test_a_mask_of_alpha_alone_counts_unless_all_of_it_is_zero(length: int, alpha: Pixels) -> None:
    lines = [row.tobytes() for row in np.dstack([RGB[..., ::-1], alpha]).astype(np.uint8)]
    data = bmp(header(32, length=length, rest=struct.pack("<4I", 0, 0, 0, 0xFF000000)), b"", rows(lines))

    assert np.array_equal(pixels(data), np.dstack([RGB, alpha]) if alpha.any() else opaque(RGB))


def test_the_last_row_needs_no_padding() -> None:
    data = bmp(header(16), b"", rows(words(MASKS["555"][1], levels(MASKS["555"][1]), 2)))

    assert np.array_equal(pixels(data[:-2]), pixels(data))
    with pytest.raises(Undecodable):
        pixels(data[:-3])


# ---- runs ------------------------------------------------------------------------------------------------

END, EDGE = b"\0\1", b"\0\0"


def packed(array: Pixels, bits: int) -> bytes:
    """Rows from the bottom, of runs and of pixels that are not packed in turn; the last run of a row is too long."""
    result = b""
    for row in array[::-1]:
        literal = row[:5].tolist()
        if bits == 4:
            halves = [*literal, 0]
            result += b"\0\5" + bytes(a << 4 | b for a, b in zip(halves[::2], halves[1::2], strict=True)) + b"\0"
        else:
            result += b"\0\5" + bytes(literal) + b"\0"
        for value in row[5:-1].tolist():
            result += bytes((1, value << 4 if bits == 4 else value))
        last = int(row[-1])
        result += bytes((2, last << 4 | 9 if bits == 4 else last)) + EDGE
    return result + END


@pytest.mark.parametrize(("bits", "code"), [(4, 2), (8, 1)])
def test_runs_and_pixels_between_them_are_unpacked(bits: int, code: int) -> None:
    array = INDICES % (1 << bits)
    data = bmp(header(bits, code=code), palette(1 << bits), packed(array, bits))

    assert np.array_equal(pixels(data), opaque(PALETTE[array]))


def test_a_run_of_two_colours_goes_beyond_an_odd_row() -> None:
    runs = (bytes((WIDTH + 1, 0x12)) + EDGE) * HEIGHT + END
    right = np.broadcast_to(np.where(np.arange(WIDTH) % 2, 2, 1), (HEIGHT, WIDTH))

    assert np.array_equal(pixels(bmp(header(4, code=2), palette(16), runs)), opaque(PALETTE[right]))


@pytest.mark.parametrize(("bits", "code", "three"), [(4, 2, 0x33), (8, 1, 3)])
def test_pixels_that_are_skipped_are_transparent(bits: int, code: int, three: int) -> None:
    run_of_3 = bytes((4, three))
    # Four pixels, three right and two up, four pixels, the end of the row, four pixels, the end.
    data = bmp(header(bits, code=code), palette(16), run_of_3 + b"\0\2\3\2" + run_of_3 + EDGE + run_of_3 + END)
    seen = np.zeros((HEIGHT, WIDTH), bool)
    seen[-1, :4] = seen[-3, 7:11] = seen[-4, :4] = True
    got = pixels(data)

    assert np.array_equal(got[..., 3] == 255, seen)
    assert (got[seen][:, :3] == PALETTE[3]).all()


@pytest.mark.parametrize(("bits", "code"), [(4, 2), (8, 1)])
def test_many_runs_in_turn_are_unpacked_as_single_ones(bits: int, code: int) -> None:
    random = np.random.default_rng(10)
    array = random.integers(0, 1 << bits, (HEIGHT, WIDTH))
    wide = np.repeat(array, 9, axis=1)
    lines = []
    for row in wide[::-1]:
        line, at = b"", 0
        while at < len(row):
            # Runs of one colour; of 4 bits the second one is another that the next run covers only if the count is 1.
            count = 1 if bits == 4 else int((row[at:] == row[at]).cumprod()[:3].sum())
            line += bytes((count, int(row[at]) << 4 | 7 if bits == 4 else int(row[at])))
            at += count
        lines.append(line + EDGE)
    head = header(bits, code=code)
    head = head[:4] + struct.pack("<i", wide.shape[1]) + head[8:]

    assert np.array_equal(pixels(bmp(head, palette(1 << bits), b"".join(lines) + END)), opaque(PALETTE[wide]))


def test_two_colours_in_turn_alternate_in_many_runs_too() -> None:
    wide = 3 * 40
    head = header(4, code=2)
    head = head[:4] + struct.pack("<i", wide) + head[8:]
    runs = (b"\3\x12" * 40 + EDGE) * HEIGHT + END
    right = np.broadcast_to(np.tile([1, 2, 1], 40), (HEIGHT, wide))

    assert np.array_equal(pixels(bmp(head, palette(16), runs)), opaque(PALETTE[right]))


def test_too_many_bytes_of_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_module, "MOST_BYTES", 10)
    with pytest.raises(Undecodable, match="the limit is 10"):
        pixels(bmp(header(8, code=1), palette(256), packed(INDICES, 8)))


def test_runs_of_24_bits_of_os2_are_unpacked() -> None:
    result = b""
    for row in RGB[::-1]:
        result += b"\0\3" + row[:3, ::-1].tobytes() + b"\0"
        for pixel in row[3:]:
            result += b"\1" + pixel[::-1].tobytes()
        result += EDGE
    data = bmp(header(24, length=64, code=4), b"", result + END)

    assert np.array_equal(pixels(data), opaque(RGB))


def test_a_missing_mark_of_the_end_does_no_harm_but_missing_pixels_do() -> None:
    runs = packed(INDICES, 8)[: -len(END + EDGE)]

    assert np.array_equal(pixels(bmp(header(8, code=1), palette(256), runs)), opaque(PALETTE[INDICES]))
    with pytest.raises(Undecodable, match="end too early"):
        pixels(bmp(header(8, code=1), palette(256), runs[:-4]))


def test_runs_without_an_end_are_refused() -> None:
    with pytest.raises(Undecodable, match="have no end"):
        pixels(bmp(header(8, code=1), palette(256), b"\0\2\0\0" * 5000))


# ---- colours ---------------------------------------------------------------------------------------------


def version_5(kind: int, *, offset: int = 0, size: int = 0, gamma: float = 2.2) -> bytes:
    """The part of a header of version 5 behind the masks, with the primaries of sRGB."""
    points = (0.64, 0.33, 0.03, 0.30, 0.60, 0.10, 0.15, 0.06, 0.79)
    fixed = struct.pack("<9I", *(round(point * (1 << 30)) for point in points))
    return (
        bytes(16)
        + struct.pack("<I", kind)
        + fixed
        + struct.pack("<3I", *[round(gamma * 65_536)] * 3)
        + struct.pack("<4I", 4, offset, size, 0)
    )


PLAIN_ROWS = rows([row[:, ::-1].tobytes() for row in RGB])


def info_of(rest: bytes, tail: bytes = b"") -> dict[Any, Any]:
    info = opened_header(bmp(header(24, length=124, rest=rest), b"", PLAIN_ROWS, tail=tail)).image.info
    # The header says 2,835 pixels a metre.
    assert info.pop("dpi") == pytest.approx((72.0, 72.0), abs=0.01)
    return info


def test_an_embedded_profile_is_read_and_a_linked_one_is_not() -> None:
    profile = bytes(range(200))
    place = {"offset": 124 + len(PLAIN_ROWS), "size": len(profile)}

    assert info_of(version_5(0x4D424544, **place), profile) == {"icc_profile": profile}
    assert info_of(version_5(0x4C494E4B, **place), profile) == {}
    assert info_of(version_5(0x4D424544, offset=10**9, size=10), profile) == {}
    assert info_of(version_5(0x4D424544, offset=124, size=1 << 31), profile) == {}


@pytest.mark.parametrize("gamma", [2.2, 1 / 2.2])
def test_calibrated_colours_are_told_as_gamma_and_chromaticities(gamma: float) -> None:
    got = info_of(version_5(0, gamma=gamma))

    assert got["gamma"] == pytest.approx(1 / 2.2, abs=1e-4)
    assert got["chromaticity"] == pytest.approx((0.3127, 0.329, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06), abs=1e-6)
    assert info_of(version_5(0, gamma=0)) == {}
    assert info_of(version_5(0x73524742)) == {}


# ---- what is not read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(header(0, code=4), "a JPEG inside is not read", id="jpeg"),
        pytest.param(header(0, code=5), "a PNG inside is not read", id="png"),
        pytest.param(header(1, length=64, code=3), "Huffman coding is not read", id="huffman"),
        pytest.param(header(64), "64 bits a pixel are not read", id="64-bits"),
        pytest.param(header(8, code=2), "RLE4 and 8 bits a pixel do not fit", id="runs-of-another-depth"),
        pytest.param(header(24, code=99), "its compression 99 is unknown", id="compression"),
        pytest.param(header(24, height=0), "its header says 13×0", id="no-rows"),
    ],
)
def test_a_bitmap_that_is_not_read_is_refused_with_the_reason(head: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        opened_header(bmp(head, b"", PLAIN_ROWS))


# ---- without a file header -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [12, 40, 124])
def test_a_bitmap_without_the_header_of_a_file_is_read(length: int) -> None:
    data = header(8, length=length) + palette(256, 3 if length == 12 else 4) + rows(indices(8))

    assert np.array_equal(pixels(data), opaque(PALETTE[INDICES]))


@pytest.mark.parametrize("head", [header(7), header(8).replace(b"\1\0\x08\0", b"\2\0\x08\0"), header(8, height=0)])
def test_other_bytes_are_not_taken_for_a_bitmap(head: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        opened_header(head + bytes(2000))


# ---- icons and cursors -----------------------------------------------------------------------------------


def icon(*pictures: bytes, kind: int = 1, said: tuple[int, int] = (WIDTH, HEIGHT), length: int | None = None) -> bytes:
    at = 6 + 16 * len(pictures)
    directory = struct.pack("<HHH", 0, kind, len(pictures))
    for picture in pictures:
        size = len(picture) if length is None else length
        directory += struct.pack("<BBBBHHII", *said, 0, 0, 1, 32, size, at)
        at += len(picture)
    return directory + b"".join(pictures)


TRANSPARENT = np.random.default_rng(9).integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)
"""1 where the mask of an icon makes it transparent."""

MASK = rows(indices(1, TRANSPARENT))


def inside(bits: int, pixels: bytes, mask: bytes = MASK, colours: int = 0) -> bytes:
    """A bitmap in an icon: its height counts picture and mask."""
    table = palette(colours or 1 << bits) if bits <= 8 else b""
    return header(bits, height=2 * HEIGHT, colours=colours) + table + pixels + mask


def masked(colours: Pixels) -> Pixels:
    return np.dstack([colours, (1 - TRANSPARENT) * 255])


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_mask_of_an_icon_or_a_cursor_is_its_alpha(bits: int, kind: int) -> None:
    got = pixels(icon(inside(bits, rows(indices(bits))), kind=kind))

    assert np.array_equal(got, masked(PALETTE[INDICES % (1 << bits)]))


def test_an_icon_of_24_bits_has_a_mask_too() -> None:
    assert np.array_equal(pixels(icon(inside(24, PLAIN_ROWS))), masked(RGB))


@pytest.mark.parametrize(
    ("alpha", "right"),
    [
        pytest.param(np.zeros_like(TRANSPARENT), (1 - TRANSPARENT) * 255, id="all-zero"),
        pytest.param(INDICES, INDICES, id="of-its-own"),
        pytest.param(np.full_like(INDICES, 255), np.full_like(INDICES, 255), id="all-opaque"),
    ],
)
def test_the_mask_of_an_icon_of_32_bits_counts_only_without_alpha(alpha: Pixels, right: Pixels) -> None:
    lines = [
        np.dstack([row[None, :, ::-1], a[None]]).astype(np.uint8).tobytes() for row, a in zip(RGB, alpha, strict=True)
    ]

    assert np.array_equal(pixels(icon(inside(32, rows(lines)))), np.dstack([RGB, right]))


def test_a_missing_mask_is_opaque() -> None:
    assert np.array_equal(pixels(icon(inside(24, PLAIN_ROWS, b""))), opaque(RGB))


def of_size(side: int, colour: str) -> bytes:
    return encoded(Image.new("RGBA", (side, side), colour))


def test_the_largest_picture_is_chosen_by_its_own_size() -> None:
    data = icon(of_size(16, "red"), of_size(48, "lime"), of_size(32, "blue"), said=(16, 16))

    assert opened_header(data).size == (48, 48)
    assert pixels(data)[0, 0].tolist() == [0, 255, 0, 255]


def test_of_pictures_of_one_size_the_deepest_is_chosen() -> None:
    data = icon(inside(4, rows(indices(4))), inside(24, PLAIN_ROWS), inside(8, rows(indices(8))))

    assert np.array_equal(pixels(data), masked(RGB))


@pytest.mark.parametrize("length", [0, 10, 1 << 31])
def test_a_directory_that_gives_a_wrong_length_does_no_harm(length: int) -> None:
    for picture, right in ((inside(24, PLAIN_ROWS), masked(RGB)), (encoded(Image.fromarray(RGB)), opaque(RGB))):
        assert np.array_equal(pixels(icon(picture, length=length)), right)


def test_of_equal_pictures_the_directory_tells_the_deepest() -> None:
    data = icon(of_size(16, "red"), of_size(16, "lime"))
    data = data[:12] + b"\4\0" + data[14:]

    assert pixels(data)[0, 0].tolist() == [0, 255, 0, 255]


def test_a_broken_picture_of_an_icon_is_passed_over() -> None:
    good = encoded(Image.fromarray(RGB))
    far = icon(good, b"rubbish")
    far = far[:34] + struct.pack("<I", 10**6) + far[38:]

    for data in (icon(b"rubbish", good), icon(header(7), good), far):
        assert np.array_equal(pixels(data), opaque(RGB))
    with pytest.raises(BadPicture):
        opened_header(icon(b"rubbish"))


def test_a_png_of_16_bits_in_an_icon_is_rounded() -> None:
    deep = io.BytesIO()
    Image.fromarray((INDICES.astype(np.uint16) << 8) + 200).save(deep, "PNG")
    right = np.rint(((INDICES.astype(int) << 8) + 200) / 257)

    assert np.array_equal(pixels(icon(deep.getvalue()))[..., 0], right)


def test_a_cursor_without_pictures_is_none() -> None:
    with pytest.raises(UnsupportedFormat):
        opened_header(b"\0\0\2\0\0\0" + bytes(100))
