"""One limit over several machines, which are network namespaces here, with one Redis between them."""

from __future__ import annotations

import http.client
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import cycle, islice

import pytest
from servers.machines import Machine, are_possible, machines
from servers.redis_server import PROGRAM, RedisServer
from serving import Server, serving

from imgsrv.web.access.keys import make_key
from imgsrv.web.access.rates import parse_limit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="redis-server is not installed"),
    pytest.mark.skipif(not are_possible(), reason="this user may not make network namespaces"),
]

DAILY, DAILYS = make_key("daily", parse_limit("100/day"), None, None, operator=False)
SECOND, SECONDS = make_key("second", parse_limit("100/day"), None, None, operator=False)
MINUTELY, MINUTELYS = make_key("minutely", parse_limit("100/minute"), None, None, operator=False)

Place = tuple[str, int]


def asked(places: list[Place], token: str) -> list[int]:
    """The statuses of requests to these places, one after another, on a connection each."""
    statuses = []
    for host, port in places:
        with closing(http.client.HTTPConnection(host, port, timeout=20)) as connection:
            connection.request("GET", "/operations", headers={"Authorization": f"Bearer {token}"})
            statuses.append(connection.getresponse().status)
    return statuses


def asked_at_once(places: list[Place], token: str, count: int) -> Counter[int]:
    """The statuses of so many requests in turn to these places, by eight clients at once."""
    with ThreadPoolExecutor(8) as pool:
        given = [list(islice(cycle(places), client, client + count // 8)) for client in range(8)]
        return Counter(status for found in pool.map(asked, given, [token] * 8) for status in found)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Server, Machine]]]:
    """Three servers with two workers each, on machines of their own, with the same keys and one Redis."""
    folder = tmp_path_factory.mktemp("machines")
    (folder / "keys").write_text(f"{DAILY}\n{SECOND}\n{MINUTELY}\n")
    with ExitStack() as stack:
        made = stack.enter_context(machines(3))
        redis = RedisServer(folder, *(machine.host for machine in made))
        redis.start()
        stack.callback(redis.stop)
        servers = []
        for machine in made:
            flags = ("--host=0.0.0.0", f"--keys-file={folder / 'keys'}", f"--limit-store={redis.url_at(machine.host)}")
            program = [*machine.inside, sys.executable, "-m", "imgsrv"]
            patience = "--limit-store-timeout-s=5"
            servers.append(stack.enter_context(serving("--workers=2", *flags, patience, program=program)))
        yield list(zip(servers, made, strict=True))


def places_of(three: list[tuple[Server, Machine]]) -> list[Place]:
    return [(machine.address, server.port) for server, machine in three]


def test_a_limit_lets_exactly_as_many_through_as_it_says_on_all_machines_together(
    three: list[tuple[Server, Machine]],
) -> None:
    assert asked_at_once(places_of(three), DAILYS, 240) == {200: 100, 429: 140}


def test_a_limit_by_the_minute_lets_a_hundred_through_and_then_one_in_each_interval(
    three: list[tuple[Server, Machine]],
) -> None:
    began = time.monotonic()
    passed = asked_at_once(places_of(three), MINUTELYS, 240)[200]
    refilled = int((time.monotonic() - began) / 0.6)
    assert 100 <= passed <= 100 + refilled


def test_the_death_of_a_machine_changes_nothing_for_the_others(three: list[tuple[Server, Machine]]) -> None:
    places = places_of(three)
    before = asked_at_once(places, SECONDS, 64)
    assert before == {200: 64}
    three[0][0].lose_power()
    assert asked_at_once(places[1:], SECONDS, 64) == {200: 36, 429: 28}
