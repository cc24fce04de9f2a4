"""Does the server give what the cores can do, and what does an idle worker cost?"""

from __future__ import annotations

import statistics

import psutil
import pytest
from closed_loop import closed_loop
from looping import looped_rate
from report import Report, Row
from serving import Server, serving

PIPELINE = "resize:width=720,height=588,fit=fill"
PATH = "/resize?width=720&height=588&fit=fill"
WORKERS, CONNECTIONS = 2, 8
ROUNDS, SECONDS = 7, 3.0


@pytest.mark.timeout(300)
def test_two_workers_against_two_plain_processes(street: bytes, report: Report) -> None:
    rates, ratios, shares = [], [], []
    with serving("--workers", str(WORKERS), "--no-access-log") as server:
        closed_loop(server.port, PATH, street, CONNECTIONS, 1.0)
        for _ in range(ROUNDS):
            limit = looped_rate(street, PIPELINE, WORKERS, SECONDS)
            load = closed_loop(server.port, PATH, street, CONNECTIONS, SECONDS)
            assert not load.failures, load.failures[:3]
            rates.append(load.rate)
            ratios.append(load.rate / limit)
            shares.append(load.cpu_share)
    ratio = statistics.median(ratios)
    report.add(
        Row("HTTP, 2 workers, 8 connections, against 2 looped processes", ratio, (min(ratios), max(ratios)), "×",
            "at least 0.9", is_reached=ratio >= 0.9)
    )  # fmt: skip
    report.add(
        Row(
            "the same, pictures a second", statistics.median(rates), (min(rates), max(rates)), "/s", "", is_reached=True
        )
    )
    report.add(
        Row("the same, the load's own share of a core", statistics.median(shares), (min(shares), max(shares)), "cores",
            "at most 0.1", is_reached=statistics.median(shares) <= 0.1)
    )  # fmt: skip


def test_idle_workers_memory(report: Report) -> None:
    with serving("--workers", str(WORKERS)) as server:
        sizes = _pss_mb(server)
    report.add(
        Row("idle worker, proportional memory (PSS)", max(sizes), (min(sizes), max(sizes)), "MB", "at most 60",
            is_reached=max(sizes) <= 60)
    )  # fmt: skip


def _pss_mb(server: Server) -> list[float]:
    return [psutil.Process(pid).memory_full_info().pss / 1e6 for pid in server.workers()]
