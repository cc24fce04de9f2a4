"""How long does it take from the command to the first picture, and what does an idle worker cost?"""

from __future__ import annotations

import time

import psutil
import pytest
from pace import Pace
from report import Report
from serving import serving

WORKERS = "2"
STARTS = 7
PATH = "/resize?width=720&height=588&fit=fill"


@pytest.mark.timeout(120)
def test_from_the_command_to_the_first_picture(picture: bytes, report: Report, pace: Pace) -> None:
    ready_s, answered_s, idle_mb = [], [], []
    for _ in range(pace.rounds(STARTS)):
        began = time.monotonic()
        with serving("--workers", WORKERS, "--no-access-log") as server:
            ready_s.append(time.monotonic() - began)
            idle_mb.append(max(psutil.Process(pid).memory_full_info().pss for pid in server.workers()) / 1e6)
            with server.client() as client:
                assert client.post(PATH, content=picture).status_code == 200
            answered_s.append(time.monotonic() - began)
    report.note("from the command to ready, both workers tested with a picture", ready_s, "s")
    report.note("from the command to the first picture", answered_s, "s")
    report.judge_most("idle worker, proportional memory (PSS)", idle_mb, "MB", at_most=60)
