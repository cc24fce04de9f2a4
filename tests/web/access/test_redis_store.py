"""Allowances in a real Redis: exact over processes and servers, and what happens when it is gone, slow or full."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from servers.redis_server import PROGRAM, RedisServer
from serving import Server, serving, wait_until
from wire import ask, head

from imgsrv.web.access.rates import Limit, parse_limit
from imgsrv.web.access.stores import redis as redis_store
from imgsrv.web.access.stores.redis import RedisStore
from imgsrv.web.access.stores.store import Charge, StoreDown

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM, reason="redis-server is not installed"),
]
pytest.importorskip("redis", reason="the extra `redis` is not installed")

HUNDRED, ONE = parse_limit("100/day"), Limit(1, 86_400, 1)
DOCUMENT = head("/operations", method="GET")
Result = TypeVar("Result")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def run(url: str, work: Callable[[RedisStore], Awaitable[Result]], timeout_s: float = 5.0) -> Result:
    """What the work gives with a store, which is closed after it."""

    async def with_store() -> Result:
        store = RedisStore(url, timeout_s)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(with_store())


async def take(store: RedisStore, *holders: str, limit: Limit = HUNDRED, cost: float = 1.0) -> bool:
    found = await store.take([Charge("client", holder, limit, cost) for holder in holders])
    return all(each.is_admitted for each in found)


async def is_down(store: RedisStore) -> bool:
    try:
        await take(store, "anybody")
    except StoreDown:
        return True
    return False


def test_the_script_does_what_the_rule_of_numbers_does(redis: RedisServer) -> None:
    async def work(store: RedisStore) -> None:
        limit = parse_limit("10/minute,burst=5")
        [first] = await store.take([Charge("client", "a", limit, 3)])
        assert (first.is_admitted, first.left, first.wait_s) == (True, 2, 0.0)
        assert first.full_s == pytest.approx(18, abs=1)
        [second] = await store.take([Charge("client", "a", limit, 4)])
        assert (second.is_admitted, second.left) == (False, 2)
        assert second.wait_s == pytest.approx(12, abs=1)
        [larger] = await store.take([Charge("client", "b", limit, 20)])
        assert (larger.is_admitted, larger.left) == (True, 0)
        assert larger.full_s == pytest.approx(120, abs=1)

    run(redis.url, work)


def test_exactly_the_limit_passes_however_many_ask_at_once(redis: RedisServer) -> None:
    async def work(store: RedisStore) -> int:
        return sum(await asyncio.gather(*(take(store, "same") for _ in range(300))))

    assert run(redis.url, work) == 100


def test_of_two_allowances_neither_is_charged_if_one_is_used_up(redis: RedisServer) -> None:
    async def work(store: RedisStore) -> None:
        assert await take(store, "a", limit=ONE)
        assert not await take(store, "a", "b", limit=ONE)
        assert await take(store, "b", limit=ONE)

    run(redis.url, work)


def test_a_correction_gives_back_and_takes_and_no_key_outlives_its_use(redis: RedisServer) -> None:
    limit = parse_limit("10/day")

    async def work(store: RedisStore) -> None:
        assert await take(store, "a", limit=limit, cost=8)
        await store.correct([Charge("client", "a", limit, -6)])
        await asyncio.wait(store._corrections)
        assert await take(store, "a", limit=limit, cost=8)
        await store.correct([Charge("client", "a", limit, -10)])
        await asyncio.wait(store._corrections)
        assert await store._redis.call("KEYS", "*") == []
        assert await take(store, "a", limit=limit)
        [key] = await store._redis.call("KEYS", "*")
        assert 0 < await store._redis.call("PTTL", key) <= 8_640_000

    run(redis.url, work)


def test_whatever_stands_under_a_name_the_script_goes_on(redis: RedisServer) -> None:
    async def work(store: RedisStore) -> None:
        charge = Charge("client", "a", ONE)
        for value in ("nonsense", "-5", "1e300", "nan", "inf"):
            await store._redis.call("SET", redis_store.PREFIX + charge.name, value)
            assert (await store.take([charge]))[0].is_admitted, value
            await store._redis.call("DEL", redis_store.PREFIX + charge.name)

    run(redis.url, work)


def test_a_restarted_redis_is_used_again_without_its_scripts(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "REST_S", 0.05)

    async def work(store: RedisStore) -> None:
        assert await take(store, "a")
        redis.stop()
        assert await is_down(store)
        redis.start()
        async with asyncio.timeout(20):
            while await is_down(store):  # noqa: ASYNC110  no event tells that a server is there
                await asyncio.sleep(0.05)
        assert await take(store, "a")

    run(redis.url, work)


def test_a_full_redis_and_one_that_wants_a_password_are_down(tmp_path: Path) -> None:
    for flags, reason in (
        (("--maxmemory", "1", "--maxmemory-policy", "noeviction"), "OutOfMemoryError"),
        (("--requirepass", "secret"), "AuthenticationError"),
    ):
        server = RedisServer(tmp_path)
        server.start(*flags)

        async def work(store: RedisStore, reason: str = reason) -> None:
            with pytest.raises(StoreDown, match=reason):
                await take(store, "a")

        try:
            run(server.url, work)
        finally:
            server.stop()


def test_a_stopped_redis_costs_one_timeout_and_then_nothing_for_a_while(redis: RedisServer) -> None:
    assert redis.process is not None
    process = redis.process

    async def work(store: RedisStore) -> None:
        assert await take(store, "a")
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(StoreDown, match="no answer within"):
            await take(store, "a")
        began = time.monotonic()
        for _ in range(50):
            assert await is_down(store)
        assert time.monotonic() - began < redis_store.REST_S

    run(redis.url, work, timeout_s=0.2)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def played(talk: Talk) -> AsyncIterator[str]:
    """The URL of a Redis that is played by `talk`, one call for each connection; all are over after the block."""
    talks = set[asyncio.Task[None]]()

    async def run_talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.get_running_loop().create_task(run_talk(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def delayed(port: int, delay_s: float) -> contextlib.AbstractAsyncContextManager[str]:
    """The Redis at that port, whose every answer is late."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while question := await reader.read(65_536):
                far_writer.write(question)
                answer = await far_reader.read(65_536)
                await asyncio.sleep(delay_s)
                writer.write(answer)
        finally:
            far_writer.close()
            await far_writer.wait_closed()

    return played(talk)


