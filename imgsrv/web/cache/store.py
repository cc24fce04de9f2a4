"""What a place for entries offers, and what happens when it fails: the cache is passed over, and the server serves on.

Each failure is counted.  The log gets one event when a store begins to fail and one when it works again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.web.cache.entry import BadEntry, Entry

PAUSE_S = 1.0
"""A store that has failed is left alone for so long: its requests would each wait for its time limit."""

MOST_PENDING = 32
"""Entries of one worker that are being written; further ones are not stored."""


class StoreFailed(Exception):
    """The store does not work at the moment, with the reason."""


class StoreFull(Exception):
    """There is no room for this entry, with the reason."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store holds, and how much it may hold; None for what only the store's own server knows."""

    entries: int | None
    size: int | None
    limit: int | None


class Store(Protocol):
    """A place for entries."""

    name: str

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none.  Raises StoreFailed, BadEntry."""
        ...

    async def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry.  Raises StoreFailed, StoreFull."""
        ...

    async def usage(self) -> Usage:
        """Return how much the store holds.  Raises StoreFailed."""
        ...

    async def purge(self) -> int:
        """Remove every entry; gives their number.  Raises StoreFailed."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class GuardedStore:
    """A store that never fails for its caller, and that is left alone for a moment after a failure.

    most: bytes of a result that is kept.
    """

    def __init__(
        self, store: Store, row: Row, log: Logger, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self._row, self._log, self._most, self._clock = store, row, log, most, clock
        self._rests_until = 0.0
        self._fault: str | None = None
        self._pending = 0

    @property
    def is_down(self) -> bool:
        """The store failed a moment ago and is not asked."""
        return self._clock() < self._rests_until

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none, or if the store does not work."""
        if self.is_down:
            return None
        try:
            entry = await self.store.get(key)
        except BadEntry as error:
            self._row.add("cache_faults")
            self._log.warning("cache_entry_refused", store=self.store.name, key=key.hex(), reason=str(error))
            return None
        except StoreFailed as error:
            self._failed(str(error))
            return None
        self._works()
        return entry

    async def put(self, key: bytes, entry: Entry) -> bool:
        """Keep the entry; False if it is not kept."""
        if self.is_down or self._pending >= MOST_PENDING or len(entry.body) > self._most:
            self._row.add("cache_refusals")
            return False
        self._pending += 1
        try:
            await self.store.put(key, entry)
        except StoreFull as error:
            self._row.add("cache_refusals")
            self._log.debug("cache_entry_not_stored", store=self.store.name, key=key.hex(), reason=str(error))
            return False
        except StoreFailed as error:
            self._row.add("cache_refusals")
            self._failed(str(error))
            return False
        finally:
            self._pending -= 1
        self._works()
        self._row.add("cache_stored")
        self._row.add("cache_stored_bytes", len(entry.body))
        return True

    async def finish(self) -> None:
        """Wait a moment for what is being written, and close the store."""
        for _ in range(100):
            if not self._pending:
                break
            await asyncio.sleep(0.02)
        await self.store.close()

    def _failed(self, reason: str) -> None:
        self._row.add("cache_faults")
        self._rests_until = self._clock() + PAUSE_S
        if self._fault is None:
            self._log.warning("cache_unusable", store=self.store.name, reason=reason)
        self._fault = reason

    def _works(self) -> None:
        if self._fault is not None:
            self._log.info("cache_usable", store=self.store.name)
            self._fault = None
