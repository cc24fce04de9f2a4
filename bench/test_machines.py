"""How close do three machines of 1, 2 and 1 engines behind HAProxy come to one queue for all four?

The machines are network namespaces of this one.  Each engine has a quota of SHARE cores, so that four of them, HAProxy
and the load fit on two cores.  Photographs arrive as a Poisson process at LOAD of the joint capacity.  The ideal is a
simulation of one first-in, first-out queue with the same arrivals and the service times that the servers reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

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
    pytest.mark.timeout(600),
]

WORKERS = (1, 2, 1)
SHARE = 0.4
LOAD, WANTED = 0.8, 1.3
SECONDS = 90
SEED = 20
PATH = "/resize?width=512"

REPLACED_UNDER = 10_000
"""Requests while all machines are replaced."""

SMALL = (Path(__file__).parents[1] / "samples" / "coffee.jpg").read_bytes()

LARGEST_BYTES = 900_000
"""With larger ones a minute would have too few requests for a 99th percentile."""

WAYS: dict[str, Mapping[str, str]] = {
    "fewest requests for each engine (deploy/haproxy.cfg)": {},
    "in turn, by engines": {"balance leastconn": "balance roundrobin"},
    "in turn, all alike": {"balance leastconn": "balance roundrobin", " agent-check": ""},
}


@pytest.fixture(scope="module")
def photos() -> list[Request]:
    """Requests for the smaller photographs of the corpus; skips where there are none."""
    return photo_requests(PATH, "*.jp*g", LARGEST_BYTES)


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    """The machines, with their quotas."""
    with ExitStack() as stack:
        made = stack.enter_context(cluster(WORKERS, "--no-access-log", "--trusted-proxies=198.18.0.0/15"))
        for server in made.servers:
            stack.enter_context(quotas.limited(server.workers(), SHARE))
        yield made


def test_random_arrivals(three: Cluster, photos: list[Request], tmp_path: Path, report: Report, pace: Pace) -> None:
    """One way of choosing after another, with the same arrivals."""
    ratios: dict[str, float] = {}
    rate = 0.0
    for number, (way, changes) in enumerate(WAYS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with haproxy.running_haproxy(folder, three.behind(), changes) as balancer:
            wait_until(lambda: _all_are_up(balancer), "HAProxy knows the machines", 60)
            beside_s = overheads_s(balancer.port, photos, pace.seconds(1))
            if not rate:
                with crowd(balancer.port, 12) as twelve:
                    rate = LOAD * twelve.load(mixed(photos, SEED), pace.seconds(10), least=1).checked().rate
            storm = open_loop(
                balancer.port,
                planned(poisson_arrivals(rate, pace.seconds(SECONDS), SEED), mixed(photos, SEED)),
            )
        ratios[way] = _ratio(storm, beside_s)
        report.note(f"machines behind HAProxy, {way}: refused", [float(len(storm.refusals))], "requests")
    best, *others = ratios.items()
    report.add(
        Row(f"three machines behind HAProxy at {LOAD:.0%}, {best[0]}: p99 against one queue", best[1],
            (best[1], best[1]), "×", f"at most {WANTED}", is_reached=best[1] <= WANTED)
    )  # fmt: skip
    for way, ratio in others:
        report.note(f"three machines behind HAProxy at {LOAD:.0%}, {way}: p99 against one queue", [ratio], "×")


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
    rows = balancer.rows()
    return all(rows[f"machine-{index}"]["status"].startswith(("UP", "no check")) for index in range(len(WORKERS)))


def _ratio(storm: Storm, beside_s: dict[Request, float]) -> float:
    """The 99th percentile of the pictures over that of one queue.  Those that were refused are not counted."""
    pictures = storm.pictures
    ideal = Replay(
        [outcome.plan.due_s for outcome in pictures],
        [outcome.answer.worked_s for outcome in pictures],
        [beside_s[outcome.plan.request] for outcome in pictures],
        [outcome.connection for outcome in pictures],
        sum(WORKERS),
    ).ideal()
    return percentile([outcome.latency_s for outcome in pictures], 99) / percentile(ideal, 99)
