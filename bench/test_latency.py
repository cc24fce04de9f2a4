"""How close is latency under random arrivals to the latency of one ideal queue for all cores?

Pictures of seven sizes arrive as a Poisson process at 50, 70, 80 and 90 % of the measured capacity of the server.  The
ideal is a simulation of a first-in, first-out queue with the same arrivals.  Each request has the service time that the
server reported for it, and what a request for that picture takes beside its service on an idle server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from pace import Pace
from photo_load import overheads_s, photo_requests
from report import Report, Row
from serving import Server, serving
from single_queue import Replay

from imgsrv.loadtest.closed_loop import crowd, mixed
from imgsrv.loadtest.conversation import Request
from imgsrv.loadtest.open_loop import Storm, open_loop, percentile, planned, poisson_arrivals

PATH = "/resize?width=720&height=588&fit=fill"
WORKERS, SEED = 2, 20
LOADS = (0.5, 0.7, 0.8, 0.9)
JUDGED, WANTED = 0.8, 1.3
"""The load at which something is asked of the 99th percentile, and what."""

JUDGED_S, OTHER_S = 60, 15
"""How long the load lasts."""

LARGEST_BYTES = 2_000_000
"""The two photographs above it take 80 ms each; with them a minute has too few requests for a 99th percentile."""

PARTS = 5
"""The spread is that of the parts of the run, each judged by itself."""

DRAWS = 20
"""With separate queues much depends on which connection the kernel gives to which worker: the median of so many."""


@pytest.fixture
def photos() -> list[Request]:
    """Requests for all photographs of the corpus but the largest; skips where there are none."""
    return photo_requests(PATH, "*.*", LARGEST_BYTES)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all loads."""
    with serving("--workers", str(WORKERS), "--no-access-log") as serves:
        yield serves


@pytest.mark.timeout(240)
@pytest.mark.parametrize("load", LOADS, ids=lambda load: f"{load:.0%}")
def test_poisson_arrivals(server: Server, photos: list[Request], report: Report, pace: Pace, load: float) -> None:
    beside_s = overheads_s(server.port, photos, pace.seconds(0.5))
    with crowd(server.port, 8) as eight:
        capacity = eight.load(mixed(photos, SEED), pace.seconds(4), least=1).checked().rate
    seconds = pace.seconds(JUDGED_S if load == JUDGED else OTHER_S)
    arrivals = poisson_arrivals(load * capacity, seconds, SEED)
    storm = open_loop(server.port, planned(arrivals, mixed(photos, SEED)))
    assert not storm.faults, storm.faults[:3]
    assert not storm.refusals
    _add(report, storm, beside_s, load)


def _add(report: Report, storm: Storm, beside_s: dict[Request, float], load: float) -> None:
    outcomes = storm.outcomes
    replay = Replay(
        [outcome.plan.due_s for outcome in outcomes],
        [outcome.answer.worked_s for outcome in outcomes],
        [beside_s[outcome.plan.request] for outcome in outcomes],
        [outcome.connection for outcome in outcomes],
        WORKERS,
    )
    latencies_s, ideal_s = [outcome.latency_s for outcome in outcomes], replay.ideal()
    measured_ms, ideal_ms = _p99_ms(latencies_s), _p99_ms(ideal_s)
    report.record(
        "latency",
        load=load,
        p50_ms=1000 * percentile(latencies_s, 50),
        p99_ms=measured_ms.whole,
        p99_parts_ms=measured_ms.parts,
        ideal_p50_ms=1000 * percentile(ideal_s, 50),
        ideal_p99_ms=ideal_ms.whole,
        ideal_p99_parts_ms=ideal_ms.parts,
        load_cpu=storm.cpu_share,
    )
    if load == JUDGED:
        _judge(report, storm, replay, measured_ms, ideal_ms)


def _judge(report: Report, storm: Storm, replay: Replay, measured_ms: _P99, ideal_ms: _P99) -> None:
    ratios = [mine / best for mine, best in zip(measured_ms.parts, ideal_ms.parts, strict=True)]
    ratio = measured_ms.whole / ideal_ms.whole
    report.add(
        Row("random arrivals at 80 %, p99 of latency against one ideal queue", ratio, (min(ratios), max(ratios)), "×",
            f"at most {WANTED}", is_reached=ratio <= WANTED)
    )  # fmt: skip
    sticky = [_p99_ms(replay.separate(draw)).whole / ideal_ms.whole for draw in range(DRAWS)]
    report.note("the same with a queue for each worker, connections stay, simulated", sticky, "×")
    anew = [_p99_ms(replay.separate_anew(draw)).whole / ideal_ms.whole for draw in range(DRAWS)]
    report.note("the same with a queue for each worker, drawn for each request, simulated", anew, "×")
    late_ms = [(outcome.sent_s - outcome.plan.due_s) * 1000 for outcome in storm.outcomes]
    report.note("in the same run: how late the load sent a request", late_ms, "ms", percentile(late_ms, 99))
    report.note("in the same run: the load's own share of a core", [storm.cpu_share], "cores")


@dataclass(frozen=True)
class _P99:
    whole: float
    parts: list[float]


def _p99_ms(latencies_s: Sequence[float]) -> _P99:
    size = len(latencies_s)
    parts = [latencies_s[size * part // PARTS : size * (part + 1) // PARTS] for part in range(PARTS)]
    return _P99(percentile(latencies_s, 99) * 1000, [percentile(part, 99) * 1000 for part in parts])
