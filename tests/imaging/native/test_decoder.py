"""The decoder of `native/` against libjpeg-turbo, and against the transform of its coefficients in floating point."""

from __future__ import annotations

import ctypes
import io
import math
from typing import Any

import numpy as np
import pytest
from made import native_jpeg
from made.jpegs import SAMPLINGS, any_jpeg, jpeg, seeded
from made.native_jpeg import MOST_OFF, coded, decode, library, read_header, reference
from numpy.typing import NDArray
from pictures import SAMPLES
from PIL import Image

MADE = 60


@pytest.fixture(autouse=True)
def _built() -> None:
    library()


def check_against_turbo(data: bytes) -> None:
    for eighths, most in MOST_OFF.items():
        found, expected = decode(data, eighths), reference(data, eighths)
        assert found.reason == "done"
        assert expected is not None
        for ours, theirs, part in zip(found.planes, expected, coded(found, eighths), strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours[part].astype(int) - theirs[part]).max() <= most


def truncated(plane: NDArray[np.uint8], quantizer: NDArray[np.int_], eighths: int) -> tuple[Any, Any]:
    """The samples of n × n coefficients of the blocks of a plane of full size, and where they are right.

    libjpeg-turbo's samples are rounded, so their transform is within a third of a level of the coefficients, and
    those are multiples of the quantizer.  Where a sample is black or white, it may have been limited.
    """
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    blocks = plane[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).astype(float)
    whole = np.array([[cosine(u, x, 8) for x in range(8)] for u in range(8)]) / math.sqrt(8)
    coefficients = np.round((whole @ (blocks - 128) @ whole.T) / quantizer) * quantizer
    few = np.array([[cosine(u, x, eighths) for x in range(eighths)] for u in range(eighths)]) / math.sqrt(8)
    samples = few.T @ coefficients[..., :eighths, :eighths] @ few + 128
    is_right = (blocks.min(axis=(2, 3)) > 0) & (blocks.max(axis=(2, 3)) < 255)
    return np.clip(samples, 0, 255), is_right


def cosine(u: int, x: int, n: int) -> float:
    return 1.0 if u == 0 else math.sqrt(2) * math.cos((2 * x + 1) * u * math.pi / (2 * n))


def quantizers(data: bytes, count: int) -> list[NDArray[np.int_]]:
    with Image.open(io.BytesIO(data)) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
        parts = image.layer  # type: ignore[attr-defined]
    return [np.array(tables[parts[part][3]]).reshape(8, 8) for part in range(count)]


def check_against_cosines(data: bytes, eighths: int) -> int:
    """Compare, and give the number of blocks that were compared."""
    found, whole = decode(data, eighths), reference(data, 8)
    assert found.reason == "done"
    assert whole is not None
    compared = 0
    for ours, full, quantizer in zip(found.planes, whole, quantizers(data, len(whole)), strict=True):
        samples, is_right = truncated(full, quantizer, eighths)
        rows, columns = is_right.shape
        blocks = ours[: rows * eighths, : columns * eighths].reshape(rows, eighths, columns, eighths)
        off = np.abs(blocks.transpose(0, 2, 1, 3) - samples)[is_right]
        assert off.size == 0 or off.max() <= 1
        compared += int(is_right.sum())
    return compared


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*.jpg")))
def test_samples_are_those_of_libjpeg_turbo(sample: str) -> None:
    check_against_turbo((SAMPLES / sample).read_bytes())


@pytest.mark.parametrize("kind", SAMPLINGS)
def test_made_pictures_are_those_of_libjpeg_turbo(kind: str) -> None:
    random = seeded(kind)
    for _ in range(MADE):
        check_against_turbo(any_jpeg(random, sampling=kind))


@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("eighths", [1, 2, 3, 4])
def test_samples_are_the_cosines_of_the_first_coefficients(kind: str, eighths: int) -> None:
    random = seeded(kind)
    compared = 0
    for quality in (25, 50, 75):
        data = jpeg(random, sampling=kind, size=(128, 96), quality=quality, low=30, high=225)
        compared += check_against_cosines(data, eighths)
    assert compared > 200


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (16, 16), (17, 33), (700, 9), (9, 700)])
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_every_size_has_the_planes_of_libjpeg_turbo(kind: str, size: tuple[int, int]) -> None:
    check_against_turbo(jpeg(seeded(1), sampling=kind, size=size))


