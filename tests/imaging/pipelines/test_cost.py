"""The estimate of a job: dear jobs are refused with their figures, ordinary ones pass."""

from __future__ import annotations

import json
import math
import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded, picture
from PIL import Image

from imgsrv.errors import JobTooDear, JobTooLarge, TooManyFrames
from imgsrv.imaging import operations
from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.header_check import Checked, check_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS, KNOWN, WRITTEN
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.model.weights import FILE, use_weights, weights
from imgsrv.imaging.operations.overlay.text import LETTER_PIXELS, LINE_PIXELS
from imgsrv.imaging.pipelines.cost import (
    BUSY,
    DEEP_COLOURS_NS,
    TONE_MAP_NS,
    Estimate,
    estimate,
    estimate_measures,
)
from imgsrv.imaging.pipelines.cost import _estimate as estimate_of_parts
from imgsrv.imaging.pipelines.cost import glanced as of_check
from imgsrv.imaging.pipelines.facts import DETAIL_STEP, Facts, facts_of
from imgsrv.imaging.pipelines.pipeline import make_step, parse_pipeline
from imgsrv.imaging.process import process
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.batch import process_batch
from imgsrv.jobs.variants import Variant
from imgsrv.reference.examples import example_of
from imgsrv.settings import SETTINGS

HUNDRED_MEGAPIXELS = (10_000, 10_000)
NINE_MEGAPIXELS = (3000, 3000)
DEFAULTS = Limits(
    max_job_cost_s=SETTINGS["max_job_cost_s"].default,
    max_job_memory=SETTINGS["max_job_memory"].default,
)
ENLARGED = "resize:width=10000,height=10000,fit=fill,enlarge=true"
LETTERS = f"text:text={'W' * 1000},size=1000,outline=50"
EVERYWHERE = ";".join(["0;0;10000;10000"] * 100)
SMALL = encoded(picture("RG/BY"))
BROWSER: Offers = (("avif", 1.0), ("webp", 1.0), ("jpeg", 0.5))


def glanced(name: str, size: Size, frames: int, file_bytes: int) -> Facts:
    """The facts that a header check finds."""
    return of_check(Checked(name, size, frames), file_bytes)


def estimated(name: str, size: Size, file_bytes: int, ops: str, frames: int = 1, **output: Any) -> Estimate:
    """The estimate for one result."""
    facts = glanced(name, size, frames, file_bytes)
    return estimate(facts, [(Output(**output), parse_pipeline(ops))], DEFAULTS, BROWSER)


ATTACKS = [
    pytest.param(("png", (1, 1), 70, f"{ENLARGED}/morphology:kind=open,radius=50"), {}, "morphology", id="morphology"),
    pytest.param(
        ("png", HUNDRED_MEGAPIXELS, 99_000, "morphology:kind=erode,radius=50"), {}, "morphology", id="one-large-disk"
    ),
    pytest.param(("png", (1, 1), 70, "/".join([ENLARGED, *[LETTERS] * 31])), {}, "text (×31)", id="letters"),
    pytest.param(
        ("png", HUNDRED_MEGAPIXELS, 99_000, f"redact:mode=blur,boxes={EVERYWHERE}"), {}, "redact", id="many-boxes"
    ),
    pytest.param(
        ("jpeg", HUNDRED_MEGAPIXELS, 900_000, "median:radius=50/median:radius=50"), {}, "median (×2)", id="median"
    ),
    pytest.param(("jpeg", (5000, 5000), 33_000_000, ""), {"format": "gif"}, "encode", id="palette-of-a-gif"),
    pytest.param(
        ("jpeg", (5000, 5000), 33_000_000, ""), {"format": "png", "colours": 256}, "encode", id="palette-of-a-png"
    ),
    pytest.param(
        ("jpeg", (5000, 5000), 25_000_000, ""), {"format": "webp", "target": 0.95}, "encode", id="many-qualities"
    ),
    pytest.param(
        ("png", NINE_MEGAPIXELS, 9000, ""), {"format": "avif", "effort": 9}, "encode", id="most-effort"
    ),
    pytest.param(("gif", (600, 600), 90_000, "median:radius=3", 250), {"format": "webp"}, "median", id="frames"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "output", "dearest"), ATTACKS)
