"""imgsrv's own JPEG decoder as the fast path uses it: tried before it is used, and left out where it is not fit."""

from __future__ import annotations

import io
import mmap
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.small_planes import small_planes
from pictures import encoded, opened, run, sample

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs import turbojpeg
from imgsrv.imaging.codecs.native import jpeg as native_jpeg
from imgsrv.imaging.codecs.native.trial import TRIALS
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.turbojpeg import Planes
from imgsrv.imaging.jpeg_fast_path import NATIVE, RGB, TURBO, can_decode
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.process import Report, process, process_into
from imgsrv.observe.fields import JPEG_REFUSALS, JPEG_WAYS

SIZE, SMALLER = (451, 300), "resize:width=100"

HEADER = Path(__file__).parents[3] / "native" / "imgsrv_jpeg.h"

FOREIGN = {"header", "unknown"}
"""Refusals of the metric that are no reasons of the library."""

needs_decoder = pytest.mark.skipif(not native_jpeg.IS_HERE, reason=native_jpeg.WHY_MISSING)
needs_turbo = pytest.mark.skipif(not turbojpeg.IS_HERE, reason=turbojpeg.WHY_MISSING)


def photograph(**options: Any) -> bytes:
    return encoded(sample("chelsea.png", "RGB").resize(SIZE), "JPEG", **{"quality": 92, **options})


def report_of(data: bytes, pipeline: str = SMALLER, **output: Any) -> Report:
    return process_into(io.BytesIO(), data, parse_pipeline(pipeline), Output(**output), Limits())


# ---- what it decodes ----------------------------------------------------------------------------------


@needs_decoder
@pytest.mark.parametrize("eighths", range(1, 5))
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_the_planes_have_the_shapes_of_turbojpeg(subsampling: int, eighths: int) -> None:
    data = photograph(subsampling=subsampling)
    found = native_jpeg.decode(data, SIZE, Fraction(eighths, 8))
    alike = turbojpeg.decode(data, SIZE, Fraction(eighths, 8))
    assert isinstance(found, Planes)
    if alike is not None:
        assert found.subsampling == alike.subsampling
        shapes = [[plane.shape for plane in (one.luma, *one.colours)] for one in (found, alike)]
        assert shapes[0] == shapes[1]


@needs_decoder
def test_it_takes_the_way_of_its_own_decoder() -> None:
    report = report_of(photograph())
    assert (report.way, report.refusal) == (NATIVE, "")


@needs_decoder
@needs_turbo
def test_a_picture_that_is_hardly_reduced_is_left_to_turbojpeg() -> None:
    report = report_of(photograph(), "resize:width=300")
    assert (report.way, report.refusal) == (TURBO, "")


@needs_decoder
def test_bytes_behind_the_picture_do_not_matter() -> None:
    data = photograph()
    assert run(data + b"a video" * 1000, SMALLER) == run(data, SMALLER)
    assert report_of(data + b"a video" * 1000).way == NATIVE


@pytest.mark.parametrize(
    ("data", "pipeline", "output"),
    [
        pytest.param(photograph(), "sharpen", {}, id="another-operation"),
        pytest.param(photograph(), SMALLER, {"format": "webp"}, id="another-format"),
        pytest.param(encoded(sample("chelsea.png", "L"), "JPEG"), SMALLER, {}, id="grey"),
    ],
)
def test_other_requests_go_through_rgb(data: bytes, pipeline: str, output: dict[str, Any]) -> None:
    report = report_of(data, pipeline, **output)
    assert (report.way, report.refusal) == (RGB, "")


def test_other_formats_have_no_way() -> None:
    assert report_of(encoded(sample("chelsea.png"))).way == ""


# ---- what it refuses ----------------------------------------------------------------------------------


@needs_decoder
@needs_turbo
def test_what_it_refuses_goes_to_turbojpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_jpeg, "decode", lambda *_: "restart")
    report = report_of(photograph())
    assert (report.way, report.refusal) == (TURBO, "restart")


@needs_decoder
def test_what_both_refuse_goes_through_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_jpeg, "decode", lambda *_: "restart")
    monkeypatch.setattr(turbojpeg, "decode", lambda *_: None)
    report = report_of(photograph())
    assert (report.way, report.refusal) == (RGB, "restart")


@needs_decoder
def test_a_jpeg_with_rgb_components_is_refused() -> None:
    assert native_jpeg.decode(photograph(keep_rgb=True), SIZE, Fraction(1, 4)) == "colours"


