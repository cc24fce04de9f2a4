"""Does throughput grow with the number of workers, and what share of the cores' capacity does it reach?

The limit for each number of workers is the same pipeline, looped in as many plain processes without a server.  All
servers run all the time and get load in turn with the loops, so a change of the machine's speed affects all of them.
"""

from __future__ import annotations

import contextlib
import os
import time

import pytest
from looping import looped_rate
from pace import Pace
from report import Report
from serving import Server, serving
from usage import cpu_s, pss_mb

from imgsrv.loadtest.closed_loop import Slice, always, crowd
from imgsrv.loadtest.conversation import Request, posted
from imgsrv.loadtest.open_loop import percentile

PIPELINE = "resize:width=720,height=588,fit=fill"
PATH = "/resize?width=720&height=588&fit=fill"
CORES = len(os.sched_getaffinity(0))

ROUNDS, SECONDS = 5, 2.0

WANTED = 0.97
"""Of the limit, for every number of workers up to the cores."""

LOAD_SHARE = 0.1
"""Of a core, at most: the load takes its time from the same cores."""


def steps(cores: int) -> list[int]:
    """1, 2, 4 … up to the cores, and one step beyond."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power <= cores]
    return [*powers, *([] if powers[-1] == cores else [cores]), 2 * cores]


@pytest.mark.timeout(600)
def test_workers_against_as_many_looped_processes(picture: bytes, report: Report, pace: Pace) -> None:
    request = posted(PATH, picture)
    found: dict[int, _Found] = {workers: _Found() for workers in steps(CORES)}
    with contextlib.ExitStack() as stack:
        servers = {
            workers: stack.enter_context(serving("--workers", str(workers), "--no-access-log")) for workers in found
        }
        for workers, server in servers.items():
            _loaded(server, request, workers, 0.5)
        for number in range(pace.rounds(ROUNDS)):
            # Back and forth rather than round and round: a machine that slows down steadily favours none.
            for workers in found if number % 2 else reversed(found):
                found[workers].take(servers[workers], request, picture, workers, pace.seconds(SECONDS))
        for workers, server in servers.items():
            found[workers].pss_mb = pss_mb(server.pid)
    for workers, each in found.items():
        _add(report, workers, each, found[1])


class _Found:
    """The figures of the rounds with one number of workers."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.limits: list[float] = []
        self.cpu: list[float] = []
        self.load_cpu: list[float] = []
        self.latencies_ms: list[float] = []
        self.pss_mb = 0.0

    def take(self, server: Server, request: Request, picture: bytes, workers: int, seconds: float) -> None:
        """One round."""
        self.limits.append(looped_rate([picture], PIPELINE, workers, seconds))
        cpu, began = cpu_s(server.pid), time.monotonic()
        load = _loaded(server, request, workers, seconds)
        self.cpu.append((cpu_s(server.pid) - cpu) / (time.monotonic() - began))
        self.rates.append(load.rate)
        self.load_cpu.append(load.cpu_share)
        self.latencies_ms += [1000 * latency_s for latency_s in load.latencies_s]


def _loaded(server: Server, request: Request, workers: int, seconds: float) -> Slice:
    with crowd(server.port, max(8, 2 * workers)) as many:
        return many.load(always(request), seconds, least=1).checked()


def _add(report: Report, workers: int, found: _Found, alone: _Found) -> None:
    shares = [rate / limit for rate, limit in zip(found.rates, found.limits, strict=True)]
    report.record(
        "scaling",
        workers=workers,
        cores=CORES,
        rates=found.rates,
        limits=found.limits,
        shares=shares,
        speed_ups=[rate / one for rate, one in zip(found.rates, alone.rates, strict=True)],
        p50_ms=percentile(found.latencies_ms, 50),
        p99_ms=percentile(found.latencies_ms, 99),
        cpu=found.cpu,
        load_cpu=found.load_cpu,
        pss_mb=found.pss_mb,
    )
    plural = "s" if workers > 1 else ""
    question = f"{workers} worker{plural} against {workers} looped process{'es' if workers > 1 else ''}"
    if workers <= CORES:
        report.judge_least(question, shares, "×", at_least=WANTED)
        report.judge_most(
            "in the same run: the load's own share of a core", found.load_cpu, "cores", at_most=LOAD_SHARE
        )
    else:
        report.note(f"{question}, beyond the cores", shares, "×")