def test_a_dear_job_is_refused_with_the_seconds_of_its_parts(
    asked: tuple[Any, ...], output: dict[str, Any], dearest: str
) -> None:
    found = estimated(*asked, **output)

    with pytest.raises(JobTooDear) as refused:
        found.check(DEFAULTS)

    text = str(refused.value)
    assert f"{dearest} takes most" in text
    assert "(decode " in text
    assert f"about {found.seconds:.1f} s of an engine" in text
    assert "may take 15 s (--max-job-cost-s)" in text
    assert math.isclose(sum(seconds for _name, seconds in refused.value.parts), found.seconds, abs_tol=0.01)


@pytest.mark.parametrize(
    ("ops", "output", "is_deep"),
    [
        ("motionblur:length=20", {}, True),
        ("motionblur:length=20", {"format": "tiff"}, True),
        ("motionblur:length=20", {"format": "jpeg"}, False),
        ("motionblur:length=20", {"colours": 16}, False),
        ("motionblur:length=20/clahe", {}, False),
    ],
)
def test_frames_of_16_bits_count_twice_where_the_job_keeps_them(
    ops: str, output: dict[str, Any], *, is_deep: bool
) -> None:
    # At its largest in the middle, so that neither the decoder nor the encoder takes most.
    results = [(Output(**output), parse_pipeline(f"resize:width=3000,enlarge=true/{ops}/resize:width=9"))]
    shallow, deep = (
        estimate(of_check(Checked("png", (300, 300), bit_depth=bits), 9000), results, DEFAULTS) for bits in (8, 16)
    )
    assert deep.memory == pytest.approx(shallow.memory * (2 if is_deep else 1))
    assert (dict(deep.parts)["motionblur"] > 2 * dict(shallow.parts)["motionblur"]) is is_deep


@pytest.mark.parametrize(("mode", "bits"), [("I;16", 16), ("L", 8), ("RGB", 8), ("1", 1)])
def test_a_header_check_tells_the_bits_of_a_png(mode: str, bits: int, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(Image.new(mode, (90, 70))))
    with path.open("rb") as file:
        checked = check_header(file.fileno(), 0, path.stat().st_size, DEFAULTS)
    assert checked.bit_depth == bits


ORDINARY = [
    pytest.param(("jpeg", (11_547, 8_660), 40_000_000, "resize:width=800"), {}, 1.0, id="100-megapixels-resized"),
    pytest.param(("png", HUNDRED_MEGAPIXELS, 60_000_000, "resize:width=800"), {}, 10.0, id="a-large-png"),
    pytest.param(("jpeg", (6000, 4000), 6_000_000, ""), {"format": "avif"}, 10.0, id="a-photograph-as-avif"),
    pytest.param(("jpeg", (6000, 4000), 6_000_000, "denoise/sharpen"), {"format": "webp"}, 10.0, id="sharpened"),
    pytest.param(("jpeg", (800, 600), 100_000, "resize:width=300"), {"format": "auto"}, 0.1, id="a-small-one"),
    pytest.param(("jpeg", (1600, 1200), 600_000, ""), {"format": "webp", "target": 0.95}, 10.0, id="a-search"),
    pytest.param(("webp", (2000, 1500), 400_000, "text:text=Hello,outline=3"), {}, 1.0, id="letters"),
    pytest.param(("gif", (320, 240), 2_000_000, "resize:width=160", 60), {}, 5.0, id="an-animation"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "output", "most_s"), ORDINARY)
def test_an_ordinary_job_passes(asked: tuple[Any, ...], output: dict[str, Any], most_s: float) -> None:
    found = estimated(*asked, **output)

    found.check(DEFAULTS)

    assert found.seconds < most_s


@pytest.mark.parametrize(
    "ops",
    [
        "crop:width=200,gravity=face",
        "resize:width=200,height=200,fit=cover,gravity=face",
        "smartcrop:width=200,height=200,faces=true",
        "redact:faces=true",
    ],
)
def test_looking_for_faces_costs_its_time_in_a_small_picture_too(ops: str) -> None:
    name, *_arguments = ops.split(":")
    parts = dict(estimated("bmp", (300, 300), 270_000, ops).parts)
    assert 0.013 < parts[name] < 0.08


