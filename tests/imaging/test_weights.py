"""The weights of the cost model: their file, and how they are measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from imgsrv.errors import BadArgument
from imgsrv.imaging import operations
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.memory.kept import Kept
from imgsrv.imaging.model.weights import EFFORTS, FILE, Encoder, Weights, blended, use_weights, weights
from imgsrv.reference.weighing import RUNS, Weighing, _ns, as_text


@pytest.fixture
def put_back() -> Iterator[None]:
    """The usual weights after the test."""
    yield
    use_weights(FILE)


def test_the_file_is_written_as_the_bench_writes_it() -> None:
    assert as_text(json.loads(FILE.read_text())) == FILE.read_text()


@pytest.mark.slow
def test_a_measurement_has_everything_that_the_file_has(tmp_path: Path, put_back: None) -> None:  # noqa: ARG001  a fixture
    """On pictures of a size at which no figure means anything."""
    tiny = Weighing((1200, 1200), (16, 16), (16, 16))

    found = {
        "decoders": {name: tiny._decoder(form) for name, form in WRITTEN.items() if name in ("png", "jpeg")},
        "operations": {name: tiny._operation(operations.OPERATIONS[name]) for name in ("flip", "watermark", "lut")},
        "encoders": {name: tiny._encoder(WRITTEN[name]) for name in ("jpeg", "gif")},
        "palette": tiny._palette(),
        "likeness": tiny._likeness(),
        "part_byte": tiny._part_byte(),
    }
    file = tmp_path / "weights.json"
    file.write_text(as_text(found))
    use_weights(file)

    assert weights().operation("flip", has_alpha=False) > 0
    assert weights().encoder("gif").makes_palette
    assert len(weights().encoder("jpeg").lossy) == len(EFFORTS)


@pytest.mark.parametrize(
    "text",
    [pytest.param("", id="empty"), pytest.param("[]", id="a-list"), pytest.param('{"decoders": {}}', id="incomplete")],
)
def test_a_file_without_weights_is_refused_and_the_old_ones_stay(tmp_path: Path, text: str) -> None:
    file, before = tmp_path / "weights.json", weights()
    file.write_text(text)

    with pytest.raises(BadArgument, match="imgsrv bench --weights"):
        use_weights(file)

    assert weights() is before


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0])
def test_a_weight_that_is_no_time_is_refused(tmp_path: Path, number: float) -> None:
    numbers = json.loads(FILE.read_text())
    numbers["operations"]["flip"] = [1.0, number]
    (file := tmp_path / "weights.json").write_text(json.dumps(numbers))

    with pytest.raises(BadArgument, match="is no time"):
        use_weights(file)


def test_a_wrong_number_of_efforts_is_refused(tmp_path: Path) -> None:
    numbers = json.loads(FILE.read_text())
    numbers["encoders"]["png"]["lossy"].pop()
    (file := tmp_path / "weights.json").write_text(json.dumps(numbers))

    with pytest.raises(BadArgument, match=f"one for each of {len(EFFORTS)} efforts"):
        use_weights(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="FileNotFoundError"):
        use_weights(tmp_path / "weights.json")


def test_an_unmeasured_operation_is_not_free() -> None:
    empty = Weights({}, {}, {}, (1, 1), 1, 1)

    assert empty.operation("new", has_alpha=True) > 10
    assert empty.decoder("new", 0) > 10
    assert empty.encoder("new").ns(0, effort=9, is_lossless=True, is_best=True, is_progressive=True) > 10


@pytest.mark.parametrize(("detail", "expected"), [(0, 40), (0.5, 70), (1, 100)])
def test_a_smooth_picture_counts_as_a_part_of_noise(detail: float, expected: float) -> None:
    assert blended((10, 100), detail) == pytest.approx(expected)


def test_a_codec_that_takes_longest_for_smooth_pictures_counts_that() -> None:
    assert blended((100, 10), 0) == blended((100, 10), 1) == 100


def test_between_two_efforts_the_time_grows_by_factors() -> None:
    encoder = Encoder(tuple((time, time) for time in (1, 10, 10, 10, 10, 80)))
    times = [
        encoder.ns(0, effort=effort, is_lossless=False, is_best=False, is_progressive=False) for effort in (6, 7, 8, 9)
    ]

    assert times == pytest.approx([10, 20, 40, 80])


def test_what_is_kept_of_the_run_before_is_not_weighed() -> None:
    kept: Kept[str, int] = Kept(1 << 20, lambda _key, _value: 1)
    made = count()
    _ns(lambda: kept.of("picture", lambda: next(made)), 1)
    assert next(made) == RUNS
