"""Formats that are only read: Netpbm, QOI, TGA, Radiance HDR and Photoshop, from the numbers that the files hold.

Values of other readers: ImageMagick 6.9 and Netpbm for the kinds of Netpbm and the light of HDR, psd-tools 1.26 and
ImageMagick for the transparency of Photoshop's merged picture, the specification for TGA.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import encoded, result, run, sample
from PIL import Image, ImageCms

from imgsrv.errors import TooManyPixels, Undecodable, UnsupportedFormat
from imgsrv.imaging.apart import pool
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.info import describe_picture
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import process

Numbers = NDArray[Any]

COLOURS = np.random.default_rng(5).integers(0, 256, (7, 11, 3), np.uint8)
DEEP = np.random.default_rng(6).integers(0, 65_536, (7, 11, 3), np.uint16)
ALPHA = np.random.default_rng(7).integers(0, 256, (7, 11, 1), np.uint8)
WIDTH, HEIGHT = 11, 7


def pixels(data: bytes) -> Numbers:
    """The pixels of the result as PNG, in all its bits: (H, W), (H, W, 3) or (H, W, 4)."""
    found = cv2.imdecode(np.frombuffer(run(data, format="png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found[..., [2, 1, 0, 3][: found.shape[2]]] if found.ndim == 3 else found


def refused(data: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        run(data)
    return str(caught.value)


# ---- Netpbm -------------------------------------------------------------------------------------------


def netpbm(kind: str, *words: object, body: bytes) -> bytes:
    return (
        f"{kind}\n# a comment\n{WIDTH} {HEIGHT}\n{' '.join(map(str, words))}{' ' if words else ''}".encode()[
            : -1 if words else None
        ]
        + (b"\n" if words else b"")
        + body
    )


def pam(depth: int, most: int, body: bytes, kind: str = "") -> bytes:
    named = f"TUPLTYPE {kind}\n" if kind else ""
    head = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {depth}\nMAXVAL {most}\n{named}ENDHDR\n"
    return head.encode() + body


def text(numbers: Numbers) -> bytes:
    return b"# first\n" + b"\n".join(b" ".join(str(number).encode() for number in row.flat) for row in numbers) + b"\n"


GREY, BITS = COLOURS[..., 0], COLOURS[..., 1] > 127
OF_1000 = DEEP % 1001
ROUNDED = ((OF_1000.astype(np.uint64) * 65_535 + 500) // 1000).astype(np.uint16)

NETPBM = [
    pytest.param(netpbm("P6", 255, body=COLOURS.tobytes()), COLOURS, id="ppm"),
    pytest.param(netpbm("P5", 255, body=GREY.tobytes()), GREY, id="pgm"),
    pytest.param(netpbm("P6", 65535, body=DEEP.astype(">u2").tobytes()), DEEP, id="ppm-16"),
    pytest.param(netpbm("P5", 65535, body=DEEP[..., 0].astype(">u2").tobytes()), DEEP[..., 0], id="pgm-16"),
    pytest.param(netpbm("P6", 1000, body=OF_1000.astype(">u2").tobytes()), ROUNDED, id="ppm-of-1000"),
    pytest.param(netpbm("P6", 15, body=(COLOURS >> 4).tobytes()), (COLOURS >> 4) * 17, id="ppm-of-15"),
    pytest.param(netpbm("P3", 255, body=text(COLOURS)), COLOURS, id="ppm-as-text"),
    pytest.param(netpbm("P3", 1000, body=text(OF_1000)), ROUNDED, id="ppm-of-1000-as-text"),
    pytest.param(netpbm("P2", 255, body=text(GREY)), GREY, id="pgm-as-text"),
    pytest.param(netpbm("P4", body=np.packbits(BITS, axis=1).tobytes()), np.where(BITS, 0, 255), id="pbm"),
    pytest.param(netpbm("P1", body=text(BITS.astype(int))), np.where(BITS, 0, 255), id="pbm-as-text"),
    pytest.param(netpbm("P1", body=text(BITS.astype(int)).replace(b" ", b"")), np.where(BITS, 0, 255), id="pbm-packed"),
    pytest.param(pam(1, 1, BITS.astype(np.uint8).tobytes(), "BLACKANDWHITE"), np.where(BITS, 255, 0), id="pam-bits"),
    pytest.param(pam(3, 255, COLOURS.tobytes(), "RGB"), COLOURS, id="pam"),
    pytest.param(pam(4, 255, np.dstack([COLOURS, ALPHA]).tobytes()), np.dstack([COLOURS, ALPHA]), id="pam-alpha"),
    pytest.param(
        pam(2, 65535, np.dstack([DEEP[..., 0], DEEP[..., 1]]).astype(">u2").tobytes(), "GRAYSCALE_ALPHA"),
        np.dstack([DEEP[..., 0]] * 3 + [DEEP[..., 1]]), id="pam-grey-alpha-16",
    ),
    pytest.param(netpbm("PF", "-1.0", body=(COLOURS[::-1] / 255).astype("<f4").tobytes()), COLOURS * np.uint16(257),
                 id="pfm"),
    pytest.param(netpbm("Pf", "1", body=(GREY[::-1] / 255).astype(">f4").tobytes()), GREY * np.uint16(257),
                 id="pfm-big-endian"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), NETPBM)
def test_every_kind_of_netpbm_has_its_own_pixels(data: bytes, expected: Numbers) -> None:
    found = pixels(data)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(netpbm("P6", 255, body=COLOURS.tobytes()[:-1]), "fewer pixels", id="cut"),
        pytest.param(netpbm("P3", 255, body=text(COLOURS)[:-9]), "fewer pixels", id="text-cut"),
        pytest.param(netpbm("P3", 255, body=text(COLOURS).replace(b"\n", b"\nx ", 2)), "something else", id="a-letter"),
        pytest.param(netpbm("P2", 255, body=b"1" * 3_000_000), "never ends", id="an-endless-number"),
        pytest.param(netpbm("P1", body=b"2" * 77), "other letters", id="a-two"),
        pytest.param(netpbm("PF", "1", body=bytes(9)), "fewer pixels", id="floats-cut"),
        pytest.param(netpbm("PF", "0", body=bytes(924)), "where a scale belongs", id="no-scale"),
        pytest.param(netpbm("P6", 70000, body=b""), "largest level is 70000", id="levels"),
        pytest.param(b"P5 0 7 255 ", "the size 0×7", id="no-width"),
        pytest.param(b"P5 9 -7 255 ", "where a number belongs", id="a-sign"),
        pytest.param(b"P5 9 7", "cut off", id="no-end"),
        pytest.param(pam(5, 255, bytes(385)), "5 channels", id="channels"),
        pytest.param(b"P7\n" + b"WIDTH 1\n" * 100, "cut off or too long", id="lines"),
        pytest.param(b"P7\nWIDTH", "cut off or too long", id="pam-cut"),
    ],
)
def test_a_netpbm_that_is_broken_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert reason in refused(data)


# ---- TGA ----------------------------------------------------------------------------------------------


def tga(kind: int, depth: int, body: bytes, flags: int = 0x20, colours: bytes = b"", entry: int = 0, first: int = 0,
        behind: bytes = b"") -> bytes:  # fmt: skip
    entries = len(colours) // max(1, (entry + 7) // 8)
    head = struct.pack(
        "<BBBHHBHHHHBB", 3, bool(colours), kind, first, entries, entry, 0, 0, WIDTH, HEIGHT, depth, flags
    )
    return head + b"\0id" + colours + body + behind


def runs(stored: Numbers) -> bytes:
    """The pixels in runs: each row as one of three equal pixels, and one of the others, into the next row."""
    flat = stored.reshape(WIDTH * HEIGHT, -1)
    out = bytearray()
    for start in range(0, len(flat), 25):
        part = flat[start : start + 25]
        out += bytes([0x80]) + part[0].tobytes() + bytes([len(part) - 2]) + part[1:].tobytes()
    return bytes(out)


def extension(kind: int, before: int) -> bytes:
    """The end of a file of version 2 whose pixels end at `before`."""
    area = bytearray(495)
    area[494] = kind
    return bytes(area) + struct.pack("<II18s", before, 0, b"TRUEVISION-XFILE.\0")


BGR, BGRA = COLOURS[..., ::-1], np.dstack([COLOURS[..., ::-1], ALPHA])
FIVE = (COLOURS >> 3).astype(np.uint16)
PACKED = (FIVE[..., 0] << 10 | FIVE[..., 1] << 5 | FIVE[..., 2]).astype("<u2")
OF_FIVE = np.rint(FIVE * 255 / 31).astype(np.uint8)
PLACES = (COLOURS[..., 0] % 16).astype(np.uint8)
TABLE = np.random.default_rng(8).integers(0, 256, (16, 4), np.uint8)
SHOWN = np.dstack([COLOURS, ALPHA])
AFTER_BGRA = 18 + 3 + WIDTH * HEIGHT * 4
MULTIPLIED = np.minimum(BGRA, BGRA[..., 3:])

TGA = [
    pytest.param(tga(2, 24, BGR.tobytes()), COLOURS, id="colours"),
    pytest.param(tga(2, 24, BGR[::-1].tobytes(), 0), COLOURS, id="from-the-bottom"),
    pytest.param(tga(2, 24, BGR[:, ::-1].tobytes(), 0x30), COLOURS, id="from-the-right"),
    pytest.param(tga(10, 24, runs(BGR)), COLOURS, id="runs"),
    pytest.param(tga(2, 32, BGRA.tobytes(), 0x28), SHOWN, id="alpha"),
    pytest.param(tga(10, 32, runs(BGRA), 0x28), SHOWN, id="alpha-in-runs"),
    pytest.param(tga(2, 32, BGRA.tobytes(), 0x20), SHOWN, id="alpha-that-is-not-counted"),
    pytest.param(tga(2, 32, np.dstack([BGR, ALPHA * 0]).tobytes(), 0x20), np.dstack([COLOURS, ALPHA * 0 + 255]),
                 id="bits-that-are-not-counted-and-0"),
    pytest.param(tga(2, 32, BGRA.tobytes(), 0x28, behind=extension(2, AFTER_BGRA)), COLOURS,
                 id="an-extension-that-says-no-alpha"),
    pytest.param(tga(2, 32, BGRA.tobytes(), 0x28, behind=extension(3, AFTER_BGRA)), SHOWN,
                 id="an-extension-that-says-alpha"),
    pytest.param(tga(2, 32, np.dstack([BGR, ALPHA * 0]).tobytes(), 0x28), np.dstack([COLOURS, ALPHA * 0 + 255]),
                 id="alpha-of-nothing-but-zeros"),
    pytest.param(tga(2, 16, PACKED.tobytes()), OF_FIVE, id="five-bits"),
    pytest.param(tga(10, 16, runs(PACKED[..., None].view(np.uint8))), OF_FIVE, id="five-bits-in-runs"),
    pytest.param(tga(2, 16, (PACKED | 0x8000).tobytes(), 0x21), np.dstack([OF_FIVE, ALPHA * 0 + 255]),
                 id="one-bit-of-alpha"),
    pytest.param(tga(3, 8, GREY.tobytes()), GREY, id="grey"),
    pytest.param(tga(11, 8, runs(GREY)), GREY, id="grey-in-runs"),
    pytest.param(tga(3, 16, np.dstack([GREY, ALPHA]).tobytes(), 0x28), np.dstack([GREY, GREY, GREY, ALPHA]),
                 id="grey-with-alpha"),
    pytest.param(tga(1, 8, PLACES.tobytes(), colours=TABLE[:, :3].tobytes(), entry=24), TABLE[PLACES][..., 2::-1],
                 id="palette"),
    pytest.param(tga(9, 8, runs(PLACES), colours=TABLE[:, :3].tobytes(), entry=24), TABLE[PLACES][..., 2::-1],
                 id="palette-in-runs"),
    pytest.param(tga(1, 8, (PLACES + 40).tobytes(), colours=TABLE[:, :3].tobytes(), entry=24, first=40),
                 TABLE[PLACES][..., 2::-1], id="palette-from-its-40th-colour"),
    pytest.param(tga(1, 8, PLACES.tobytes(), 0x28, TABLE.tobytes(), 32), TABLE[PLACES][..., [2, 1, 0, 3]],
                 id="palette-with-alpha"),
    pytest.param(tga(1, 16, PLACES.astype("<u2").tobytes(), colours=TABLE[:, :3].tobytes(), entry=24),
                 TABLE[PLACES][..., 2::-1], id="places-of-two-bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), TGA)
def test_every_kind_of_tga_has_its_own_pixels(data: bytes, expected: Numbers) -> None:
    found = pixels(data)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_alpha_that_is_multiplied_into_the_colours_of_a_tga_is_taken_out() -> None:
    found = pixels(tga(2, 32, MULTIPLIED.tobytes(), 0x28, behind=extension(4, AFTER_BGRA)))
    weight = np.maximum(ALPHA.astype(float), 1)
    assert np.abs(found[..., :3] - (MULTIPLIED[..., 2::-1].astype(float) * 255 / weight).clip(0, 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(tga(2, 24, BGR.tobytes()[:-1]), "fewer pixels", id="cut"),
        pytest.param(tga(10, 24, runs(BGR)[:-1]), "fewer pixels", id="runs-cut"),
        pytest.param(tga(1, 8, (PLACES + 40).tobytes(), colours=TABLE.tobytes(), entry=32), "end of its palette",
                     id="a-colour-that-is-missing"),
    ],
)  # fmt: skip
def test_a_tga_that_is_broken_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert reason in refused(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytes(64), id="zeros"),
        pytest.param(tga(2, 24, b"")[:17], id="short"),
        pytest.param(tga(2, 12, bytes(99)), id="depth"),
        pytest.param(tga(2, 24, bytes(99), 0xC0), id="interleaved"),
        pytest.param(tga(1, 8, bytes(99)), id="no-palette"),
        pytest.param(tga(5, 8, bytes(99)), id="kind"),
    ],
)
def test_what_has_not_the_header_of_a_tga_is_not_taken_for_one(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        run(data)


# ---- QOI ----------------------------------------------------------------------------------------------


def qoi(image: Image.Image) -> bytes:
    return encoded(image, "QOI")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_qoi_has_its_own_pixels(mode: str) -> None:
    image = sample("coffee.jpg").resize((61, 43))
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert np.array_equal(np.asarray(result(qoi(image))), np.asarray(image))


def test_a_qoi_that_is_cut_off_or_has_other_channels_is_refused() -> None:
    data = qoi(Image.fromarray(COLOURS))
    assert "end marker is missing" in refused(data[:-1])
    assert "fewer pixels" in refused(data[:8] + struct.pack(">I", 9000) + data[12:])
    assert "5 channels" in refused(data[:12] + b"\5" + data[13:])


def test_the_colour_space_of_a_qoi_is_informative() -> None:
    """As in the specification; Pillow writes that the levels of any picture are linear."""
    data = bytearray(qoi(Image.fromarray(COLOURS)))
    assert data[13] == 1
    data[13] = 0
    assert np.array_equal(np.asarray(result(bytes(data))), COLOURS)


# ---- Radiance HDR -------------------------------------------------------------------------------------


def radiance(body: bytes, size: tuple[int, int], size_line: str = "-Y {} +X {}", head: str = "") -> bytes:
    return f"#?RADIANCE\n{head}FORMAT=32-bit_rle_rgbe\n\n{size_line.format(size[1], size[0])}\n".encode() + body


QUADS = np.random.default_rng(9).integers(0, 256, (5, 12, 4), np.uint8)
QUADS[..., 3] = QUADS[..., 3] % 12 + 120
QUADS[0, :4, 3] = 0


def srgb_of(quads: Numbers) -> Numbers:
    light = quads[..., :3] * np.exp2(quads[..., 3:].astype(float) - 136) * (quads[..., 3:] > 0)
    light = light.clip(0, 1)
    level: Numbers = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(level * 65_535))


def in_runs(quads: Numbers) -> bytes:
    out = bytearray()
    for row in quads:
        out += struct.pack(">BBH", 2, 2, len(row))
        for plane in row.T:
            out += bytes([len(plane)]) + plane.tobytes()
    return bytes(out)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param(QUADS.tobytes(), "-Y {} +X {}", id="plain"),
        pytest.param(in_runs(QUADS), "-Y {} +X {}", id="runs"),
        pytest.param(in_runs(QUADS), "-Y    {}  +X   {}", id="a-line-with-spaces"),
        pytest.param(in_runs(QUADS[::-1]), "+Y {} +X {}", id="from-the-bottom"),
        pytest.param(in_runs(QUADS[:, ::-1]), "-Y {} -X {}", id="from-the-right"),
    ],
)
def test_light_becomes_levels_of_srgb_in_16_bits(body: bytes, line: str) -> None:
    found = pixels(radiance(body, (12, 5), line))
    assert found.dtype == np.uint16
    assert np.abs(found - srgb_of(QUADS)).max() <= 1


def test_a_radiance_picture_of_another_kind_or_cut_off_is_refused_with_the_reason() -> None:
    xyz = radiance(in_runs(QUADS), (12, 5)).replace(b"rle_rgbe", b"rle_xyze")
    assert "32-bit_rle_xyze, which is not read" in refused(xyz)
    assert "columns stand before its rows" in refused(radiance(b"", (12, 5), "+X {} -Y {}"))
    assert "cannot be decoded" in refused(radiance(in_runs(QUADS)[:-5], (12, 5)))
    assert "oldest kind" in refused(radiance(QUADS.tobytes()[:-1], (12, 5)))


# ---- Photoshop ----------------------------------------------------------------------------------------

RGB_MODE, GREY_MODE, CMYK_MODE, INDEXED, BITMAP, LAB, DUOTONE = 3, 1, 4, 2, 0, 9, 8


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)


def psd(kind: int, planes: Sequence[Numbers], *, resources: bytes = b"", layers: int | None = None,
        blocks: bytes = b"", packed: bool = False, large: bool = False, palette: bytes = b"", bits: int = 0,
        body: bytes | None = None) -> bytes:  # fmt: skip
    """A document.  layers: their number, of which none has pixels; blocks: behind them."""
    height, width = planes[0].shape
    bits = bits or planes[0].dtype.itemsize * 8
    stored = [plane.astype(">u2") if bits == 16 else plane for plane in planes]
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if large else 1, len(planes), height, WIDTH, bits, kind)
    wide = ">Q" if large else ">I"
    info = b"" if layers is None else struct.pack(">h", layers) + bytes(2)
    section = struct.pack(wide, len(info)) + info + struct.pack(">I", 0) + blocks if info or blocks else b""
    if packed:
        rows = [pack_bits(row.tobytes()) for plane in stored for row in plane]
        counts = b"".join(struct.pack(">I" if large else ">H", len(row)) for row in rows)
        body = b"\0\1" + counts + b"".join(rows)
    elif body is None:
        body = b"\0\0" + b"".join(plane.tobytes() for plane in stored)
    assert width in (WIDTH, (WIDTH + 7) // 8)
    middle = struct.pack(">I", len(palette)) + palette + struct.pack(">I", len(resources)) + resources
    return head + middle + struct.pack(wide, len(section)) + section + body


def pack_bits(row: bytes) -> bytes:
    """A row of PackBits: two bytes, a run of the third, and a run that is longer than the row."""
    return bytes([1]) + row[:2] + bytes([256 - 2]) + row[2:3] * 1 + bytes([len(row) - 6]) + row[5:]


def planes_of(pixels_of: Numbers) -> list[Numbers]:
    return list(np.moveaxis(pixels_of, 2, 0))


RUNNY = COLOURS.copy()
RUNNY[:, 3:5] = RUNNY[:, 2:3]

LEVELS_OF_ALPHA = np.array([0, 1, 64, 128, 192, 254, 255] * 11, np.uint8).reshape(7, 11)
WEIGHT = LEVELS_OF_ALPHA[..., None] / 255
ON_WHITE = np.rint(COLOURS * WEIGHT + 255 * (1 - WEIGHT)).astype(np.uint8)
PALETTE = np.random.default_rng(8).integers(0, 256, (256, 3), np.uint8)
PACKED_BITS = np.packbits(BITS, axis=1)

TRANSPARENT = resource(1047, b"\0" + GREY[0, :1].tobytes())

PSD = [
    pytest.param(psd(RGB_MODE, planes_of(COLOURS)), COLOURS, id="rgb"),
    pytest.param(psd(RGB_MODE, planes_of(RUNNY), packed=True), RUNNY, id="rgb-in-runs"),
    pytest.param(psd(RGB_MODE, planes_of(RUNNY), packed=True, large=True, layers=1), RUNNY, id="psb"),
    pytest.param(psd(RGB_MODE, planes_of(DEEP)), DEEP, id="rgb-16"),
    pytest.param(psd(GREY_MODE, [GREY]), GREY, id="grey"),
    pytest.param(psd(DUOTONE, [GREY]), GREY, id="duotone"),
    pytest.param(psd(GREY_MODE, [DEEP[..., 0]]), DEEP[..., 0], id="grey-16"),
    pytest.param(psd(BITMAP, [PACKED_BITS], bits=1), np.where(BITS, 0, 255), id="bitmap"),
    pytest.param(psd(INDEXED, [GREY], palette=PALETTE.T.tobytes()), PALETTE[GREY], id="indexed"),
    pytest.param(psd(INDEXED, [GREY], palette=PALETTE.T.tobytes(), resources=TRANSPARENT),
                 np.dstack([PALETTE[GREY], np.where(GREY[0, 0] == GREY, 0, 255)]), id="indexed-with-a-transparent-one"),
    pytest.param(psd(RGB_MODE, [*planes_of(COLOURS), GREY]), COLOURS, id="a-selection-is-no-transparency"),
    pytest.param(psd(RGB_MODE, [*planes_of(COLOURS), GREY], layers=2), COLOURS, id="nor-is-it-with-layers"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), PSD)
def test_every_kind_of_photoshop_document_shows_its_merged_picture(data: bytes, expected: Numbers) -> None:
    found = pixels(data)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"layers": -1}, id="a-negative-number-of-layers"),
        pytest.param({"layers": 1, "blocks": b"8BIMshmd\0\0\0\1\0\0\0\0" + b"8BIMMtrn\0\0\0\0"}, id="a-block"),
        pytest.param({"blocks": b"8BIMLr16\0\0\0\2\xff\xff\0\0"}, id="deep-layers"),
        pytest.param({"layers": 1, "large": True, "blocks": b"8BIMMt16" + bytes(8)}, id="a-block-of-a-psb"),
    ],
)
def test_the_merged_picture_is_taken_from_its_white(given: dict[str, Any]) -> None:
    found = pixels(psd(RGB_MODE, [*planes_of(ON_WHITE), LEVELS_OF_ALPHA], **given))
    assert np.array_equal(found[..., 3], LEVELS_OF_ALPHA)
    difference = np.abs(found[..., :3].astype(float) - COLOURS) * WEIGHT
    assert difference.max() <= 1


def test_cmyk_of_photoshop_is_ink_where_the_file_has_no_light() -> None:
    plain = np.zeros((7, 11), np.uint8)
    white, cyan = (pixels(psd(CMYK_MODE, [plain + level, *[plain + 255] * 3]))[0, 0] for level in (255, 0))
    assert white.tolist() == [255, 255, 255]
    assert cyan[0] < 60
    assert min(cyan[1:]) > 120


def test_lab_of_photoshop_is_converted_to_srgb() -> None:
    """Against LittleCMS, from its own Lab profile."""
    lab = np.stack([np.full((7, 11), level, np.uint8) for level in (140, 150, 100)])
    signed = np.moveaxis(lab - np.array([0, 128, 128])[:, None, None], 0, 2).astype(np.uint8)
    image = Image.frombytes("LAB", (WIDTH, HEIGHT), signed.tobytes())
    right = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB", 5000), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert right is not None
    assert np.abs(pixels(psd(LAB, list(lab)))[0, 0].astype(int) - np.asarray(right)[0, 0]).max() <= 1


def test_profile_and_metadata_of_photoshop_are_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    data = psd(RGB_MODE, planes_of(COLOURS), resources=resource(1060, xmp) + resource(1039, profile))
    assert describe_picture(data, Limits())["profile"]
    assert describe_picture(data, Limits())["bit_depth"] == 8


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(psd(RGB_MODE, planes_of(COLOURS), resources=resource(1057, b"\0\0\0\1\0")),
                     "saved without a merged picture", id="no-merged-picture"),
        pytest.param(psd(7, planes_of(COLOURS)), "of several channels", id="multichannel"),
        pytest.param(psd(RGB_MODE, planes_of(COLOURS), bits=32), "32 bits a channel", id="floats"),
        pytest.param(psd(RGB_MODE, [GREY]), "fewer channels", id="channels"),
        pytest.param(psd(INDEXED, [GREY]), "no palette", id="no-palette"),
        pytest.param(psd(RGB_MODE, planes_of(COLOURS))[:-1], "fewer pixels", id="cut"),
        pytest.param(psd(RGB_MODE, planes_of(RUNNY), packed=True)[:-1], "fewer pixels", id="runs-cut"),
        pytest.param(psd(RGB_MODE, planes_of(COLOURS), body=b"\0\2"), "deflated", id="deflated"),
        pytest.param(psd(RGB_MODE, planes_of(COLOURS))[:30], "cut off", id="header-cut"),
        pytest.param(b"8BPS\0\3" + psd(RGB_MODE, planes_of(COLOURS))[6:], "version 3", id="version"),
    ],
)  # fmt: skip
def test_a_photoshop_document_that_is_not_read_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert reason in refused(data)


# ---- all of them --------------------------------------------------------------------------------------

ONE_EACH = {
    "pnm": netpbm("P6", 255, body=COLOURS.tobytes()),
    "tga": tga(2, 24, BGR.tobytes()),
    "qoi": qoi(Image.fromarray(COLOURS)),
    "hdr": radiance(in_runs(QUADS), (12, 5)),
    "psd": psd(RGB_MODE, planes_of(COLOURS)),
}


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_picture_that_is_too_large_is_refused_from_its_header(name: str) -> None:
    with pytest.raises(TooManyPixels):
        run(ONE_EACH[name], limits=Limits(max_pixels=50))


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_memory_mapping_is_read_in_a_helper_as_bytes_are_here(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(ONE_EACH[name])
    here = run(ONE_EACH[name])
    monkeypatch.setattr(pool._State, "is_warm", True)
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as mapping:
        there = process(mapping, parse_pipeline(""), Output(), Limits())
    pool.end_idle()
    assert there == here


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_result_is_written_in_another_format(name: str) -> None:
    facts = describe_picture(ONE_EACH[name], Limits(), ["average"])
    assert (facts["format"], facts["media_type"]) == (name, FORMATS[name].media_type)
    assert Image.open(io.BytesIO(run(ONE_EACH[name], "resize:width=5"))).format == "PNG"


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_picture_that_is_cut_off_anywhere_is_refused(name: str) -> None:
    data = ONE_EACH[name]
    for end in range(24, len(data), 7):
        with pytest.raises((Undecodable, UnsupportedFormat)):
            run(data[:end])


def test_no_signature_is_the_beginning_of_another_one() -> None:
    signatures = sorted(signature for form in FORMATS.values() for signature in form.signatures)
    assert not any(second.startswith(first) for first, second in pairwise(signatures))
