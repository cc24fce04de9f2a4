"""The store of several machines: Redis or Valkey.  It keeps what it has room for, by its own `maxmemory-policy`."""

from __future__ import annotations

import asyncio
import contextlib
import os

from imgsrv.web.cache.entry import HEADER, Entry, pack, split, unpack
from imgsrv.web.cache.locks import Locks
from imgsrv.web.cache.store import StoreFailed, StoreFull, Usage
from imgsrv.web.stores.redis import Redis, RedisFailed, RedisFull

ENTRIES, LOCKS = b"imgsrv:result:1:", b"imgsrv:lock:1:"
"""Prefixes of the keys of entries and of locks."""

KEPT_S = 30 * 86_400
"""An entry that nobody has asked for in that time is gone in any case; each use of it begins the time anew."""

LEASE_MS = 3_000
"""A lock is over after that time, unless its owner renews it: so long does a dead machine keep others waiting."""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"


class RedisStore:
    """Entries in Redis.  most: bytes of a result that is read."""

    name = "redis"

    def __init__(self, redis: Redis, most: int) -> None:
        self._redis, self._most = redis, most + HEADER.size

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none.  Raises StoreFailed, BadEntry."""
        try:
            # One byte more than may be: a longer value is no entry, and its rest is not fetched.
            name = ENTRIES + key
            data, _ = await self._redis.calls(("GETRANGE", name, 0, self._most), ("EXPIRE", name, KEPT_S))
        except RedisFailed as error:
            raise StoreFailed(str(error)) from error
        if not isinstance(data, bytes):
            raise StoreFailed(f"the server answers {str(data)[:80]!r} in place of a value")
        return unpack(key, *split(data)) if data else None

    async def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry.  Raises StoreFailed, StoreFull."""
        try:
            await self._redis.call("SET", ENTRIES + key, b"".join(pack(key, entry)), "EX", KEPT_S)
        except RedisFull as error:
            raise StoreFull(str(error)) from error
        except RedisFailed as error:
            raise StoreFailed(str(error)) from error

    async def usage(self) -> Usage:
        """The number of entries.  Raises StoreFailed."""
        try:
            return Usage(len({key async for key in self._redis.keys(ENTRIES)}), None, None)
        except RedisFailed as error:
            raise StoreFailed(str(error)) from error

    async def purge(self) -> int:
        """Remove every entry; gives their number.  Raises StoreFailed."""
        removed = 0
        try:
            async for key in self._redis.keys(ENTRIES):
                removed += int(await self._redis.call("UNLINK", key))
        except RedisFailed as error:
            raise StoreFailed(str(error)) from error
        return removed

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.close()


class RedisLocks:
    """Locks of all machines with one Redis, each behind the lock of its own machine.

    A lock of Redis ends by itself soon after its owner has died.  Where Redis does not work, the lock of the machine is
    enough: then each machine computes for itself.
    """

    def __init__(self, redis: Redis, machine: Locks) -> None:
        self._redis, self._machine = redis, machine
        self._held: dict[bytes, tuple[bytes, asyncio.Task[None]]] = {}

    async def take(self, key: bytes) -> bool:
        """Take the lock if it is free."""
        if not await self._machine.take(key):
            return False
        token = os.urandom(16)
        try:
            taken = await self._redis.call("SET", LOCKS + key, token, "NX", "PX", LEASE_MS)
        except RedisFailed:
            return True
        except BaseException:
            await self._machine.release(key)
            raise
        if not taken:
            await self._machine.release(key)
            return False
        self._held[key] = token, asyncio.get_running_loop().create_task(self._renewing(key, token))
        return True

    async def release(self, key: bytes) -> None:
        """Give the lock back."""
        token, renewing = self._held.pop(key, (b"", None))
        try:
            if renewing is not None:
                renewing.cancel()
                with contextlib.suppress(RedisFailed):
                    await self._redis.script(RELEASE, [LOCKS + key], token)
        finally:
            await self._machine.release(key)

    async def close(self) -> None:
        """End the renewals; what is still locked ends by itself."""
        for _token, renewing in self._held.values():
            renewing.cancel()
        await self._machine.close()
        await self._redis.close()

    async def _renewing(self, key: bytes, token: bytes) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3000)
            with contextlib.suppress(RedisFailed):
                await self._redis.script(RENEW, [LOCKS + key], token, LEASE_MS)
