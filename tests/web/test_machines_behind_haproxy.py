"""Three machines of 1, 2 and 1 workers behind a real HAProxy with deploy/haproxy.cfg: which losses a client notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.cluster import BROKEN, Cluster, Told, asking, cluster, wait_for_answers
from servers.haproxy import PROGRAM, HAProxy, running_haproxy
from servers.machines import are_possible
from serving import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="haproxy is not installed"),
    pytest.mark.skipif(not are_possible(), reason="this user may not make network namespaces"),
    pytest.mark.timeout(300),
]

WORKERS = (1, 2, 1)
CLIENTS = 6
SAMPLE = (Path(__file__).parents[2] / "samples" / "coffee.jpg").read_bytes()
PATH = "/resize?width=160"

EACH_ASKED = 60
"""Requests that are answered between two events."""


@pytest.fixture
def three() -> Iterator[Cluster]:
    with cluster(WORKERS, "--shutdown-delay-s=2.5") as made:
        yield made


@pytest.fixture
def balancer(three: Cluster, tmp_path: Path) -> Iterator[HAProxy]:
    with running_haproxy(tmp_path, three.behind()) as running:
        wait_until(lambda: weights(running) == ["4", "8", "4"], "HAProxy knows the engines of each", 60)
        yield running


def weights(balancer: HAProxy) -> list[str]:
    rows = balancer.rows()
    return [rows[f"machine-{index}"]["weight"] for index in range(len(WORKERS))]


def states(balancer: HAProxy) -> list[str]:
    rows = balancer.rows()
    return [rows[f"machine-{index}"]["status"].split()[0] for index in range(len(WORKERS))]


def test_a_rolling_replacement_of_all_machines_loses_no_request(three: Cluster, balancer: HAProxy) -> None:
    told = Told()
    with asking(balancer.port, PATH, SAMPLE, CLIENTS, told):
        for index, workers in enumerate(WORKERS):
            wait_for_answers(told, EACH_ASKED)
            three.replace(index, workers)
            wait_until(lambda: states(balancer) == ["UP"] * 3, "HAProxy sends it requests again", 60)
            wait_until(lambda: weights(balancer) == ["4", "8", "4"], "HAProxy knows its engines again", 60)
        wait_for_answers(told, EACH_ASKED)
    assert set(told.attempts) == {200}


def test_a_machine_that_is_killed_costs_only_the_requests_that_it_held(three: Cluster, balancer: HAProxy) -> None:
    told = Told()
    with asking(balancer.port, PATH, SAMPLE, CLIENTS, told):
        wait_for_answers(told, EACH_ASKED)
        three.servers[1].lose_power()
        wait_until(lambda: states(balancer) == ["UP", "DOWN", "UP"], "HAProxy knows that it is dead", 60)
        wait_for_answers(told, EACH_ASKED)
    assert set(told.answers) == {200}
    assert sum(told.attempts.values()) - told.attempts[200] <= CLIENTS, told.attempts


def test_a_machine_that_is_cut_off_is_left_out_and_comes_back(three: Cluster, balancer: HAProxy) -> None:
    told = Told()
    with asking(balancer.port, PATH, SAMPLE, CLIENTS, told):
        wait_for_answers(told, EACH_ASKED)
        three.cable(1, "down")
        wait_until(lambda: states(balancer) == ["UP", "DOWN", "UP"], "HAProxy knows that it is cut off", 60)
        wait_for_answers(told, EACH_ASKED)
        three.cable(1, "up")
        wait_until(lambda: states(balancer) == ["UP"] * 3, "HAProxy sends it requests again", 60)
        wait_for_answers(told, EACH_ASKED)
    assert set(told.answers) == {200}
    assert set(told.attempts) <= {200, BROKEN, 502, 503, 504}
    # HAProxy ends the requests of the machine when it is marked down, and each client has one open at most.
    assert sum(told.attempts.values()) - told.attempts[200] <= CLIENTS, told.attempts