def test_a_crop_whose_place_is_given_looks_for_nothing() -> None:
    def work(ops: str) -> float:
        return dict(estimated("bmp", (300, 300), 270_000, ops).parts)["crop"]

    plain = work("crop:width=200,height=200,left=9,top=9")
    assert work("crop:width=200,height=200,left=9,top=9,gravity=face") == plain
    assert work("crop:width=200,height=200,left=0,top=0,gravity=smart") == plain
    assert work("crop:width=200,height=200,left=9,gravity=face") > 10 * plain


def test_faces_to_redact_are_looked_for_in_every_frame_and_in_parts_of_a_large_picture() -> None:
    def work(size: Size, frames: int = 1) -> float:
        return dict(estimated("gif", size, 270_000, "redact:faces=true", frames).parts)["redact"]

    assert work((300, 300), 20) == pytest.approx(20 * work((300, 300)))
    assert work((600, 600)) > 9 * work((300, 300))


@pytest.mark.parametrize("outline", [0, 50])
def test_letters_beyond_the_edges_are_only_shaped(outline: int) -> None:
    def work(size: Size, letters: int) -> float:
        step = parse_pipeline(f"text:text={'W' * letters},size=200,outline={outline}").steps[0]
        return step.operation.work(size, size, step.arguments)

    assert work((400, 400), 1000) - work((400, 400), 500) <= 500 * (LETTER_PIXELS + LINE_PIXELS)
    assert work((4000, 4000), 1000) > 5 * work((400, 400), 1000)


def test_the_box_around_lines_counts_where_most_are_short() -> None:
    def work(text: str) -> float:
        step = make_step("text", [("text", text), ("size", "10")])
        return step.operation.work((5000, 5000), (5000, 5000), step.arguments)

    # The layer is as wide as the longest line and as high as all of them.
    assert work("W" * 500 + "\n" * 498 + "i") > 3 * 4000 * 5000
    assert work("W" * 500) < 3 * 4000 * 5000


def test_the_size_after_one_step_is_what_the_next_one_works_on() -> None:
    large = estimated("jpeg", (4000, 4000), 1_000_000, "median:radius=9/resize:width=100")
    small = estimated("jpeg", (4000, 4000), 1_000_000, "resize:width=100/median:radius=9")

    assert dict(large.parts)["median"] == pytest.approx(1600 * dict(small.parts)["median"])


def test_a_step_that_cannot_be_done_ends_the_estimate() -> None:
    found = estimated("png", (10, 10), 90, "crop:width=20/median:radius=50")

    assert [name for name, _seconds in found.parts] == ["decode"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"effort": 9}, id="effort"),
        pytest.param({"target": 0.9}, id="target"),
        pytest.param({"max_bytes": 1000}, id="max-bytes"),
        pytest.param({"lossless": True, "effort": 9}, id="lossless"),
    ],
)
def test_a_costlier_encoding_counts_more(more: dict[str, Any]) -> None:
    plain = estimated("jpeg", (800, 600), 90_000, "", format="webp")

    assert estimated("jpeg", (800, 600), 90_000, "", format="webp", **more).seconds > 1.5 * plain.seconds


def test_every_frame_counts_and_those_that_the_result_cannot_hold_do_not() -> None:
    animated = estimated("gif", (200, 200), 90_000, "median", 50, format="webp")
    still = estimated("gif", (200, 200), 90_000, "median", 50, format="jpeg")

    assert dict(animated.parts)["median"] == pytest.approx(50 * dict(still.parts)["median"])


def test_a_late_frame_costs_the_time_of_those_before_it_and_the_memory_of_three() -> None:
    first, late = (
        estimate(
            replace(glanced("gif", (400, 400), 1, 1000), before=before),
            [(Output(format="png", frame=before), parse_pipeline(""))],
            DEFAULTS,
        )
        for before in (0, 99)
    )

    assert dict(late.parts)["decode"] == pytest.approx(100 * dict(first.parts)["decode"])
    assert (late.largest, late.memory) == ("decode", 3 * 160_000 * FORMATS["gif"].decode_bytes_per_pixel)


def test_the_most_of_a_job_s_memory_is_that_of_one_part() -> None:
    found = estimated("jp2", HUNDRED_MEGAPIXELS, 9_000_000, "flip", format="jpeg")

    with pytest.raises(JobTooLarge) as refused:
        found.check(replace(DEFAULTS, max_job_cost_s=math.inf, max_job_memory=3e9))

    assert refused.value.needed == 100_000_000 * FORMATS["jp2"].decode_bytes_per_pixel
    assert str(refused.value).startswith("the job would need about 3400 MB of memory for decode and may need 3000 MB")


