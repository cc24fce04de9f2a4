"""How close do three machines of 1, 2 and 1 engines behind HAProxy come to one queue for all four?

The machines are network namespaces of this one.  Each engine has a quota of SHARE cores, so that four of them, HAProxy
and the load fit on two cores.  Photographs arrive as a Poisson process at LOAD of the joint capacity.  They are
compared with a fourth machine with all engines on one queue, behind the same HAProxy, with the same arrivals in turn: a
quota stops a front too, for some milliseconds at a time, and a simulation knows nothing of that.  The simulation of one
first-in, first-out queue with the service times that the servers reported stands beside each.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import quotas
from pace import Pace
from photo_load import overheads_s, photo_requests
from report import Report, Row
from servers import haproxy, machines
from servers.cluster import Cluster, Told, asking, cluster, wait_for_answers
from serving import wait_until
from single_queue import Replay

from imgsrv.loadtest.closed_loop import crowd, mixed
from imgsrv.loadtest.conversation import Request
from imgsrv.loadtest.open_loop import Storm, open_loop, percentile, planned, poisson_arrivals

pytestmark = [
    pytest.mark.skipif(not haproxy.PROGRAM, reason="haproxy is not installed"),
    pytest.mark.skipif(not machines.are_possible(), reason="this user may not make network namespaces"),
    pytest.mark.skipif(not quotas.are_possible(), reason="this user may not limit the cores of a process"),
    pytest.mark.timeout(1_800),
]

WORKERS = (1, 2, 1)
SHARE = 0.3
LOAD, WANTED = 0.8, 1.3
SECONDS, ROUNDS = 90, 5
SEED = 20
PATH = "/resize?width=512"

REPLACED_UNDER = 10_000
"""Requests while all machines are replaced."""

SMALL = (Path(__file__).parents[1] / "samples" / "coffee.jpg").read_bytes()

LARGEST_BYTES = 900_000
"""With larger ones a minute would have too few requests for a 99th percentile."""

BEST = "fewest requests for each engine (deploy/haproxy.cfg)"

OTHERS: dict[str, Mapping[str, str]] = {
    "in turn, by engines": {"balance leastconn": "balance roundrobin"},
    "in turn, all alike": {"balance leastconn": "balance roundrobin", " agent-check": ""},
}
"""The changes of HAProxy's configuration, each text by another."""


@pytest.fixture(scope="module")
def photos() -> list[Request]:
    """Requests for the smaller photographs of the corpus; skips where there are none."""
    return photo_requests(PATH, "*.jp*g", LARGEST_BYTES)


@contextmanager
def bounded(workers: Sequence[int]) -> Iterator[Cluster]:
    """Machines with so many engines each, which have their quotas."""
    with ExitStack() as stack:
        made = stack.enter_context(cluster(workers, "--no-access-log", "--trusted-proxies=198.18.0.0/15"))
        for server in made.servers:
            stack.enter_context(quotas.limited(server.workers(), SHARE))
        yield made


class Measured(NamedTuple):
    """A run of arrivals.  p99_s: of the pictures.  ideal_s: that of one queue in theory.  refused: requests."""

    p99_s: float
    ideal_s: float
    refused: int


def test_random_arrivals(photos: list[Request], tmp_path: Path, report: Report, pace: Pace) -> None:
    """Both by the best way in turn, then the other ways, always with the same arrivals."""
    with bounded(WORKERS) as three, bounded((sum(WORKERS),)) as one:
        rate = _rate(three, photos, tmp_path, pace)

        def measure(machines: Cluster, changes: Mapping[str, str]) -> Measured:
            with haproxy.running_haproxy(tmp_path, machines.behind(), changes) as balancer:
                wait_until(lambda: _all_are_up(balancer), "HAProxy knows the machines", 60)
                beside_s = overheads_s(balancer.port, photos, pace.seconds(1))
                arrivals = poisson_arrivals(rate, pace.seconds(SECONDS), SEED)
                return _measured(open_loop(balancer.port, planned(arrivals, mixed(photos, SEED))), beside_s)

        pairs = [(measure(three, {}), measure(one, {})) for _ in range(ROUNDS)]
        others = {way: measure(three, changes) for way, changes in OTHERS.items()}
    usual_s = statistics.median(single.p99_s for _, single in pairs)
    at = f"machines behind HAProxy at {LOAD:.0%}"
    report.judge_most(
        f"three {at}, {BEST}: p99 against one machine",
        [several.p99_s / single.p99_s for several, single in pairs],
        "×",
        at_most=WANTED,
    )
    report.note("the same against one queue in theory", [several.p99_s / several.ideal_s for several, _ in pairs], "×")
    report.note("one machine against one queue in theory", [single.p99_s / single.ideal_s for _, single in pairs], "×")
    report.note(
        "refused by three or by one", [float(several.refused + single.refused) for several, single in pairs], "requests"
    )
    for way, other in others.items():
        report.note(f"three {at}, {way}: p99 against one machine", [other.p99_s / usual_s], "×")
        report.note(f"three {at}, {way}: refused", [float(other.refused)], "requests")


def _rate(three: Cluster, photos: list[Request], folder: Path, pace: Pace) -> float:
    """LOAD of what the machines make together, in requests per second."""
    with haproxy.running_haproxy(folder, three.behind()) as balancer, crowd(balancer.port, 12) as twelve:
        wait_until(lambda: _all_are_up(balancer), "HAProxy knows the machines", 60)
        return LOAD * twelve.load(mixed(photos, SEED), pace.seconds(10), least=1).checked().rate


def test_rolling_replacement(tmp_path: Path, report: Report, pace: Pace) -> None:
    """Replace each machine in turn under load.  Clients ask again after anything but 200, and every attempt counts."""
    told, each = Told(), round(pace.seconds(REPLACED_UNDER / (len(WORKERS) + 1)))
    with (
        cluster(WORKERS, "--no-access-log", "--shutdown-delay-s=2.5") as made,
        haproxy.running_haproxy(tmp_path, made.behind()) as balancer,
    ):
        wait_until(lambda: _all_are_up(balancer), "HAProxy knows the machines", 60)
        with asking(balancer.port, "/resize?width=160", SMALL, 6, told):
            for index, workers in enumerate(WORKERS):
                wait_for_answers(told, each)
                made.replace(index, workers)
                wait_until(lambda: _all_are_up(balancer), "HAProxy sends it requests again", 60)
            wait_for_answers(told, each)
    lost = sum(told.attempts.values()) - told.attempts[200]
    report.add(
        Row(f"three machines replaced one after another, {told.attempts.total()} requests: lost", float(lost),
            (float(lost), float(lost)), "requests", "0", is_reached=not lost)
    )  # fmt: skip


def _all_are_up(balancer: haproxy.HAProxy) -> bool:
    rows = [row for name, row in balancer.rows().items() if name.startswith("machine-")]
    return bool(rows) and all(row["status"].startswith(("UP", "no check")) for row in rows)


def _measured(storm: Storm, beside_s: dict[Request, float]) -> Measured:
    """Those that were refused are not among the pictures."""
    pictures = storm.pictures
    ideal = Replay(
        [outcome.plan.due_s for outcome in pictures],
        [outcome.answer.worked_s for outcome in pictures],
        [beside_s[outcome.plan.request] for outcome in pictures],
        [outcome.connection for outcome in pictures],
        sum(WORKERS),
    ).ideal()
    p99_s = percentile([outcome.latency_s for outcome in pictures], 99)
    return Measured(p99_s, percentile(ideal, 99), len(storm.refusals))