def test_samples_beyond_the_blocks_repeat_the_edge() -> None:
    # 3/8 of 8 pixels are 3 samples, and with half as many of colour the plane of luma has 4.
    found = decode(jpeg(seeded(1), sampling="4:2:0", size=(8, 8)), 3)
    luma = found.planes[0]
    assert luma.shape == (4, 4)
    assert luma[:, 3].tolist() == luma[:, 2].tolist()
    assert luma[3].tolist() == luma[2].tolist()


@pytest.mark.parametrize("interval", [1, 2, 7, 16, 17, 200])
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_restart_intervals_of_any_length(kind: str, interval: int) -> None:
    check_against_turbo(jpeg(seeded(2), sampling=kind, size=(300, 41), restart_marker_blocks=interval))


@pytest.mark.parametrize("quality", [1, 100])
def test_the_longest_and_the_shortest_codes(quality: int) -> None:
    noise = seeded(3).randbytes(200 * 100 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (200, 100), noise).save(file, "JPEG", quality=quality, subsampling=0)
    check_against_turbo(file.getvalue())


BROKEN = {
    "not_jpeg": lambda data: b"\x89PNG" + data,
    "short": lambda data: data[: len(data) // 2],
    "no end": lambda data: data[:-2],
    "trailing": lambda data: data + b"more",
    "kind": lambda data: data.replace(b"\xff\xc0", b"\xff\xc9", 1),
    "marker": lambda data: data.replace(b"\xff\xdb", b"\xff\xf0", 1),
    "colours": lambda data: data.replace(b"JFIF", b"JFXX", 1).replace(b"\1\x22\0\2", b"\5\x22\0\2"),
    "sampling": lambda data: data.replace(b"\1\x22\0\2\x11", b"\1\x41\0\2\x11"),
    "table": lambda data: data.replace(b"\xff\xc4", b"\xff\xfe", 1),
    "scans": lambda data: data[:-2] + data[data.index(b"\xff\xda") :],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_refused_has_a_reason(name: str) -> None:
    data = jpeg(seeded(4), sampling="4:2:0", size=(64, 48))
    assert decode(data, 1).reason == "done"
    reasons = {"no end": "short", "scans": "scan"}
    for eighths in (1, 2, 3, 4):
        assert decode(BROKEN[name](data), eighths).reason == reasons.get(name, name)


def test_bytes_behind_the_end_are_allowed_where_the_caller_says_so() -> None:
    data = jpeg(seeded(4), sampling="4:2:0", size=(64, 48))
    found, expected = decode(data + b"more", 1, flags=native_jpeg.TRAILING_ALLOWED), decode(data, 1)
    assert found.reason == "done"
    assert all((ours == theirs).all() for ours, theirs in zip(found.planes, expected.planes, strict=True))


def test_restart_markers_out_of_order_are_refused() -> None:
    data = jpeg(seeded(5), sampling="4:4:4", size=(64, 48), restart_marker_blocks=4)
    assert decode(data, 1).reason == "done"
    assert decode(data.replace(b"\xff\xd1", b"\xff\xd3"), 1).reason == "restart"
    assert decode(data.replace(b"\xff\xd1", b"\xff\xd9"), 1).reason != "done"


def test_no_small_file_makes_much_work() -> None:
    data = bytearray(jpeg(seeded(6), sampling="grey", size=(64, 48)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\x00\xff\x00"
    assert read_header(bytes(data), 1)[0] == "short"


def test_numbers_that_are_no_scale_and_planes_of_other_sizes_are_refused() -> None:
    data = jpeg(seeded(7), sampling="4:2:0", size=(64, 48))
    assert read_header(data, 0)[0] == "scale"
    assert read_header(data, 5)[0] == "scale"
    assert native_jpeg.reason(99) == "unknown"
    none = ctypes.c_void_p(None)
    given = library().imgsrv_jpeg_decode(data, ctypes.c_size_t(len(data)), 1, none, none, none, ctypes.c_size_t(0))
    assert native_jpeg.reason(given) == "planes"