@pytest.mark.parametrize(
    ("chunk", "icc", "nanoseconds"),
    [
        pytest.param(b"cICP\x09\x10\0\1", "srgb", TONE_MAP_NS, id="high-dynamic-range"),
        pytest.param(b"cICP\x09\x10\0\1", "keep", None, id="high-dynamic-range-that-is-kept"),
        pytest.param(b"gAMA\0\1\x86\xa0", "srgb", DEEP_COLOURS_NS, id="linear-light"),
        pytest.param(b"gAMA\0\0\xb1\x8f", "srgb", None, id="srgb"),
    ],
)
def test_converting_the_colours_of_16_bits_has_its_time(chunk: bytes, icc: Any, nanoseconds: float | None) -> None:
    data = encoded(Image.fromarray(np.zeros((30, 40), np.uint16)))
    told = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = data[:33] + told + data[33:]
    facts = facts_of(read_header(data, DEFAULTS), len(data), DEFAULTS, data)

    found = estimate(facts, [(Output(icc=icc), parse_pipeline("flip"))], DEFAULTS)

    expected = None if nanoseconds is None else pytest.approx(BUSY * 1200 * nanoseconds * 1e-9)
    assert dict(found.parts).get("colours") == expected


def test_a_further_part_is_read_again_for_each_step() -> None:
    pipeline = parse_pipeline("/".join(["watermark"] * 8))
    logo = Facts(FORMATS["png"], HUNDRED_MEGAPIXELS, 1, 99_000)
    alone = estimate(glanced("png", (9, 9), 1, 90), [(Output(), pipeline)], DEFAULTS)
    marked = estimate(Facts(FORMATS["png"], (9, 9), 1, 90, {"watermark": logo}), [(Output(), pipeline)], DEFAULTS)

    assert alone.seconds < 0.1
    assert marked.seconds == pytest.approx(alone.seconds + 8 * dict(estimated("png", *_of(logo), "").parts)["decode"])


def test_the_memory_of_a_further_part_is_counted_with_its_step() -> None:
    pipeline = parse_pipeline("watermark")
    logo = Facts(FORMATS["png"], HUNDRED_MEGAPIXELS, 1, 99_000)
    alone = estimate(glanced("png", (9, 9), 1, 90), [(Output(), pipeline)], DEFAULTS)
    marked = estimate(Facts(FORMATS["png"], (9, 9), 1, 90, {"watermark": logo}), [(Output(), pipeline)], DEFAULTS)

    assert alone.memory < 100_000
    assert marked.largest == "watermark"
    # Its pixels beside what its decoder needs.
    assert marked.memory >= 100_000_000 * (FORMATS["png"].decode_bytes_per_pixel + 4)


@pytest.mark.skipif("svg" not in FORMATS, reason="no SVG")
def test_a_drawing_counts_with_memory_beside_its_pixels() -> None:
    drawing = Facts(FORMATS["svg"], (10, 10), 1, 200)

    assert estimate(drawing, [(Output(format="png"), parse_pipeline(""))], DEFAULTS).memory > 100 << 20


def _of(facts: Facts) -> tuple[Size, int]:
    return facts.size, facts.file_bytes


def test_an_engine_refuses_before_it_decodes() -> None:
    limits = Limits(max_job_cost_s=10)

    with pytest.raises(JobTooDear):
        process(SMALL, parse_pipeline(f"{ENLARGED}/morphology:kind=open,radius=50"), Output(), limits)


@pytest.mark.parametrize("file_bytes", [1, 1000, 20_456, 400_000, 3_000_001, 90_000_000])
def test_an_estimate_is_that_of_a_file_with_no_less_detail_and_hardly_more(file_bytes: int) -> None:
    facts = glanced("jpeg", (1000, 750), 1, file_bytes)

    assert facts.detail <= facts.rounded.detail + 1e-9
    assert facts.rounded.detail < facts.detail + DETAIL_STEP + 1e-3
    assert facts.rounded.rounded.detail == pytest.approx(facts.rounded.detail, abs=DETAIL_STEP)


