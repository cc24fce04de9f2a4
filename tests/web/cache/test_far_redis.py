"""One Redis for the cache of several machines: far away, and between network namespaces."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pictures import encoded, sample
from prometheus_client.parser import text_string_to_metric_families
from servers.machines import Machine, are_possible, machines
from servers.redis_server import PROGRAM, RedisServer, redis_server
from servers.slow_line import slow_line
from serving import Server, serving, wait_until

pytest.importorskip("redis", reason="the extra redis is not installed")

DELAY_S = 0.05

URL = "/resize?width=200&source=file:photo.jpg"
SLOW = "/pipeline?ops=blur:sigma=40/blur:sigma=41/blur:sigma=42&source=file:large.jpg"


@dataclass(frozen=True)
class Far:
    """A server and where it is."""

    server: Server
    host: str = "127.0.0.1"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://{self.host}:{self.server.port}{path}", timeout=90)

    def count(self, name: str) -> float:
        families = text_string_to_metric_families(self.get("/metrics").text)
        return sum(one.value for family in families for one in family.samples if one.name == f"imgsrv_{name}_total")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(encoded(sample("coffee.jpg"), "JPEG"))
    (folder / "large.jpg").write_bytes(encoded(sample("coffee.jpg").resize((4000, 3000)), "JPEG"))
    return folder


def status(answer: httpx.Response) -> str:
    assert answer.status_code == 200
    return answer.headers["cache-status"]


# ---- a slow one ---------------------------------------------------------------------------------------


def test_a_redis_that_takes_50_ms_for_each_command_is_used(tmp_path: Path, pictures: Path) -> None:
    with redis_server(tmp_path) as redis, slow_line(redis.port, DELAY_S) as line, ExitStack() as running:
        url = f"redis://127.0.0.1:{line.port}/0"
        flags = ("--workers=1", f"--source-dir={pictures}", f"--cache-url={url}", "--cache-timeout-s=10")
        one, other = (Far(running.enter_context(serving(*flags))) for _ in range(2))
        first = one.get(URL)
        assert status(first).startswith("imgsrv; fwd=uri-miss")
        wait_until(lambda: one.count("cache_stored") == 1, "the result is kept")
        second = other.get(URL)
        assert (status(second), second.content) == ("imgsrv; hit", first.content)
        assert other.count("jobs_submitted") == 0


def test_a_redis_slower_than_the_limit_is_passed_over_until_it_is_fast(tmp_path: Path, pictures: Path) -> None:
    with redis_server(tmp_path) as redis, slow_line(redis.port, DELAY_S) as line:
        url = f"redis://127.0.0.1:{line.port}/0"
        with serving("--workers=1", f"--source-dir={pictures}", f"--cache-url={url}", "--cache-timeout-s=0.02") as made:
            server = Far(made)
            answers = [server.get(URL) for _ in range(5)]
            assert not any(status(answer).startswith("imgsrv; hit") for answer in answers)
            assert len({answer.content for answer in answers}) == 1
            assert server.count("jobs_submitted") == len(answers)
            assert len(made.named("cache_unusable")) == 1
            # It is asked again only now and then: a slow store does not cost each answer its limit.
            assert server.count("cache_faults") < 2 * len(answers)


# ---- three machines -----------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path: Path, pictures: Path) -> Iterator[list[Far]]:
    """Servers in network namespaces of their own, which share one Redis and nothing else."""
    with ExitStack() as stack:
        made: list[Machine] = stack.enter_context(machines(3))
        redis = RedisServer(tmp_path, *(machine.host for machine in made))
        redis.start()
        stack.callback(redis.stop)
        servers = []
        for machine in made:
            url = redis.url_at(machine.host)
            flags = ("--workers=1", "--host=0.0.0.0", f"--source-dir={pictures}", f"--cache-url={url}")
            program = [*machine.inside, sys.executable, "-m", "imgsrv"]
            server = stack.enter_context(serving(*flags, "--cache-timeout-s=10", program=program))
            servers.append(Far(server, machine.address))
        yield servers


needs_machines = pytest.mark.skipif(not (PROGRAM and are_possible()), reason="needs redis-server and namespaces")


@pytest.mark.slow
@needs_machines
def test_three_machines_compute_equal_requests_once(three: list[Far]) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: three[number % 3].get(SLOW), range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum(machine.count("jobs_submitted") for machine in three) == 1
    wait_until(lambda: sum(machine.count("cache_stored") for machine in three) == 1, "the result is kept")
    assert {status(machine.get(SLOW)) for machine in three} == {"imgsrv; hit"}


@pytest.mark.slow
@needs_machines
def test_a_machine_that_dies_while_it_computes_is_replaced_by_one_other(three: list[Far]) -> None:
    first, *others = three
    with ThreadPoolExecutor(7) as threads:
        lost = threads.submit(first.get, SLOW)
        wait_until(lambda: first.count("jobs_begun") == 1, "the first computes")
        waiting = [threads.submit(machine.get, SLOW) for machine in others for _ in range(3)]
        first.server.lose_power()
        assert isinstance(lost.exception(90), httpx.HTTPError)
        answers = [each.result(90) for each in waiting]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum(machine.count("jobs_submitted") for machine in others) == 1
