"""Single flight: equal requests at one time cost one job, wherever they arrive.

The requests of one worker share a flight, and the flights of several workers share a lock.  Who has the lock computes;
the others look for its result.  If it dies, fails or loses its client, the next one takes the lock.  Nobody waits
longer than its own deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from imgsrv.errors import BadPicture, UnsupportedFormat, from_wire
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.locks import Locks, attempts

SHARED = (BadPicture, UnsupportedFormat)
"""Errors that follow from the picture: who waits gets them, too.  After another one who waits tries itself."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A result.  facts: what only the request is told that has computed it.  keeps: it may be stored."""

    entry: Entry
    facts: Any = None
    keeps: bool = True


Compute = Callable[[], Awaitable[Computed]]
"""Computes the result; raises its errors."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The result that a request gets.  waited: another request has computed it."""

    computed: Computed
    waited: bool = False

    @property
    def entry(self) -> Entry:
        """The result."""
        return self.computed.entry


@dataclass(slots=True)
class _Flight:
    """A result on its way.

    outcome: the result, or a shared error as `to_wire` gives it; None if the next one has to try.
    """

    outcome: asyncio.Future[Computed | dict[str, Any] | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Flights:
    """The flights of one worker.

    locks: shared with the other workers, or the other machines.  find: looks into the store.  keep: writes to it; the
    lock is held until then.
    """

    def __init__(
        self,
        locks: Locks,
        find: Callable[[bytes], Awaitable[Entry | None]],
        keep: Callable[[bytes, Entry], Awaitable[object]],
    ) -> None:
        self._locks, self._find, self._keep = locks, find, keep
        self._flights: dict[bytes, _Flight] = {}
        self._landing: set[asyncio.Task[None]] = set()

    async def result(self, key: bytes, compute: Compute, deadline: float) -> Landed:
        """The result for the key: from a flight that is under way, or computed.

        deadline: of the wait for others, monotonic.
        Raises TimeoutError after the deadline, and what `compute` raises.  Who is cancelled leaves the others alone.
        """
        while (flight := self._flights.get(key)) is not None:
            async with asyncio.timeout(deadline - time.monotonic()):
                outcome = await asyncio.shield(flight.outcome)
            if isinstance(outcome, dict):
                raise from_wire(outcome)
            if outcome is not None:
                return Landed(outcome, waited=True)
        flight = self._flights[key] = _Flight()
        try:
            landed = await self._fly(key, compute, deadline)
        except BaseException as error:
            self._end(key, flight, error.to_wire() if isinstance(error, SHARED) else None)
            raise
        flight.outcome.set_result(landed.computed)
        return landed

    async def _fly(self, key: bytes, compute: Compute, deadline: float) -> Landed:
        """Take the lock and compute, or find what its holder has computed meanwhile."""
        async for _ in attempts():
            if await self._locks.take(key):
                break
            if (entry := await self._find(key)) is not None:
                self._end(key)
                return Landed(Computed(entry), waited=True)
            if time.monotonic() > deadline:
                raise TimeoutError
        try:
            # Who held the lock before has stored its result, perhaps since this request looked for it.
            if (entry := await self._find(key)) is not None:
                landed = Landed(Computed(entry), waited=True)
            else:
                landed = Landed(await compute())
        except BaseException:
            await self._locks.release(key)
            raise
        if landed.waited or not landed.computed.keeps:
            await self._locks.release(key)
            self._end(key)
        else:
            # The client's answer does not wait for the disk.
            task = asyncio.get_running_loop().create_task(self._land(key, landed.entry))
            self._landing.add(task)
            task.add_done_callback(self._landing.discard)
        return landed

    async def _land(self, key: bytes, entry: Entry) -> None:
        """Store the result, then let others look for it."""
        try:
            await self._keep(key, entry)
        finally:
            await self._locks.release(key)
            self._end(key)

    def _end(self, key: bytes, flight: _Flight | None = None, error: dict[str, Any] | None = None) -> None:
        self._flights.pop(key, None)
        if flight is not None and not flight.outcome.done():
            flight.outcome.set_result(error)