def test_other_weights_give_another_estimate(tmp_path: Path) -> None:
    facts, results = glanced("jpeg", (1000, 750), 1, 300_000), [(Output(), parse_pipeline("resize:width=100"))]
    before = estimate(facts, results, DEFAULTS)
    twice = json.loads(FILE.read_text())
    twice["decoders"]["jpeg"] = [2 * time for time in twice["decoders"]["jpeg"]]
    (tmp_path / "weights.json").write_text(json.dumps(twice))

    use_weights(tmp_path / "weights.json")
    try:
        after = estimate(facts, results, DEFAULTS)
    finally:
        use_weights(FILE)

    assert dict(after.parts)["decode"] == pytest.approx(2 * dict(before.parts)["decode"])


def test_a_jpeg_that_the_own_decoder_reads_costs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoding(ops: str, **output: Any) -> float:
        return dict(estimated("jpeg", (4000, 3000), 2_000_000, ops, **output).parts)["decode"]

    for ops, share in (("resize:width=500", 0.5), ("resize:width=2000", 0.7)):
        monkeypatch.setattr("imgsrv.imaging.codecs.native.jpeg.IS_HERE", False)
        estimate_of_parts.cache_clear()
        usual = decoding(ops)
        monkeypatch.setattr("imgsrv.imaging.codecs.native.jpeg.IS_HERE", True)
        estimate_of_parts.cache_clear()
        assert decoding(ops) == pytest.approx(share * usual)
        # These ways go through RGB.
        assert decoding(ops, format="png") == pytest.approx(usual)
        assert decoding(f"{ops}/grayscale") == pytest.approx(usual)
    estimate_of_parts.cache_clear()
    assert decoding("resize:width=3000") > usual


def test_a_batch_is_the_sum_of_its_results() -> None:
    """One of the results would pass, and sixteen do not."""
    one = Variant("one", parse_pipeline("resize:width=3000,enlarge=true/median:radius=9"), Output(format="jpeg"))
    many = [replace(one, name=f"result{number}") for number in range(16)]
    limits = Limits(max_job_cost_s=5)

    estimate(glanced("png", (2, 2), 1, 90), [(one.output, one.pipeline)], limits).check(limits)
    with pytest.raises(JobTooDear, match=r"median \(×16\)"):
        process_batch(ARCHIVES["zip"](), SMALL, many, limits)


def test_frames_that_the_result_does_not_show_are_no_reason_to_refuse() -> None:
    frames = [picture("RG/BY").resize((8, 8)).rotate(90 * number) for number in range(5)]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    limits = Limits(max_frames=3, max_job_cost_s=10)

    assert process(file, parse_pipeline("flip"), Output(format="jpeg"), limits).startswith(b"\xff\xd8")
    with pytest.raises(TooManyFrames):
        process(file, parse_pipeline("flip"), Output(format="gif"), limits)


def test_the_library_refuses_nothing_by_default() -> None:
    assert Limits().max_job_cost_s == Limits().max_job_memory == math.inf


def test_a_description_of_the_header_costs_next_to_nothing() -> None:
    facts = glanced("jpeg", HUNDRED_MEGAPIXELS, 1, 20_000_000)

    header, small, full = (
        estimate_measures(facts, is_full=is_full, is_measured=is_measured).seconds
        for is_full, is_measured in ((False, False), (False, True), (True, True))
    )

    assert header < 0.01 < small < full


@pytest.mark.parametrize("name", operations.OPERATIONS)
def test_every_operation_has_a_weight(name: str) -> None:
    """Its work is above nothing, so that no operation is free."""
    operation = operations.OPERATIONS[name]
    step = parse_pipeline(example_of(operation).pipeline).steps[0]
    size = (2000, 2000)

    assert name in weights().operations
    assert operation.work(size, step.result_size(size), step.arguments) > 0


@pytest.mark.parametrize("name", KNOWN)
def test_every_format_has_a_weight(name: str) -> None:
    assert name in weights().decoders
    assert name in weights().encoders or name not in WRITTEN


def test_an_estimate_takes_little_time() -> None:
    """Twenty times of what it takes, which is some 60 µs."""
    facts = glanced("jpeg", (4000, 3000), 1, 3_000_000)
    results = [(Output(format="webp"), parse_pipeline("resize:width=800/sharpen"))]
    estimate(facts, results, DEFAULTS)

    began = time.process_time()
    for _ in range(100):
        estimate(facts, results, DEFAULTS)

    assert (time.process_time() - began) / 100 < 0.0012
