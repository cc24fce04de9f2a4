"""Uploads in a real Redis, without a server: bounds, pieces, and what a failure leaves."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from servers.liar import LIES, Liar
from servers.redis_server import RedisServer, redis_server

from imgsrv.errors import UploadsFull
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker
from imgsrv.web.sources.uploads.ids import UploadName, name_of, new_id
from imgsrv.web.sources.uploads.redis import BEGIN, PIECE_BYTES, PREFIX, RedisUploads
from imgsrv.web.sources.uploads.store import Bounds, Content
from imgsrv.web.stores.redis import Redis, RedisFailed, RedisFull

pytest.importorskip("redis", reason="the extra redis is not installed")

Given = TypeVar("Given")

SMALL, LARGE = b"a small picture", os.urandom(2 * PIECE_BYTES + 77)

BOUNDS = Bounds(ttl_s=60.0, max_count=3, max_size=10 * PIECE_BYTES)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@dataclass
class Machine:
    """A machine with that Redis."""

    connection: Redis
    uploads: RedisUploads

    async def keep(self, name: UploadName, data: bytes) -> float:
        with Filed(data) as content:
            return await self.uploads.keep(name, content)

    async def bytes_of(self, name: UploadName) -> bytes | None:
        opened = await self.uploads.open(name)
        return None if opened is None else b"".join([piece async for piece in opened[1]])

    async def names(self) -> list[bytes]:
        """The names of all that the Redis has for uploads."""
        return sorted([name async for name in self.connection.keys(PREFIX.encode())])


class Filed:
    """A file with the data, behind other bytes."""

    def __init__(self, data: bytes) -> None:
        self._size, self._file = len(data), os.memfd_create("test")
        os.write(self._file, b"before" + data + b"behind")

    def __enter__(self) -> Content:
        return Content(self._file, 6, self._size)

    def __exit__(self, *_error: object) -> None:
        os.close(self._file)


def on_machines(
    url: str, scenario: Callable[..., Coroutine[Any, Any, Given]], *, count: int = 1, bounds: Bounds = BOUNDS
) -> Given:
    """Run the scenario with so many machines."""

    async def running() -> Given:
        made = [Machine(redis, RedisUploads(redis, bounds, 5.0)) for redis in (Redis(url, 5.0) for _ in range(count))]
        try:
            return await scenario(*made)
        finally:
            for each in made:
                await each.uploads.close()

    return asyncio.run(running())


def named(owner: str = "") -> UploadName:
    asker = Asker(owner)
    return name_of(Source("upload", new_id(asker)), asker)


@pytest.mark.parametrize("data", [SMALL, LARGE, LARGE[: 2 * PIECE_BYTES]], ids=["small", "in-pieces", "whole-pieces"])
def test_what_one_machine_keeps_another_gives_and_removes(redis: RedisServer, data: bytes) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        name = named()
        ends = await one.keep(name, data)
        found = await other.uploads.find(name)
        assert found is not None
        assert (found.size, found.expires) == (len(data), ends)
        assert await other.bytes_of(name) == data
        assert await other.uploads.remove(name)
        assert not await one.uploads.remove(name)
        assert (await one.uploads.find(name), await one.bytes_of(name)) == (None, None)

    on_machines(redis.url, scenario, count=2)


def test_all_that_an_upload_leaves_ends_by_itself(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.keep(named(), SMALL)
        await machine.keep(named(), LARGE)
        left = [int(await machine.connection.call("PTTL", name)) for name in await machine.names()]
        assert len(left) == 4
        assert all(50_000 < each <= 60_000 for each in left)

    on_machines(redis.url, scenario)


def test_what_has_ended_is_gone_and_makes_room(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        names = [named() for _ in range(3)]
        for name in names:
            await machine.keep(name, SMALL)
        with pytest.raises(UploadsFull):
            await machine.keep(named(), SMALL)
        due = time.monotonic() + 60
        for name in names:
            while await machine.uploads.find(name):
                assert time.monotonic() < due
                await asyncio.sleep(0.05)
        await machine.keep(named(), SMALL)

    on_machines(redis.url, scenario, bounds=Bounds(3.0, 3, 1000))


def test_exactly_as_many_as_allowed_are_kept_however_many_come_at_once(redis: RedisServer) -> None:
    async def scenario(*machines: Machine) -> None:
        data = [SMALL, LARGE[: PIECE_BYTES + 5]]
        outcomes = await asyncio.gather(
            *(machines[number % 3].keep(named(), data[number % 2]) for number in range(60)), return_exceptions=True
        )
        assert sum(isinstance(each, float) for each in outcomes) == 20
        assert sum(isinstance(each, UploadsFull) for each in outcomes) == 40

    on_machines(redis.url, scenario, count=3, bounds=Bounds(60.0, 20, 1 << 30))


def test_the_bytes_of_an_owner_are_bounded_and_removing_makes_room(redis: RedisServer) -> None:
    async def scenario(one: Machine, other: Machine) -> None:
        first = named()
        await one.keep(first, LARGE)
        with pytest.raises(UploadsFull) as raised:
            await other.keep(named(), LARGE)
        assert (raised.value.count, raised.value.size) == (2, 2 * len(LARGE))
        await other.keep(named("web"), LARGE)
        await other.uploads.remove(first)
        await one.keep(named(), LARGE)

    on_machines(redis.url, scenario, count=2, bounds=Bounds(60.0, 10, 2 * len(LARGE) - 1))


def test_a_refused_upload_leaves_nothing(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        for data in (SMALL, LARGE):
            with pytest.raises(UploadsFull):
                await machine.keep(named(), data)
        assert await machine.names() == []

    on_machines(redis.url, scenario, bounds=Bounds(60.0, 10, 5))


def test_the_bytes_are_counted_anew_where_redis_has_lost_them(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        await machine.keep(named(), LARGE)
        for name in await machine.names():
            if name.endswith(b":bytes"):
                await machine.connection.call("DEL", name)
        with pytest.raises(UploadsFull) as raised:
            await machine.keep(named(), LARGE)
        assert raised.value.size == 2 * len(LARGE)

    on_machines(redis.url, scenario, bounds=Bounds(60.0, 10, 2 * len(LARGE) - 1))


def test_an_upload_whose_machine_dies_half_way_ends_by_itself(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        name = named()
        with Filed(LARGE) as whole:
            cut = _Cut(whole.file, whole.start, whole.size)
            with pytest.raises(ConnectionAbortedError):
                await machine.uploads.keep(name, cut)
        assert await machine.uploads.find(name) is None
        assert len(await machine.names()) == 3
        left = [int(await machine.connection.call("PTTL", each)) for each in await machine.names()]
        assert all(0 < each <= 10_000 for each in left)
        await machine.uploads.forget(name, len(LARGE))
        assert [each for each in await machine.names() if not each.endswith(b":bytes")] == []

    on_machines(redis.url, scenario)


class _Cut(Content):
    """Only its first piece can be read."""

    def piece(self, at: int, most: int) -> bytes:
        if at:
            raise ConnectionAbortedError
        return Content.piece(self, at, most)


def test_an_upload_that_redis_loses_half_way_is_not_kept(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        name = named()

        class Losing(Content):
            def piece(self, at: int, most: int) -> bytes:
                if at:
                    redis.empty()
                return Content.piece(self, at, most)

        with Filed(LARGE) as whole, pytest.raises(RedisFailed, match="is gone"):
            await machine.uploads.keep(name, Losing(whole.file, whole.start, whole.size))
        assert await machine.uploads.find(name) is None

    on_machines(redis.url, scenario)


def test_a_full_redis_keeps_none_and_gives_and_removes_those_it_has(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "10mb", "--maxmemory-policy", "noeviction") as redis:

        async def scenario(machine: Machine) -> None:
            first, kept = named(), list[UploadName]()
            await machine.keep(first, SMALL)

            async def fill(data: bytes) -> None:
                while True:
                    kept.append(named())
                    await machine.keep(kept[-1], data)

            with pytest.raises(RedisFull):
                await fill(LARGE)
            refused = kept.pop()
            with pytest.raises(RedisFull):
                await fill(LARGE[:300_000])
            await machine.uploads.forget(refused, len(LARGE))
            assert await machine.bytes_of(first) == SMALL
            assert await machine.uploads.remove(first)
            assert await machine.uploads.remove(kept[0])
            await machine.keep(named(), LARGE[:300_000])

        on_machines(redis.url, scenario, bounds=Bounds(60.0, 1000, 1 << 40))


def test_a_value_of_another_kind_is_no_upload(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        name = named()
        await machine.connection.call("LPUSH", f"{PREFIX}{name.owner}:{name.digest}", b"x")
        with pytest.raises(RedisFailed, match="WRONGTYPE"):
            await machine.uploads.find(name)
        with pytest.raises(RedisFailed, match="WRONGTYPE"):
            await machine.uploads.remove(name)

    on_machines(redis.url, scenario)


@LIES
def test_a_server_that_is_no_redis_fails_in_time(answer: bytes) -> None:
    liar = Liar(answer)
    liar.start()

    async def scenario() -> None:
        uploads = RedisUploads(Redis(liar.url, 0.2), BOUNDS, 0.2)
        for asked in (uploads.find(named()), uploads.open(named()), uploads.remove(named())):
            with pytest.raises(RedisFailed):
                await asked
        with Filed(SMALL) as content, pytest.raises(RedisFailed):
            await uploads.keep(named(), content)
        await uploads.close()

    asyncio.run(scenario())
    liar.stop()


def test_the_name_of_an_upload_does_not_tell_its_id(redis: RedisServer) -> None:
    async def scenario(machine: Machine) -> None:
        made = new_id(Asker("web"))
        await machine.keep(name_of(Source("upload", made), Asker("web")), SMALL)
        assert not any(made[:24].encode() in name for name in await machine.names())

    on_machines(redis.url, scenario)


def test_the_script_that_begins_is_one_step() -> None:
    """The first command that writes is the one that may be refused for lack of memory."""
    written = [line.split("'")[1] for line in BEGIN.splitlines() if line.startswith("redis.call(")]
    assert written == ["SET", "ZREMRANGEBYSCORE", "ZADD", "SET"]