def answering(answer: bytes) -> contextlib.AbstractAsyncContextManager[str]:
    """Somebody who is no Redis, and gives the same answer to everything."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(answer)
            await writer.drain()

    return played(talk)


def test_a_slow_redis_is_waited_for_within_the_timeout_and_no_longer(redis: RedisServer) -> None:
    async def work() -> None:
        async with delayed(redis.port, 0.05) as url:
            patient, hasty = RedisStore(url, 5), RedisStore(url, 0.02)
            assert await take(patient, "a", limit=ONE)
            assert not await take(patient, "a", limit=ONE)
            with pytest.raises(StoreDown, match=r"Timeout|no answer"):
                await take(hasty, "a")
            await patient.close()
            await hasty.close()

    asyncio.run(work())


def test_nobody_at_the_address_is_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        assert run(f"redis://127.0.0.1:{taken.getsockname()[1]}", is_down)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http"),
        pytest.param(b"\0\xff\xfe" * 50, id="noise"),
        pytest.param(b"+OK\r\n", id="another-type"),
        pytest.param(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", id="a-list-of-texts"),
        pytest.param(b"*1\r\n:5\r\n", id="a-short-list"),
        pytest.param(b"*-1\r\n", id="nothing"),
        pytest.param(b"$999999999\r\n", id="a-promise"),
        pytest.param(b"", id="silence"),
    ],
)
def test_an_answer_that_is_none_is_down(answer: bytes) -> None:
    async def work() -> None:
        async with answering(answer) as url:
            store = RedisStore(url, 0.3)
            assert await is_down(store)
            await store.close()

    asyncio.run(work())


# ---- servers --------------------------------------------------------------------------------------------


def asked(server: Server, count: int) -> list[int]:
    return [ask(server, DOCUMENT).status for _ in range(count)]


def test_three_servers_with_one_redis_let_exactly_the_limit_through(redis: RedisServer) -> None:
    flags = ("--workers", "2", "--client-limit=100/day", f"--limit-store={redis.url}", "--limit-store-timeout-s=5")
    with serving(*flags) as one, serving(*flags) as two, serving(*flags) as three:
        statuses = [status for _ in range(15) for server in (one, two, three) for status in asked(server, 3)]
    assert (statuses.count(200), statuses.count(429)) == (100, 35)


def test_a_redis_that_is_down_at_the_start_and_comes_later_is_used_then(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    with serving("--workers", "1", "--client-limit=1/day", f"--limit-store={redis.url}") as server:
        assert asked(server, 3) == [200] * 3
        assert len(server.named("limit_store_down")) == 1
        redis.start()
        try:
            wait_until(lambda: asked(server, 1) == [429], "the limit holds")
            assert len(server.named("limit_store_back")) == 1
        finally:
            redis.stop()
        wait_until(lambda: asked(server, 1) == [200], "requests are served without it again")
        assert b"\nimgsrv_limit_store_failures_total 0" not in ask(server, head("/metrics", method="GET")).body


def test_a_server_that_is_told_so_refuses_while_its_redis_is_down(tmp_path: Path) -> None:
    url = RedisServer(tmp_path).url
    flags = ("--workers", "1", "--client-limit=1/day", f"--limit-store={url}", "--limit-store-down=refuse")
    with serving(*flags) as server:
        answer = ask(server, DOCUMENT)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "limits_unavailable", "5")
        assert ask(server, head("/healthz", method="GET")).status == 200
