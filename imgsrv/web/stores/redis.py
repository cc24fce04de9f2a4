"""A connection to Redis or Valkey, for what several machines share.

Every call has a time limit and no repetition: a request must not wait for a server that does not answer.  All that can
go wrong with it is one error, `RedisFailed`, with the reason and without the password of the URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from imgsrv.web.stores.failures import ServerFailed, ServerFull

MOST_CONNECTIONS = 64
"""Most connections of one worker; further calls wait for a free one within their time limit."""

STALL_S = 0.01
"""A loop that an engine has stopped for longer than the time limit has not yet read the answer that came in time."""

FULL = ("OOM ", "-OOM ")
"""How Redis refuses to write beyond `maxmemory`: its answer begins so, or before version 7 that of a script has it."""


class RedisFailed(ServerFailed):
    """The server cannot be reached, is late, or answers what makes no sense."""


class RedisFull(RedisFailed, ServerFull):
    """The server keeps nothing more, by its own limit of memory."""


class Redis:
    """One Redis as one worker sees it.

    It is made before the worker's loop runs and connects with the first call.  timeout_s: of each call.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._client: Any = None

    async def call(self, *command: Any) -> Any:
        """The answer to one command.  Raises RedisFailed, RedisFull."""
        return await self._within(lambda: self._connected().execute_command(*command))

    async def calls(self, first: tuple[Any, ...], *others: tuple[Any, ...]) -> list[Any]:
        """The answers to several commands, in one round trip.  Only the failure of the first one counts.

        Raises RedisFailed, RedisFull.
        """

        async def run() -> list[Any]:
            async with self._connected().pipeline(transaction=False) as pipeline:
                for command in (first, *others):
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
            if isinstance(answers[0], Exception):
                raise answers[0]
            return answers

        answers: list[Any] = await self._within(run)
        return answers

    async def script(self, text: str, keys: list[bytes], *arguments: Any) -> Any:
        """The answer of a Lua script, which the server runs as one step.  Raises RedisFailed, RedisFull."""
        return await self._within(lambda: self._connected().eval(text, len(keys), *keys, *arguments))

    async def keys(self, prefix: bytes) -> AsyncIterator[bytes]:
        """All keys with the prefix, some of them perhaps twice.  Raises RedisFailed."""
        cursor = 0
        while True:
            cursor, found = await self.call("SCAN", cursor, "MATCH", prefix + b"*", "COUNT", 1000)
            for key in found:
                yield key
            cursor = int(cursor)
            if not cursor:
                return

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            try:
                async with asyncio.timeout(self._timeout_s):
                    await client.aclose(close_connection_pool=True)
            except (OSError, TimeoutError):
                return

    async def _within(self, call: Callable[[], Awaitable[Any]]) -> Any:
        from redis.exceptions import RedisError  # noqa: PLC0415  an extra, loaded where it is used

        try:
            return await self._in_time(call)
        except TimeoutError as error:
            raise RedisFailed(f"no answer within {self._timeout_s:g} s") from error
        except (RedisError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            # What is no Redis is found by the parser in many ways.
            text = f"{type(error).__name__}: {error}"[:200]
            is_full = str(error).startswith(FULL[0]) or FULL[1] in str(error)
            if is_full or type(error).__name__ == "OutOfMemoryError":
                raise RedisFull(text) from error
            raise RedisFailed(text) from error

    async def _in_time(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Give the result of the call within the time limit.  Raises TimeoutError and its errors."""
        task = asyncio.ensure_future(call())
        try:
            for seconds in (self._timeout_s, STALL_S):
                done, _ = await asyncio.wait((task,), timeout=seconds)
                if done:
                    return task.result()
            raise TimeoutError
        finally:
            if task.cancel():
                # It gives its connection back, which is broken now.
                await asyncio.wait((task,), timeout=STALL_S)

    def _connected(self) -> Any:
        if self._client is None:
            from redis.asyncio import BlockingConnectionPool, Redis as Client  # noqa: I001, PLC0415  an extra
            from redis.asyncio.retry import Retry  # noqa: PLC0415  the same
            from redis.backoff import NoBackoff  # noqa: PLC0415  the same

            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=MOST_CONNECTIONS,
                timeout=self._timeout_s,
                # A whole call is bounded in `_in_time`, which knows of a loop that was stopped.
                socket_timeout=None,
                socket_connect_timeout=self._timeout_s,
                retry=Retry(NoBackoff(), 0),
            )
            self._client = Client(connection_pool=pool)
        return self._client


def load_redis() -> None:
    """Load the library in the master, so that its workers share it."""
    import redis.asyncio  # noqa: F401, PLC0415  an extra, loaded where it is used
