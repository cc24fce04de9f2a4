"""The decoder of `native/` against libjpeg-turbo, and against the transform of its coefficients in floating point."""

from __future__ import annotations

import ctypes
import io
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from made import native_jpeg
from made.jpegs import SAMPLINGS, any_jpeg, jpeg, near, seeded
from made.native_jpeg import MOST_OFF, coded, decode, judge, library, read_header, reference
from numpy.typing import NDArray
from pictures import SAMPLES
from PIL import Image

from imgsrv.imaging.codecs.native.interface import TRAILING_ALLOWED

MADE = 60

BROKEN_ONES = 1000


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


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_made_pictures_are_those_of_libjpeg_turbo(kind: str, *, progressive: bool) -> None:
    random = seeded(kind)
    for _ in range(MADE):
        check_against_turbo(any_jpeg(random, sampling=kind, progressive=progressive))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("eighths", [1, 2, 3, 4])
def test_samples_are_the_cosines_of_the_first_coefficients(kind: str, eighths: int, *, progressive: bool) -> None:
    random = seeded(kind)
    compared = 0
    for quality in (25, 50, 75):
        options: dict[str, Any] = {"quality": quality, "progressive": progressive, "low": 30, "high": 225}
        data = jpeg(random, sampling=kind, size=(128, 96), **options)
        compared += check_against_cosines(data, eighths)
    assert compared > 200


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (16, 16), (17, 33), (700, 9), (9, 700)])
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_every_size_has_the_planes_of_libjpeg_turbo(kind: str, size: tuple[int, int]) -> None:
    for progressive in (False, True):
        check_against_turbo(jpeg(seeded(1), sampling=kind, size=size, progressive=progressive))


def test_samples_beyond_the_blocks_repeat_the_edge() -> None:
    # 3/8 of 8 pixels are 3 samples, and with half as many of colour the plane of luma has 4.
    found = decode(jpeg(seeded(1), sampling="4:2:0", size=(8, 8)), 3)
    luma = found.planes[0]
    assert luma.shape == (4, 4)
    assert luma[:, 3].tolist() == luma[:, 2].tolist()
    assert luma[3].tolist() == luma[2].tolist()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("interval", [1, 2, 7, 16, 17, 200])
@pytest.mark.parametrize("kind", SAMPLINGS)
def test_restart_intervals_of_any_length(kind: str, interval: int, *, progressive: bool) -> None:
    options: dict[str, Any] = {"restart_marker_blocks": interval, "progressive": progressive}
    check_against_turbo(jpeg(seeded(2), sampling=kind, size=(300, 41), **options))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [1, 100])
def test_the_longest_and_the_shortest_codes(quality: int, *, progressive: bool) -> None:
    noise = seeded(3).randbytes(200 * 100 * 3)
    file = io.BytesIO()
    picture = Image.frombytes("RGB", (200, 100), noise)
    picture.save(file, "JPEG", quality=quality, subsampling=0, progressive=progressive)
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
    found, expected = decode(data + b"more", 1, flags=TRAILING_ALLOWED), decode(data, 1)
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


def scans_of(data: bytes) -> list[tuple[int, int, int]]:
    """The place, the first and the last coefficient of each scan."""
    found = []
    at = data.find(b"\xff\xda")
    while at >= 0:
        tail = at + 5 + 2 * data[at + 4]
        found.append((at, data[tail], data[tail + 1]))
        at = data.find(b"\xff\xda", at + 2)
    return found


def test_a_progressive_jpeg_that_is_cut_is_refused_wherever_it_is() -> None:
    data = jpeg(seeded(8), sampling="4:2:0", size=(120, 90), progressive=True)
    for end in (*(place for place, _, _ in scans_of(data)), *range(200, len(data), 97), len(data) - 2):
        for cut in (data[:end], data[:end] + b"\xff\xd9"):
            if end == len(data) - 2 and cut == data:
                continue
            for eighths in (2, 3, 4):
                assert decode(cut, eighths).reason != "done"
        assert decode(data[:end], 1).reason != "done"


def test_scans_that_a_size_does_not_need_are_not_read() -> None:
    data = jpeg(seeded(9), sampling="4:4:4", size=(120, 90), progressive=True)
    place, first, last = scans_of(data)[-1]
    assert (first, last) == (1, 63)
    broken = data[: place + 10] + b"\x55" * (len(data) - place - 12) + data[-2:]
    found, expected = decode(broken, 1), decode(data, 1)
    assert found.reason == "done"
    assert all((ours == theirs).all() for ours, theirs in zip(found.planes, expected.planes, strict=True))
    assert decode(broken, 2).reason != "done"


def test_a_progressive_jpeg_of_many_scans_is_refused() -> None:
    data = jpeg(seeded(10), sampling="4:2:0", size=(64, 48), progressive=True)
    assert len(scans_of(data)) == 10
    assert decode(data, 1, max_scans=10).reason == "done"
    assert decode(data, 1, max_scans=9).reason == "scans"


def test_components_in_scans_of_their_own() -> None:
    # Three grey pictures are the three scans of one in colours.
    parts = [jpeg(seeded(seed), sampling="grey", size=(61, 35)) for seed in (1, 2, 3)]
    frame = parts[0].index(b"\xff\xc0")
    head = parts[0][:frame]
    size = parts[0][frame + 4 : frame + 9]
    whole = b"\xff\xc0\0\x11" + size + b"\3\1\x11\0\2\x11\0\3\x11\0"
    tables = parts[0][frame + 13 : parts[0].index(b"\xff\xda")]
    data = head + whole + tables
    for number, part in enumerate(parts, 1):
        scan = part.index(b"\xff\xda")
        data += part[scan : scan + 5] + bytes([number]) + part[scan + 6 : -2]
    check_against_turbo(data + b"\xff\xd9")
    found = decode(data + b"\xff\xd9", 2)
    assert [plane.tolist() for plane in found.planes] == [decode(part, 2).planes[0].tolist() for part in parts]
    assert decode(data[: data.rindex(b"\xff\xda")] + b"\xff\xd9", 2).reason == "incomplete"


@pytest.mark.parametrize("seed", range(4))
def test_broken_jpegs_are_refused_or_give_what_libjpeg_turbo_gives(seed: int) -> None:
    random = seeded(seed)
    seeds = [any_jpeg(random, progressive=number % 2 == 0) for number in range(40)]
    verdicts = []
    for _ in range(BROKEN_ONES):
        data = near(random.choice(seeds), random.choice(seeds), random)
        verdicts.append(judge(data))
        assert not verdicts[-1].fault, data
    # Both kinds are there: the JPEGs are not only rubbish.
    assert sum(verdict.is_read_by_both for verdict in verdicts) > BROKEN_ONES / 10
    assert sum("done" not in verdict.reasons.values() for verdict in verdicts) > BROKEN_ONES / 10


def test_a_check_that_fires_is_a_refusal_in_every_thread() -> None:
    def fired(kind: int) -> str:
        return native_jpeg.reason(library().imgsrv_jpeg_fire(kind))

    data = jpeg(seeded(11), sampling="4:2:0", size=(64, 48))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(fired, [kind for kind in range(6) for _ in range(50)])) == {"fault"}
        assert {found.reason for found in pool.map(lambda _: decode(data, 2), range(50))} == {"done"}