@needs_decoder
def test_a_file_that_is_cut_off_is_refused() -> None:
    data = photograph()
    assert isinstance(native_jpeg.decode(data[: len(data) // 2], SIZE, Fraction(1, 4)), str)
    with pytest.raises(Undecodable):
        run(data[: len(data) // 2], SMALLER)


@needs_decoder
def test_a_size_other_than_the_headers_is_refused() -> None:
    assert native_jpeg.decode(photograph(), (450, 300), Fraction(1, 4)) in {"header", "size"}


@needs_decoder
def test_a_mapping_can_be_closed_after_a_refusal_or_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise MemoryError

    data = photograph()
    for decoded in (data, data[:-1]):
        with mmap.mmap(-1, len(decoded)) as mapping, monkeypatch.context() as patch:
            mapping.write(decoded)
            if decoded is data:
                patch.setattr(native_jpeg, "Buffers", no_room)
                with pytest.raises(MemoryError) as raised:
                    process(mapping, parse_pipeline(SMALLER), Output(), Limits())
                assert raised.value.__traceback__ is not None
            else:
                assert isinstance(native_jpeg.decode(mapping, SIZE, Fraction(1, 4)), str)


def test_the_metric_knows_every_reason_of_the_library() -> None:
    names = re.findall(
        r"^  IMGSRV_JPEG_(\w+) = \d+,? *(?:/\*.*)?$", HEADER.read_text().split("Flags of")[0], re.MULTILINE
    )
    assert set(names) - {"DONE"} == {name.upper() for name in JPEG_REFUSALS if name not in FOREIGN}
    assert {NATIVE, TURBO, RGB} == set(JPEG_WAYS)


# ---- whether it is used at all ------------------------------------------------------------------------


@needs_turbo
@pytest.mark.parametrize("name", TRIALS)
def test_the_planes_of_the_self_test_are_those_of_a_transform_in_floating_point(name: str) -> None:
    trial = TRIALS[name]
    assert opened(trial.data).size == trial.size
    for eighths, expected in trial.planes.items():
        planes = np.concatenate([plane.ravel() for plane in small_planes(trial.data, eighths)])
        assert np.array_equal(np.rint(planes), np.frombuffer(expected, np.uint8))


@needs_decoder
def test_a_library_that_decodes_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = TRIALS["baseline"]
    off = {eighths: bytes(min(255, level + 2) for level in levels) for eighths, levels in trial.planes.items()}
    monkeypatch.setitem(TRIALS, "baseline", replace(trial, planes=off))
    library, processor, reason = native_jpeg._found()
    assert (library, processor) == (None, "")
    assert reason.endswith("fails its self-test: the baseline picture is decoded wrongly at 1/8")


@needs_decoder
def test_a_library_that_refuses_the_self_test_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = TRIALS["baseline"]
    monkeypatch.setitem(TRIALS, "baseline", replace(trial, data=trial.data[:-20]))
    assert "the baseline picture is refused at 1/8 as " in native_jpeg._found()[2]


@needs_decoder
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        pytest.param("ABI", 0, "of the interface; this imgsrv needs 0", id="another-interface"),
        pytest.param("SIGNATURES", {"imgsrv_no_such": ()}, "has no imgsrv_no_such", id="no-such-function"),
        pytest.param("PROCESSORS", {}, "this processor is none of those that it is made for", id="no-such-processor"),
    ],
)
def test_a_library_that_does_not_fit_is_not_used(
    name: str, value: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_jpeg, name, value)
    library, _processor, why = native_jpeg._found()
    assert library is None
    assert reason in why


def test_a_missing_library_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_jpeg, "FOLDER", tmp_path)
    assert native_jpeg._found() == (None, "", "imgsrv was installed without it; pip install --verbose says why")


def test_a_file_that_is_no_library_has_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "imgsrv_jpeg-generic.so").write_text("no library")
    monkeypatch.setattr(native_jpeg, "FOLDER", tmp_path)
    assert native_jpeg._found()[2].startswith("imgsrv_jpeg-generic.so cannot be loaded: ")


@needs_decoder
def test_the_best_library_for_the_processor_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (file,) = native_jpeg.FOLDER.glob(f"{native_jpeg.PREFIX}{native_jpeg.PROCESSOR}.so")
    for name in ("best", "good"):
        shutil.copy(file, tmp_path / f"{native_jpeg.PREFIX}{name}.so")
    monkeypatch.setattr(native_jpeg, "FOLDER", tmp_path)
    flags = {"best": frozenset({"no such flag"}), "good": frozenset[str]()}
    monkeypatch.setattr(native_jpeg, "PROCESSORS", flags)
    assert native_jpeg._found()[1:] == ("good", "")


def test_without_the_library_nothing_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_jpeg, "IS_HERE", False)
    monkeypatch.setattr(native_jpeg, "_library", None)
    assert report_of(photograph()).way == (TURBO if turbojpeg.IS_HERE else RGB)
    assert can_decode(Fraction(1, 4)) is turbojpeg.IS_HERE
    with pytest.raises(RuntimeError):
        native_jpeg.decode(photograph(), SIZE, Fraction(1, 4))


# ---- writing without TurboJPEG ------------------------------------------------------------------------


@needs_decoder
@needs_turbo
@pytest.mark.parametrize("pipeline", ["resize:width=100", "resize:width=101,height=67,fit=fill", "resize:width=1"])
@pytest.mark.parametrize("effort", [0, 9])
def test_pillow_writes_the_planes_as_turbojpeg_does(
    pipeline: str, effort: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = photograph()
    alike = run(data, pipeline, effort=effort)
    monkeypatch.setattr(turbojpeg, "IS_HERE", False)
    assert report_of(data, pipeline).way == NATIVE
    got = run(data, pipeline, effort=effort)
    assert opened(got).tobytes() == opened(alike).tobytes()
    assert len(got) == len(alike)


@needs_decoder
def test_without_turbojpeg_a_picture_that_is_hardly_reduced_goes_through_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turbojpeg, "IS_HERE", False)
    report = report_of(photograph(), "resize:width=300")
    assert (report.way, report.refusal) == (RGB, "")
