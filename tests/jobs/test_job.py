"""A job: what a front writes for an engine, and what the engine answers, over real files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import psutil
import pytest
from PIL import Image

from imgsrv.errors import Undecodable
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.jobs.facts import plan_facts
from imgsrv.jobs.job import MAPPED_BYTES, DescribeJob, Input, ProcessJob, perform, read_answer, read_job


@pytest.fixture
def body() -> Iterator[int]:
    file = os.memfd_create("body")
    yield file
    os.close(file)


def _drawn(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(file, "PNG")
    return file.getvalue()


def test_a_job_reads_as_it_was_written() -> None:
    pipeline, output = parse_pipeline("resize:width=8/flip"), Output(format="webp", quality=40)
    job = ProcessJob(Input(3, 70, {"logo": (80, 5)}), pipeline, output, "a1b2", (("webp", 0.5),))

    assert read_job(job.to_bytes()) == job


@pytest.mark.parametrize("size", [MAPPED_BYTES - 1, MAPPED_BYTES])
def test_a_body_is_read_up_to_its_end_whether_it_is_copied_or_mapped(size: int, body: int) -> None:
    picture = _drawn(20, 10)
    os.pwrite(body, picture.ljust(size, b"\0") + b"--behind--", 0)

    message, result = perform(body, ProcessJob(Input(0, size), parse_pipeline("flip"), Output()).to_bytes(), Limits())

    assert b"error" not in message
    with Image.open(io.BytesIO(result)) as made:
        assert made.size == (20, 10)


def test_a_job_of_description_reads_as_it_was_written() -> None:
    job = DescribeJob(Input(0, 70), ("average", "gps"), "a1b2")

    assert read_job(job.to_bytes()) == job


def test_a_picture_in_the_middle_of_a_body_is_found(body: int) -> None:
    picture = _drawn(20, 10)
    os.pwrite(body, b"--before--" + picture + b"--behind--", 0)

    job = ProcessJob(Input(10, len(picture)), parse_pipeline("resize:width=4"), Output())

    message, result = perform(body, job.to_bytes(), Limits())

    with Image.open(io.BytesIO(result)) as made:
        assert made.size == (4, 2)
    report = read_answer(job, message)
    assert (report.format, report.size, report.pixels) == ("png", (4, 2), 200)


def test_the_error_of_a_broken_picture_is_the_same_on_the_other_side(body: int) -> None:
    truncated = _drawn(20, 10)[:-30]
    os.pwrite(body, truncated, 0)

    job = ProcessJob(Input(0, len(truncated)), Pipeline(), Output())

    message, result = perform(body, job.to_bytes(), Limits())

    assert not result
    with pytest.raises(Undecodable, match="the PNG picture cannot be decoded"):
        read_answer(job, message)


def test_the_memory_of_a_large_picture_is_handed_back(body: int) -> None:
    picture = _drawn(5000, 5000)
    os.pwrite(body, picture, 0)
    before = psutil.Process().memory_info().rss

    job = ProcessJob(Input(0, len(picture)), parse_pipeline("blur:sigma=2"), Output())

    _message, result = perform(body, job.to_bytes(), Limits())

    assert result
    result.release()
    assert psutil.Process().memory_info().rss - before < 50e6


def test_a_log_gets_the_request_the_pipeline_and_the_time_of_each_stage_of_a_job(body: int) -> None:
    picture = _drawn(20, 10)
    os.pwrite(body, picture, 0)
    job = ProcessJob(Input(0, len(picture)), parse_pipeline("resize:width=4/flip"), Output(quality=40), "a1b2")
    plan = job.to_bytes()

    facts = plan_facts(plan, perform(body, plan, Limits())[0])

    assert {name: facts[name] for name in ("request_id", "pipeline", "output", "input_bytes")} == {
        "request_id": "a1b2",
        "pipeline": "resize:width=4/flip",
        "output": {"quality": 40},
        "input_bytes": len(picture),
    }
    assert all(facts[f"{stage}_ms"] >= 0 for stage in ("decode", "operations", "encode"))


def test_a_log_gets_the_text_of_a_plan_that_cannot_be_read() -> None:
    assert plan_facts(b"\xff{") == {"plan": "\ufffd{"}
    assert plan_facts(b"{}") == {"plan": "{}"}


def test_a_log_names_a_description_info() -> None:
    assert plan_facts(DescribeJob(Input(0, 7), (), "a1b2").to_bytes())["pipeline"] == "info"
