"""A server whose codecs run apart: the front answers while they work, and their end costs one answer."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image
from serving import Server, serving, wait_until

MOST_WAIT_S = 0.5
"""Ten times the 50 ms that are aimed at, because tests run on busy machines.

A front that waits for the lock waits once, for seconds, between hundreds of short waits.  So the waits are weighed by
their length: half of the time of the job must have passed in waits that are no longer than this.
"""


def noise(side: int, form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(5).integers(0, 256, (side, side, 3), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def large() -> bytes:
    """10.2 megapixels of noise, which OpenJPEG takes seconds to read and to write."""
    return noise(3200, "JPEG2000")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("--workers", "1", "--job-timeout-s", "120", "--max-job-cost-s", "600") as made:
        yield made


def weighed_median(waits: list[float]) -> float:
    """The length at which the sum of all shorter waits reaches half of the sum of all."""
    passed = 0.0
    for wait in sorted(waits):
        passed += wait
        if passed >= sum(waits) / 2:
            return wait
    return 0.0


def helper_of(server: Server) -> psutil.Process:
    """The helper of the only worker, once it has one."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        found[:] = psutil.Process(server.workers()[0]).children()
        return found != []

    wait_until(is_there, "the worker has a helper")
    return found[0]


def start_job(server: Server, body: bytes, answers: list[httpx.Response]) -> threading.Thread:
    def ask() -> None:
        # A worker that is killed takes the connection with it.
        with contextlib.suppress(httpx.TransportError), server.client(120) as client:
            answers.append(client.post("/flip?format=jp2", content=body))

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def metric(server: Server, name: str) -> float:
    with server.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def small_works(server: Server) -> bool:
    with server.client() as client:
        return client.post("/flip?format=png", content=noise(16, "JPEG2000")).status_code == 200


def test_the_front_answers_while_a_large_picture_is_read_and_written(server: Server, large: bytes) -> None:
    answers: list[httpx.Response] = []
    waits: list[float] = []
    with server.client(60) as client:
        client.get("/healthz")
        job = start_job(server, large, answers)
        while job.is_alive():
            began = time.monotonic()
            assert client.get("/healthz").status_code == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.02)
        job.join()

    assert [answer.status_code for answer in answers] == [200]
    assert weighed_median(waits) < MOST_WAIT_S


def test_the_end_of_a_helper_costs_one_answer_and_no_worker(server: Server, large: bytes) -> None:
    assert small_works(server)
    workers, victim = server.workers(), helper_of(server)
    answers: list[httpx.Response] = []
    before = sum(victim.cpu_times()[:2])
    job = start_job(server, large, answers)
    wait_until(lambda: sum(victim.cpu_times()[:2]) > before + 0.05, "the helper works")

    os.kill(victim.pid, signal.SIGKILL)
    job.join()

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(500, "codec_lost")]
    assert small_works(server)
    assert server.workers() == workers
    assert metric(server, "imgsrv_codec_process_deaths_total") == 1
    wait_until(lambda: server.named("codec_process_died") != [], "the log tells of it")
    assert server.named("codec_process_died")[0]["reason"] == "SIGKILL"


def test_the_input_of_a_codec_that_died_goes_into_quarantine(large: bytes, tmp_path: Path) -> None:
    flags = ("--max-job-cost-s", "600", "--job-timeout-s", "120", "--crash-dir", str(tmp_path))
    with serving("--workers", "1", "--quarantine", str(tmp_path), *flags) as server:
        assert small_works(server)
        victim, answers = helper_of(server), list[httpx.Response]()
        before = sum(victim.cpu_times()[:2])
        job = start_job(server, large, answers)
        wait_until(lambda: sum(victim.cpu_times()[:2]) > before + 0.05, "the helper works")

        os.kill(victim.pid, signal.SIGKILL)
        job.join()
        assert small_works(server)

        wait_until(lambda: server.named("crash_report") != [], "the master reports it")
        report = server.named("crash_report")[0]
    assert (report["reason"], report["input_format"]) == ("codec: SIGKILL", "jp2")
    assert Path(report["quarantined"]).read_bytes() == large


def test_a_job_past_its_deadline_ends_its_helper_and_no_worker(large: bytes) -> None:
    with serving("--workers", "1", "--job-timeout-s", "1", "--max-job-cost-s", "600") as server:
        assert small_works(server)
        workers, answers = server.workers(), list[httpx.Response]()

        start_job(server, large, answers).join()

        assert [answer.status_code for answer in answers] == [504]
        wait_until(lambda: metric(server, "imgsrv_codec_process_deaths_total") == 1, "the helper is ended")
        assert small_works(server)
        assert server.workers() == workers


@pytest.mark.parametrize("ending", ["stop", "kill -9 of the worker", "kill -9 in a job", "reload"])
def test_no_helper_is_left_behind(server: Server, large: bytes, ending: str) -> None:
    assert small_works(server)
    worker, victim, answers = server.workers()[0], helper_of(server), list[httpx.Response]()
    before = sum(victim.cpu_times()[:2])
    job = None
    if ending == "kill -9 in a job":
        job = start_job(server, large, answers)
        wait_until(lambda: sum(victim.cpu_times()[:2]) > before + 0.05, "the helper works")

    if ending == "stop":
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    elif ending == "reload":
        server.signal(signal.SIGHUP)
    else:
        os.kill(worker, signal.SIGKILL)

    wait_until(lambda: not _lives(victim.pid), "the helper ends with its worker")
    if job is not None:
        job.join()
    if ending != "stop":
        wait_until(lambda: server.workers() not in ([], [worker]), "another worker serves")


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
