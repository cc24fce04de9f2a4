"""A header check refuses only files that decoding refuses, with the same error, and takes little time."""

from __future__ import annotations

import os
import random
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pictures import CORPUS, animation, encoded, picture, sample

from imgsrv.errors import ImgsrvError, TooManyPixels, Undecodable
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.header_check import check_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import estimate, glanced
from imgsrv.imaging.pipelines.pipeline import Pipeline

LIMITS = Limits(max_pixels=1_000_000)
MOST_S = 0.02
"""Of processor time: 30 times the measured worst, so that only work that grows faster than the file fails it."""


def refusal(check: Callable[[], object]) -> ImgsrvError | None:
    try:
        check()
    except ImgsrvError as error:
        return error
    return None


def checked(data: bytes, before: bytes = b"", behind: bytes = b"") -> ImgsrvError | None:
    """The error of a header check for a picture in the middle of a file."""
    file = os.memfd_create("picture")
    try:
        os.write(file, before + data + behind)
        return refusal(lambda: check_header(file, len(before), len(data), LIMITS))
    finally:
        os.close(file)


def decoded(data: bytes) -> ImgsrvError | None:
    """The error of an engine."""
    return refusal(lambda: read_header(data, LIMITS))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *between: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">HH", marker, 2 + len(data)) + data


def jpeg(width: int, height: int, *before: bytes) -> bytes:
    """A JPEG with this size in its header, and with segments before the header."""
    good = encoded(picture("RG/BY"), "JPEG")
    at = good.index(b"\xff\xc0") + 5
    return good[:2] + b"".join(before) + good[2:at] + struct.pack(">HH", height, width) + good[at + 4 :]


def gif(width: int, height: int) -> bytes:
    good = encoded(picture("RG/BY"), "GIF")
    return good[:6] + struct.pack("<HH", width, height) + good[10:]


EXIF = segment(0xFFE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + b"\x0f\1\2\0\xff\xff\0\0\0\0\0\0" * 5000)
PHOTOSHOP = segment(0xFFED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5000)
FRAME = segment(0xFFC0, bytes([8, 0, 1, 0, 1, 3]) + b"\1\x11\0" * 21_000)
LARGE = bytes([8]) + struct.pack(">HHB", 20_000, 20_000, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
BOMB = zlib.compress(bytes(1_000_000), 9)
TEXT_BOMB = chunk(b"zTXt", b"Comment\0\0" + BOMB)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(20_000, 20_000), id="png"),
        pytest.param(png(20_000, 20_000, *[TEXT_BOMB] * 20), id="png-behind-texts"),
        pytest.param(png(20_000, 20_000, chunk(b"iCCP", os.urandom(500_000))), id="png-behind-a-large-profile"),
        pytest.param(jpeg(20_000, 20_000), id="jpeg"),
        pytest.param(jpeg(20_000, 20_000, EXIF, *[segment(0xFFE2, bytes(60_000))] * 9), id="jpeg-behind-profiles"),
        pytest.param(gif(20_000, 20_000), id="gif"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"--a part of a form\r\n"], ids=["alone", "in-a-form"])
def test_a_picture_with_too_many_pixels_is_refused_by_a_header_check(data: bytes, before: bytes) -> None:
    error = checked(data, before, behind=b"\r\n--")

    assert isinstance(error, TooManyPixels)
    assert (error.width, error.height) == (20_000, 20_000)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(2, 2)[:20], id="a-png-cut-in-its-size"),
        pytest.param(png(2, 2)[:33], id="a-png-cut-behind-its-size"),
        pytest.param(png(2, 2, TEXT_BOMB)[:100], id="a-png-cut-in-a-text"),
        pytest.param(png(2, 2).replace(b"IDAT", b"\0\0\0\0"), id="a-png-with-a-broken-chunk"),
        pytest.param(png(2, 2)[:29] + bytes(4) + png(2, 2)[33:], id="a-png-with-a-wrong-checksum"),
        pytest.param(png(0, 2), id="a-png-of-no-width"),
        pytest.param(jpeg(2, 2)[:4], id="a-jpeg-of-its-signature"),
        pytest.param(jpeg(2, 2)[:15], id="a-jpeg-cut-in-its-first-segment"),
        pytest.param(jpeg(2, 2)[:300], id="a-jpeg-cut-in-its-header"),
        pytest.param(jpeg(0, 2), id="a-jpeg-of-no-width"),
    ],
)
def test_a_broken_header_is_refused_by_a_header_check_with_the_error_of_decoding(data: bytes) -> None:
    error = checked(data)

    assert isinstance(error, Undecodable)
    assert str(error) == str(decoded(data))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_good_picture_of_any_format_passes(name: str) -> None:
    data = encoded(sample("chelsea.png").resize((61, 45)), WRITTEN[name].pillow)
    file = os.memfd_create("picture")
    os.write(file, b"before" + data)

    assert check_header(file, 6, len(data), LIMITS).format == name

    os.close(file)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(2, 2).replace(chunk(b"IDAT", b""), b""), id="a-png-without-pixels"),
        pytest.param(animation([picture("RG"), picture("GB")], "PNG", duration=50), id="an-animated-png"),
        pytest.param(jpeg(2, 2, b"\xff\xe0\0\0"), id="a-jpeg-segment-of-no-length"),
        pytest.param(jpeg(2, 2, b"\xff\xff"), id="a-jpeg-with-padding"),
        pytest.param(jpeg(20_000, 20_000, segment(0xFFC0, LARGE)) + bytes(4096), id="a-jpeg-of-two-sizes"),
        pytest.param(jpeg(2, 2, segment(0xFFC0, LARGE)) + bytes(4096), id="a-jpeg-whose-second-size-is-good"),
        pytest.param(jpeg(2, 2) + bytes(4096), id="a-jpeg-with-something-behind-it"),
        pytest.param(b"BM" + bytes(60), id="a-bmp-of-zeros"),
    ],
)
def test_an_unusual_header_is_refused_only_if_decoding_refuses_it(data: bytes) -> None:
    assert checked(data) is None or decoded(data) is not None


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["jpeg", "png", "gif"])
def test_no_changed_file_is_refused_that_decoding_accepts(name: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    exif, icc = EXIF[4:60], os.urandom(300)
    good = encoded(sample("chelsea.png").resize((61, 45)), WRITTEN[name].pillow, exif=exif, icc_profile=icc)
    refused = 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.choice((1, 2, 6))):
            at = chance.randrange(min(len(data), 900))
            data[at : at + chance.choice((0, 1, 1, 1))] = bytes(
                [chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))]
            )
        error = checked(bytes(data))
        if error is not None:
            refused += 1
            assert type(decoded(bytes(data))) is type(error), bytes(data[:900]).hex()
    assert refused


