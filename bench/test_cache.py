"""What does a hit of the result cache cost: beside nginx, beside the same request computed, and while engines are busy?

nginx sends the same bytes from a file on the same cores; wrk asks both in turn.  The last question is asked one hit
after another with pauses, while wrk keeps both engines busy with pictures of 12 megapixels.  Its client is on the same
cores, so it gets real-time priority where it may: what counts is when the server answers, not when the client looks.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pace import Pace
from PIL import Image
from report import SAMPLES, Report
from servers.nginx import PROGRAM, as_root, running_nginx
from servers.ports import free_port, listens
from serving import Server, serving, wait_until
from wire import Wire, head

from imgsrv.loadtest.open_loop import percentile

URL = "/resize?width=400&quality=72&source=file:coffee.jpg"
"""A result of 20 KB."""

ROUNDS, ROUND_S = 7, 2.0
HITS, PAUSE_S = 1500, 0.004

pytestmark = pytest.mark.skipif(not (shutil.which("wrk") and PROGRAM), reason="needs wrk and nginx")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("pictures", "cache", "www"):
        (tmp_path / name).mkdir()
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path / "pictures")
    return tmp_path


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    flags = ("--workers", "2", "--no-access-log", f"--source-dir={place}/pictures", f"--cache-dir={place}/cache")
    with serving(*flags) as running:
        yield running


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """Nginx with the folder `www`; gives its port."""
    port = free_port()
    http = (
        "sendfile on; keepalive_requests 10000000; types { image/jpeg jpg; }\n"
        f"server {{ listen 127.0.0.1:{port} reuseport; root {folder}/www; }}"
    )
    # The file is in a folder that only the user of the bench may enter.
    with running_nginx(folder, http, lambda: listens(port), processes=2, before=as_root()):
        yield port


@contextlib.contextmanager
def first_of_all() -> Iterator[bool]:
    """Give this process real-time priority during the block; says whether its user may."""
    is_first = False
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        is_first = True
    try:
        yield is_first
    finally:
        if is_first:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def rate(url: str, seconds: float) -> float:
    """Requests a second that wrk gets answered over 16 connections."""
    command = ["wrk", "-t2", "-c16", f"-d{max(1, round(seconds))}s", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


@pytest.mark.timeout(240)
def test_hits_beside_nginx_and_beside_computing(server: Server, place: Path, report: Report, pace: Pace) -> None:
    with server.client() as client:
        result = client.get(URL).content
        wait_until(lambda: client.get(URL).headers["cache-status"] == "imgsrv; hit", "the result is kept")
    (place / "www/coffee.jpg").write_bytes(result)
    beside_nginx, beside_computing, hits = [], [], []
    flags = ("--workers", "2", "--no-access-log", f"--source-dir={place}/pictures")
    with nginx(place) as port, serving(*flags) as computing:
        for _ in range(pace.rounds(ROUNDS)):
            theirs = rate(f"http://127.0.0.1:{port}/coffee.jpg", pace.seconds(ROUND_S))
            ours = rate(f"{server.url}{URL}", pace.seconds(ROUND_S))
            computed = rate(f"{computing.url}{URL}", pace.seconds(ROUND_S))
            hits.append(ours)
            beside_nginx.append(ours / theirs)
            beside_computing.append(ours / computed)
    report.note(f"hits of {len(result) / 1000:.0f} KB", hits, "requests/s")
    report.judge_least("the same, beside nginx with the file", beside_nginx, "×", at_least=0.35)
    report.judge_least("the same, beside computing each", beside_computing, "×", at_least=8)


@pytest.mark.timeout(240)
def test_hits_while_both_engines_are_busy(server: Server, place: Path, report: Report, pace: Pace) -> None:
    photo = Image.open(SAMPLES / "coffee.jpg").resize((4000, 3000))
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=90)
    (place / "large.jpg").write_bytes(data.getvalue())
    (place / "post.lua").write_text(
        f'local file = io.open("{place}/large.jpg", "rb") wrk.method = "POST" wrk.body = file:read("*a")'
    )
    latencies_s: list[float] = []
    with server.client() as client, Wire(server) as one:
        wait_until(lambda: client.get(URL).headers["cache-status"] == "imgsrv; hit", "the result is kept")
        jobs = f"{server.url}/pipeline?ops=blur:sigma=8/resize:width=1000"
        command = ["wrk", "-t1", "-c6", "-d600s", "--timeout", "60s", "-s", str(place / "post.lua"), jobs]
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: "imgsrv_jobs_waiting 4" in client.get("/metrics").text, "both engines are busy")
            with first_of_all() as is_first:
                for _ in range(pace.rounds(HITS)):
                    time.sleep(PAUSE_S)
                    began_s = time.perf_counter()
                    one.send(head(URL, method="GET"))
                    assert one.answer().headers["cache-status"] == "imgsrv; hit"
                    latencies_s.append(time.perf_counter() - began_s)
        finally:
            load.kill()
            load.wait()
    latencies_ms = [1000 * each for each in latencies_s]
    report.note("hits while both engines are busy, median", latencies_ms, "ms")
    report.judge_most("the same, p99", [percentile(latencies_ms, 99)], "ms", at_most=5)
    report.note("in the same run: the client had real-time priority (1) or not (0)", [float(is_first)], "")
