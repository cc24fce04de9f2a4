"""What happens to requests when three times as many arrive as the server can handle?

Capacity is the rate of a closed loop on the same server with the same kind of client, the mean of before and after the
storm, so that a machine that becomes slower or faster meanwhile does not count.  There are two kinds of client: one
sends its body at once, and one asks first with `Expect: 100-continue`.  Both open a new connection when the server has
closed theirs with a refusal.  The load runs on the server's cores and takes more of them than before the storm: three
times as many requests, and bodies that are sent in vain.  Therefore a second figure is for each core that is left.
"""

from __future__ import annotations

import os
import statistics
from typing import NamedTuple

import pytest
from memory import Memory, memory_of, watched_memory
from pace import Pace
from report import Report
from serving import Server, serving

from imgsrv.loadtest.closed_loop import Slice, always, crowd
from imgsrv.loadtest.conversation import Request, posted
from imgsrv.loadtest.open_loop import Storm, open_loop, planned, poisson_arrivals

PATH = "/resize?width=720&height=588&fit=fill"
WORKERS, CONNECTIONS, SEED = 2, 8, 21
TIMES = 3.0
PARTS = 5

CLIENTS = {"asks first": True, "sends at once": False}

CORES = len(os.sched_getaffinity(0))

MAX_QUEUE = 256
"""The default."""

QUEUE_SLACK = 32
"""Bodies beside those in the queue: at work, kept for the next one, or received while the queue filled."""


class Found(NamedTuple):
    """The figures of one storm.

    full: before and after it, with as much as the server can do.  before: with one connection.  first: the request
    after it.
    """

    full: tuple[Slice, Slice]
    before: Slice
    storm: Storm
    first: Storm
    memory: list[Memory]
    memory_after: Memory


@pytest.mark.timeout(180)
@pytest.mark.parametrize("client", CLIENTS)
def test_three_times_the_capacity(street: bytes, report: Report, pace: Pace, client: str) -> None:
    picture = posted(PATH, street, asks_first=CLIENTS[client])
    # A short storm has to fill a shorter queue, else it is none.
    max_queue = pace.rounds(MAX_QUEUE, least=16)
    with serving("--workers", str(WORKERS), "--no-access-log", "--max-queue", str(max_queue)) as server:
        found = _weather(server, picture, pace.seconds(30))
    storm = found.storm
    assert not storm.faults, (len(storm.faults), storm.faults[:3])
    assert len(storm.pictures) + len(storm.refusals) == len(storm.outcomes)
    assert storm.refusals, "the server did it all: this was no storm"
    _add_rows(report, found, f"3× capacity, client {client}")
    _add_memory(report, found, (max_queue + QUEUE_SLACK) * len(street) / 1e6)


def _weather(server: Server, picture: Request, seconds: float) -> Found:
    choose = always(picture)
    full_before = _full(server, picture, seconds)
    with crowd(server.port, 1) as one:
        before = one.load(choose, max(1.0, seconds / 15), least=1).checked()
    plans = planned(poisson_arrivals(TIMES * full_before.rate, seconds, SEED), choose)
    with watched_memory(server) as memory:
        storm = open_loop(server.port, plans)
    first = open_loop(server.port, planned([0.0], choose))
    after = memory_of(server)
    return Found((full_before, _full(server, picture, seconds)), before, storm, first, memory, after)


def _full(server: Server, picture: Request, seconds: float) -> Slice:
    with crowd(server.port, CONNECTIONS) as many:
        return many.load(always(picture), max(1.0, seconds / 5), least=1).checked()


def _add_rows(report: Report, found: Found, question: str) -> None:
    storm = found.storm
    capacity = statistics.fmean(each.rate for each in found.full)
    done = [_done(storm, part / PARTS, (part + 1) / PARTS) / capacity for part in range(PARTS)]
    goodput = statistics.fmean(done)
    goodput_of = f"{question}: goodput against capacity, fifths of the storm"
    report.judge_least(goodput_of, done, "×", goodput, at_least=0.95)
    report.note("in the same run: capacity after it against before", [found.full[1].rate / found.full[0].rate], "×")
    left, left_at_full = CORES - storm.cpu_share, CORES - statistics.fmean(each.cpu_share for each in found.full)
    report.note("the same for each core that the load left to the server", [goodput * left_at_full / left], "×")
    refused_ms = [outcome.latency_s * 1000 for outcome in storm.refusals]
    report.judge_most("in the same run: latency of a refusal", refused_ms, "ms", at_most=50)
    first_s, unloaded_s = found.first.outcomes[0].latency_s, statistics.median(found.before.latencies_s)
    report.judge_most(
        "in the same run: first request after it against unloaded ones", [first_s / unloaded_s], "×", at_most=2
    )
    late_ms = [(outcome.sent_s - outcome.plan.due_s) * 1000 for outcome in storm.outcomes]
    report.note("in the same run: how late the load sent a request", late_ms, "ms")
    report.note("in the same run: the load's own share of a core", [storm.cpu_share], "cores")


def _done(storm: Storm, begin: float, end: float) -> float:
    """Pictures a second that were done in a part of the storm."""
    from_s, until_s = begin * storm.seconds, end * storm.seconds
    return sum(from_s < outcome.done_s <= until_s for outcome in storm.pictures) / (until_s - from_s)


def _add_memory(report: Report, found: Found, queue_mb: float) -> None:
    """Rows on memory above that before the storm.  queue_mb: what a full queue takes."""
    before = found.memory[0]
    files = [each.files - before.files for each in found.memory]
    report.judge_most(
        "in the same run: memory of bodies and results at most", [max(files)], "MB", at_most=round(queue_mb)
    )
    half = len(found.memory) // 2
    early, late = found.memory[:half], found.memory[half:]
    grown = max(each.workers for each in late) - max(each.workers for each in early)
    report.judge_most("in the same run: growth of the workers in its second half (PSS)", [grown], "MB", at_most=10)
    left = [found.memory_after.workers - before.workers]
    report.note("in the same run: workers after it above before (PSS)", left, "MB")
