"""Redis and buckets as stores of the cache, and what they do to the answers of several servers when they fail."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from pictures import encoded, opened, sample
from prometheus_client.parser import text_string_to_metric_families
from servers.liar import LIES, Liar
from servers.ports import free_port
from servers.redis_server import RedisServer, redis_server
from servers.s3_server import s3_server
from serving import Server, serving, wait_until

from imgsrv.web.cache.bucket_store import BucketStore
from imgsrv.web.cache.entry import BadEntry, Entry
from imgsrv.web.cache.locks import MachineLocks, make_lock_file
from imgsrv.web.cache.redis_store import ENTRIES, LOCKS, RedisLocks, RedisStore
from imgsrv.web.cache.store import StoreFailed, StoreFull
from imgsrv.web.stores.redis import Redis

KEY, OTHER = bytes(32), bytes([7]) * 32
ENTRY = Entry("image/webp", 3, 2, is_broken=True, made_at=5.0, body=bytes(range(256)) * 50)
PHOTO = encoded(sample("coffee.jpg"), "JPEG", quality=90)
URL = "/resize?width=200&source=file:photo.jpg"
SLOW = "/pipeline?ops=blur:sigma=40/blur:sigma=41/blur:sigma=42&source=file:large.jpg"

pytest.importorskip("redis", reason="the extra redis is not installed")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


# ---- the stores by themselves -------------------------------------------------------------------------


def test_redis_keeps_entries(redis: RedisServer) -> None:
    async def scenario() -> None:
        store = RedisStore(Redis(redis.url, 1.0), 100_000)
        assert await store.get(KEY) is None
        await store.put(KEY, ENTRY)
        assert await store.get(KEY) == ENTRY
        await store.put(OTHER, ENTRY)
        assert (await store.usage()).entries == 2
        assert await store.purge() == 2
        assert await store.get(KEY) is None
        await store.close()

    asyncio.run(scenario())


def test_what_redis_holds_is_not_believed(redis: RedisServer) -> None:
    async def scenario() -> None:
        connection = Redis(redis.url, 1.0)
        store = RedisStore(connection, 1000)
        for garbage in (b"x", b"imgsrv\0\1" + bytes(200), bytes(5000)):
            await connection.call("SET", ENTRIES + KEY, garbage)
            with pytest.raises(BadEntry):
                await store.get(KEY)
        await connection.call("DEL", ENTRIES + KEY)
        await connection.call("LPUSH", ENTRIES + KEY, b"of another type")
        with pytest.raises(StoreFailed, match="WRONGTYPE"):
            await store.get(KEY)
        await store.close()

    asyncio.run(scenario())


def test_a_full_redis_refuses_an_entry_and_still_answers(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "12mb", "--maxmemory-policy", "noeviction") as redis:

        async def scenario() -> None:
            store = RedisStore(Redis(redis.url, 1.0), 5_000_000)
            await store.put(KEY, ENTRY)
            large = Entry("image/png", 1, 1, is_broken=False, made_at=1.0, body=bytes(3_000_000))
            with pytest.raises(StoreFull):
                await asyncio.gather(*(store.put(bytes([number]) * 32, large) for number in range(1, 20)))
            assert await store.get(KEY) == ENTRY
            await store.close()

        asyncio.run(scenario())


def test_a_redis_that_is_not_there_fails_at_once() -> None:
    async def scenario() -> None:
        store = RedisStore(Redis(f"redis://127.0.0.1:{free_port()}", 1.0), 1000)
        with pytest.raises(StoreFailed):
            await store.get(KEY)
        await store.close()

    asyncio.run(scenario())


@LIES
def test_a_server_that_is_no_redis_fails_in_time(answer: bytes) -> None:
    liar = Liar(answer)
    liar.start()

    async def scenario() -> None:
        store = RedisStore(Redis(liar.url, 0.2), 1000)
        with pytest.raises((StoreFailed, BadEntry)):
            await store.get(KEY)
        await store.close()

    asyncio.run(scenario())
    liar.stop()


def test_a_bucket_keeps_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        async def scenario() -> None:
            store = BucketStore("s3://cache/results", 10.0, 100_000)
            assert await store.get(KEY) is None
            await store.put(KEY, ENTRY)
            assert await store.get(KEY) == ENTRY
            await store.put(OTHER, ENTRY)
            usage = await store.usage()
            assert usage.entries == 2
            with pytest.raises(BadEntry):
                await BucketStore("s3://cache/results", 10.0, 100).get(KEY)
            assert await store.purge() == 2
            assert await store.get(KEY) is None

        asyncio.run(scenario())

    async def after() -> None:
        with pytest.raises(StoreFailed):
            await BucketStore("s3://cache/results", 1.0, 100_000).get(KEY)

    asyncio.run(after())


# ---- locks over machines ------------------------------------------------------------------------------


def machine(url: str) -> RedisLocks:
    """The locks of a machine of its own."""
    return RedisLocks(Redis(url, 1.0), MachineLocks(make_lock_file()))


def test_one_machine_holds_a_lock(redis: RedisServer) -> None:
    async def scenario() -> None:
        one, other = machine(redis.url), machine(redis.url)
        assert await one.take(KEY)
        assert not await other.take(KEY)
        assert await other.take(OTHER)
        await one.release(KEY)
        assert await other.take(KEY)
        await other.release(KEY)
        await one.close()
        await other.close()

    asyncio.run(scenario())


def test_a_lock_lasts_while_its_owner_lives_and_not_longer(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsrv.web.cache.redis_store.LEASE_MS", 300)

    async def scenario() -> None:
        one, other = machine(redis.url), machine(redis.url)
        assert await one.take(KEY)
        await asyncio.sleep(1)
        assert not await other.take(KEY)
        # Its machine is gone: nothing renews the lock.
        await one.close()
        due = time.monotonic() + 20
        while not await other.take(KEY):
            assert time.monotonic() < due
            await asyncio.sleep(0.02)
        # What comes back after its lock was over does not end that of another.
        await one.release(KEY)
        assert await other._redis.call("EXISTS", LOCKS + KEY) == 1
        await other.release(KEY)
        await one.close()
        await other.close()

    asyncio.run(scenario())


def test_without_redis_each_machine_has_its_own_lock() -> None:
    async def scenario() -> None:
        locks = machine(f"redis://127.0.0.1:{free_port()}")
        assert await locks.take(KEY)
        await locks.release(KEY)
        assert await locks.take(KEY)
        await locks.close()

    asyncio.run(scenario())


# ---- servers ------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(PHOTO)
    (folder / "large.jpg").write_bytes(encoded(opened(PHOTO).resize((4000, 3000)), "JPEG"))
    return folder


def sharing(pictures: Path, url: str, *more: str) -> tuple[str, ...]:
    return ("--workers=1", f"--source-dir={pictures}", f"--cache-url={url}", "--cache-timeout-s=5", *more)


def count(server: Server, name: str) -> float:
    with server.client() as client:
        families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(one.value for family in families for one in family.samples if one.name == f"imgsrv_{name}_total")


def ask(server: Server, url: str) -> httpx.Response:
    with server.client(60) as client:
        return client.get(url)


@pytest.mark.slow
def test_three_servers_with_one_redis_compute_equal_requests_once(redis: RedisServer, pictures: Path) -> None:
    with ExitStack() as running:
        servers = [running.enter_context(serving(*sharing(pictures, redis.url))) for _ in range(3)]
        with ThreadPoolExecutor(30) as threads:
            answers = list(threads.map(lambda number: ask(servers[number % 3], SLOW), range(30)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum(count(server, "jobs_submitted") for server in servers) == 1
        assert {ask(server, SLOW).headers["cache-status"] for server in servers} == {"imgsrv; hit"}


@pytest.mark.slow
def test_when_a_server_dies_while_it_computes_another_finishes(redis: RedisServer, pictures: Path) -> None:
    with ExitStack() as running:
        first, *others = [running.enter_context(serving(*sharing(pictures, redis.url))) for _ in range(3)]
        with ThreadPoolExecutor(11) as threads:
            lost = threads.submit(ask, first, SLOW)
            wait_until(lambda: count(first, "jobs_begun") == 1, "the first server computes")
            waiting = [threads.submit(ask, server, SLOW) for server in others for _ in range(5)]
            first.lose_power()
            assert isinstance(lost.exception(60), httpx.HTTPError)
            answers = [each.result(60) for each in waiting]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum(count(server, "jobs_submitted") for server in others) == 1


def test_redis_may_go_and_come_and_no_answer_fails(redis: RedisServer, pictures: Path) -> None:
    with serving(*sharing(pictures, redis.url)) as server, server.client() as client:
        assert client.get(URL).status_code == 200
        assert client.get(URL).headers["cache-status"] == "imgsrv; hit"
        redis.stop()
        for _ in range(3):
            assert client.get(URL).status_code == 200
        assert len(server.named("cache_unusable")) == 1
        assert count(server, "cache_faults") >= 1
        redis.start()
        wait_until(lambda: client.get(URL).headers["cache-status"] == "imgsrv; hit", "it is used again")
        assert len(server.named("cache_usable")) == 1


def test_a_server_starts_without_its_redis(pictures: Path) -> None:
    with serving(*sharing(pictures, f"redis://:secret@127.0.0.1:{free_port()}")) as server, server.client() as client:
        assert client.get(URL).status_code == 200
        (event,) = server.named("cache_unusable")
        assert "secret" not in str(event)


def test_a_redis_that_hangs_delays_an_answer_once_by_the_limit(redis: RedisServer, pictures: Path) -> None:
    with serving(*sharing(pictures, redis.url, "--cache-timeout-s=0.1")) as server, server.client() as client:
        client.get(URL)
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        try:
            assert [client.get(URL).status_code for _ in range(5)] == [200] * 5
            assert len(server.named("cache_unusable")) == 1
        finally:
            redis.process.send_signal(signal.SIGCONT)


def test_a_bucket_serves_several_servers(pictures: Path) -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with s3_server() as environment, ExitStack() as running:
        flags = sharing(pictures, "s3://cache/results")
        one, other = (running.enter_context(serving(*flags, environment=environment)) for _ in range(2))
        first = ask(one, URL)
        wait_until(lambda: count(one, "cache_stored") == 1, "it is stored")
        second = ask(other, URL)
        assert (second.headers["cache-status"], second.content) == ("imgsrv; hit", first.content)
