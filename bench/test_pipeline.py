"""How much faster than plain Pillow is the whole pipeline in one process, and how similar is its result?"""

from __future__ import annotations

import io
import statistics
import time

import numpy as np
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report, Row

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.pixels.resample import resample
from imgsrv.imaging.process import process

SIZE = (720, 588)
PIPELINE = parse_pipeline("resize:width=720,height=588,fit=fill")
ROUNDS = 15


def plain_pillow(data: bytes) -> bytes:
    """The code of somebody who knows Pillow, but none of its faster ways."""
    with Image.open(io.BytesIO(data)) as image:
        result = io.BytesIO()
        image.resize(SIZE, Image.Resampling.LANCZOS).save(result, "JPEG", quality=80)
    return result.getvalue()


def test_street_to_720x588_against_plain_pillow(street: bytes, report: Report, benchmark: BenchmarkFixture) -> None:
    pillow_s: list[float] = []

    def pillow_first() -> None:
        # Before each round of ours, so that a change of the machine's speed meets both.
        began = time.perf_counter()
        plain_pillow(street)
        pillow_s.append(time.perf_counter() - began)

    def ours() -> bytes:
        return process(street, PIPELINE, Output(quality=80), Limits())

    benchmark.pedantic(ours, setup=pillow_first, rounds=ROUNDS, warmup_rounds=2)  # type: ignore[no-untyped-call]  # it ships no types
    assert benchmark.stats is not None
    ours_s = benchmark.stats.stats.data
    ratios = [mine / theirs for mine, theirs in zip(ours_s, pillow_s[-ROUNDS:], strict=True)]
    ratio = statistics.median(ratios)
    report.add(
        Row("6 MP JPEG → 720×588, time against plain Pillow", ratio, (min(ratios), max(ratios)), "×",
            "at most 0.25", is_reached=ratio <= 0.25)
    )  # fmt: skip


def test_street_to_720x588_looks_like_lanczos_from_full_resolution(street: bytes, report: Report) -> None:
    with Image.open(io.BytesIO(street)) as image:
        reference = np.asarray(image.resize(SIZE, Image.Resampling.LANCZOS), np.float64)
    with Image.open(io.BytesIO(process(street, PIPELINE, Output(format="png"), Limits()))) as result:
        error = np.asarray(result, np.float64) - reference
    psnr = float(10 * np.log10(255**2 / np.mean(error**2)))
    report.add(
        Row("in the same run: likeness to Lanczos from full resolution", psnr, (psnr, psnr), "dB",
            "at least 38", is_reached=psnr >= 38)
    )  # fmt: skip


def test_resampling_against_pillows_own(street: bytes, report: Report) -> None:
    with Image.open(io.BytesIO(street)) as image:
        frame = image.convert("RGB")
    ratios = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        frame.resize(SIZE, Image.Resampling.LANCZOS)
        between = time.perf_counter()
        resample(frame, SIZE)
        ratios.append((time.perf_counter() - between) / (between - began))
    ratio = statistics.median(ratios)
    report.add(
        Row("Lanczos alone, 6 MP → 720×588, time against Pillow", ratio, (min(ratios), max(ratios)), "×",
            "at most 0.2", is_reached=ratio <= 0.2)
    )  # fmt: skip