CORPUS_FILES = sorted(CORPUS.glob("*/*.*"))


@pytest.mark.parametrize("path", CORPUS_FILES, ids=lambda path: path.name)
def test_a_file_of_the_corpus_is_refused_by_a_header_check_only_with_the_error_of_decoding(path: Path) -> None:
    data = path.read_bytes()
    if (error := checked(data)) is not None:
        assert str(error) == str(decoded(data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(2, 2, *[segment(0xFFE5, b"")] * 16_000), id="many-segments"),
        pytest.param(jpeg(2, 2, *[EXIF] * 20), id="large-exif"),
        pytest.param(jpeg(2, 2, segment(0xFFDB, bytes(65)), EXIF), id="exif-behind-a-table"),
        pytest.param(jpeg(2, 2, segment(0xFFDB, bytes(65)), EXIF[:1500]), id="exif-cut"),
        pytest.param(jpeg(2, 2, *[PHOTOSHOP] * 20), id="photoshop"),
        pytest.param(jpeg(2, 2, segment(0xFFDB, bytes(65)), segment(0xFFED, PHOTOSHOP[4:1900])), id="photoshop-behind"),
        pytest.param(jpeg(2, 2, segment(0xFFDB, bytes(65) * 1000)), id="many-tables"),
        pytest.param(jpeg(2, 2, *[segment(0xFFDB, bytes(65))] * 500), id="many-table-segments"),
        pytest.param(b"\xff\xd8" + FRAME, id="many-layers"),
        pytest.param(
            b"\xff\xd8" + segment(0xFFC0, FRAME[4:2000]) + jpeg(2, 2)[2:], id="many-layers-in-the-first-bytes"
        ),
        pytest.param(b"\xff\xd8\xff" + bytes(2_000_000), id="zeros"),
        pytest.param(b"\xff\xd8" + b"\xff" * 2_000_000, id="padding"),
        pytest.param(png(2, 2, *[TEXT_BOMB] * 1000), id="text-bombs"),
        pytest.param(png(2, 2, *[chunk(b"iCCP", b"x\0\0" + BOMB)] * 60), id="profile-bombs"),
        pytest.param(png(2, 2, chunk(b"IHDR", bytes(13)), TEXT_BOMB), id="a-bomb-behind-a-second-size"),
        pytest.param(png(2, 2, *[chunk(b"tEXt", b"a\0b")] * 50_000), id="many-texts"),
        pytest.param(
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**31 - 1, b"IHDR") + bytes(2_000_000), id="a-long-size"
        ),
        pytest.param(gif(2, 2)[:13] + b"!\xfe" + b"\xff" * 2_000_000, id="a-long-comment"),
        pytest.param(b"BM" + struct.pack("<IIIIIIHHIIIIII", 0, 0, 54, 40, 2, 2, 1, 8, 0, 0, 0, 0, 65_536, 0), id="bmp"),
    ],
)
def test_a_header_check_of_a_hostile_file_is_fast(data: bytes) -> None:
    file = os.memfd_create("picture")
    os.write(file, data)
    seconds = []
    for _ in range(5):
        start = time.thread_time()
        refusal(lambda: check_header(file, 0, len(data), LIMITS))
        seconds.append(time.thread_time() - start)
    os.close(file)

    assert min(seconds) < MOST_S


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gif(0, 2), id="a-gif-of-no-width"),
        pytest.param(gif(2, 0), id="a-gif-of-no-height"),
        pytest.param(encoded(picture("RG"), "WEBP")[:26] + bytes(4), id="a-webp-of-no-sides"),
    ],
)
def test_a_picture_without_pixels_has_a_cost_before_an_engine_refuses_it(data: bytes) -> None:
    file = os.memfd_create("picture")
    os.write(file, data)

    facts = glanced(check_header(file, 0, len(data), LIMITS), len(data), LIMITS)

    assert estimate(facts, [(Output(), Pipeline.parse("resize:width=3"))], LIMITS).seconds > 0
    os.close(file)
