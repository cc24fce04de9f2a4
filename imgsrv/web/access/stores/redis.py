"""Allowances in Redis or Valkey, for several machines: one round trip for each request, by the clock of the server.

A script does what `rates.charge` does, in one piece: no other command runs between its reads and its writes.  Times are
microseconds of the server's clock, so the clocks of the machines need not agree.  An allowance that is full again
expires by itself.

The store may be gone, slow, full, restarted, or no Redis at all.  Each question is bounded by a timeout.  After a
failure nobody asks for a while, so that clients do not wait for a store that is down; then one question tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from imgsrv.web.access.rates import NANOSECONDS, Standing, standing
from imgsrv.web.access.stores.store import Charge, StoreDown
from imgsrv.web.stores.redis import Redis, RedisFailed

PREFIX = "imgsrv:limits:"

MICROSECOND = NANOSECONDS // 1_000_000

REST_S = 1.0
"""After a failure the store is left alone for so long."""

MOST_CORRECTIONS = 256
"""Corrections under way; more are dropped, and their clients keep the estimate."""

SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local is_asking, longest = ARGV[1] == 'take', 31622400000000
local found, after, answer, is_refused = {}, {}, {}, false
for i, key in ipairs(KEYS) do
  local unit, window = tonumber(ARGV[i * 4 - 2]), tonumber(ARGV[i * 4 - 1])
  local cost, least = tonumber(ARGV[i * 4]), tonumber(ARGV[i * 4 + 1])
  local full = tonumber(redis.call('GET', key) or '0') or 0
  if full < now or full > now + math.max(window, longest) then full = now end
  local wait = math.max(0, math.ceil(full + least * unit - now - window))
  found[i], after[i], answer[i * 2] = full, full + cost * unit, wait
  if is_asking and wait > 0 then is_refused = true end
end
for i, key in ipairs(KEYS) do
  local full = is_refused and found[i] or math.max(now, after[i])
  answer[i * 2 - 1] = math.ceil(full - now)
  if not is_refused then
    if full > now then
      redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
    else
      redis.call('DEL', key)
    end
  end
end
return answer
"""
"""Gives for each key the microseconds until its allowance is full, and the microseconds to wait."""


class RedisStore:
    """The allowances in the Redis of a URL, which may have a password.  timeout_s: of one question."""

    def __init__(self, url: str, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s, self._clock = timeout_s, clock
        self._redis = Redis(url, timeout_s)
        self._rests_until = float("-inf")
        self._corrections: set[asyncio.Task[None]] = set()

    async def take(self, charges: Sequence[Charge]) -> list[Standing]:
        """Charge all of these, or none of them if one is beyond its limit.  Raises StoreDown."""
        times = await self._asked("take", charges)
        return [
            standing(ahead * MICROSECOND, 0, wait * MICROSECOND, each.limit)
            for ahead, wait, each in zip(times[::2], times[1::2], charges, strict=True)
        ]

    async def correct(self, charges: Sequence[Charge]) -> None:
        """Charge without asking, also less than nothing.  The client's answer does not wait for it."""
        if len(self._corrections) < MOST_CORRECTIONS:
            task = asyncio.get_running_loop().create_task(self._corrected(charges))
            self._corrections.add(task)
            task.add_done_callback(self._corrections.discard)

    async def close(self) -> None:
        """Finish the corrections and give up the connections."""
        if self._corrections:
            await asyncio.wait(self._corrections, timeout=self._timeout_s)
        with contextlib.suppress(Exception):  # whatever a connection that is broken anyhow raises
            await self._redis.close()

    async def _corrected(self, charges: Sequence[Charge]) -> None:
        with contextlib.suppress(StoreDown):
            await self._asked("correct", charges)

    async def _asked(self, what: str, charges: Sequence[Charge]) -> list[int]:
        """The answer of the script.  Raises StoreDown."""
        if self._clock() < self._rests_until:
            raise StoreDown("it did not answer a moment ago")
        try:
            return _checked(await self._run(what, charges), len(charges))
        except (RedisFailed, TypeError) as error:
            self._rests_until = self._clock() + REST_S
            raise StoreDown(str(error)[:200]) from error

    async def _run(self, what: str, charges: Sequence[Charge]) -> Any:
        arguments: list[str | float] = [what]
        for each in charges:
            unit_us = each.limit.unit_ns / MICROSECOND
            arguments += [unit_us, unit_us * each.limit.burst, each.cost, min(each.cost, each.limit.burst)]
        return await self._redis.script(SCRIPT, [(PREFIX + each.name).encode() for each in charges], *arguments)


def _checked(answer: Any, count: int) -> list[int]:
    """The answer of the script, if it is one.  Raises TypeError."""
    if not (isinstance(answer, list) and len(answer) == 2 * count and all(type(each) is int for each in answer)):
        raise TypeError(f"the answer is not that of the script: {answer!r:.60}")
    return answer
