"""Three machines behind a real nginx and a real Envoy with the configurations of deploy/: no client notices a loss.

Unlike HAProxy both keep the body of a request, and send it to another machine when the first one dies with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import envoy, nginx
from servers.cluster import Cluster, Told, asking, cluster, wait_for_answers
from servers.machines import are_possible
from servers.ports import free_port, listens

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not are_possible(), reason="this user may not make network namespaces"),
    pytest.mark.timeout(300),
]

DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLE = (Path(__file__).parents[2] / "samples" / "coffee.jpg").read_bytes()
PATH = "/resize?width=160"
WORKERS = (1, 2, 1)
CLIENTS = 6
EACH_ASKED = 60


@contextlib.contextmanager
def behind_nginx(folder: Path, three: Cluster) -> Iterator[int]:
    port = free_port()
    text = (DEPLOY / "nginx-machines.conf").read_text(encoding="utf-8").replace("listen 80;", f"listen {port};")
    for index, each in enumerate(three.behind(), start=1):
        old = f"server 10.0.0.{index}:8000 "
        assert old in text
        text = text.replace(old, f"server {each.host}:{each.port} ")
    with nginx.running_nginx(folder, text, lambda: listens(port), before=f"{nginx.as_root()} {nginx.ALONE}"):
        yield port


@contextlib.contextmanager
def behind_envoy(folder: Path, three: Cluster) -> Iterator[int]:
    with envoy.running_envoy(folder, three.behind(), WORKERS) as port:
        yield port


BALANCERS = [
    pytest.param(
        behind_nginx, id="nginx", marks=pytest.mark.skipif(not nginx.PROGRAM, reason="nginx is not installed")
    ),
    pytest.param(
        behind_envoy, id="Envoy", marks=pytest.mark.skipif(not envoy.PROGRAM, reason="envoy is not installed")
    ),
]


@pytest.mark.parametrize("balancing", BALANCERS)
def test_neither_a_rolling_replacement_nor_a_dead_machine_costs_an_attempt(
    balancing: Callable[[Path, Cluster], contextlib.AbstractContextManager[int]], tmp_path: Path
) -> None:
    told = Told()
    with (
        cluster(WORKERS, "--shutdown-delay-s=2.5") as three,
        balancing(tmp_path, three) as port,
        asking(port, PATH, SAMPLE, CLIENTS, told),
    ):
        for index, workers in enumerate(WORKERS):
            wait_for_answers(told, EACH_ASKED)
            three.replace(index, workers)
        wait_for_answers(told, EACH_ASKED)
        three.servers[1].lose_power()
        wait_for_answers(told, EACH_ASKED)
    assert set(told.attempts) == {200}
