"""Rules and limits of a server as its master makes them, for all workers that it forks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.web.access.limits import Limiter
from imgsrv.web.access.rules import Rules, read_rules
from imgsrv.web.access.stores.memory import MemoryStore, SharedTable
from imgsrv.web.access.stores.redis import RedisStore
from imgsrv.web.access.stores.store import Store
from imgsrv.web.stores.redis import load_redis

LIMITS = "limits"
"""Name of the memory of the limits in the state that an image of the master passes to the next."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who may ask, and where the allowances of all workers are.  table: None if no memory of this machine has them."""

    rules: Rules
    table: SharedTable | None

    def limiter(self, settings: Settings, row: Row, log: Logger) -> Limiter:
        """The limits as one worker keeps them.  row: of the worker."""
        return Limiter(self._store(settings, row), row, log, refuses=settings.limit_store_down == "refuse")

    def _store(self, settings: Settings, row: Row) -> Store | None:
        if self.rules.has_limits and settings.limit_store:
            return RedisStore(settings.limit_store, settings.limit_store_timeout_s)
        if self.table is None:
            return None
        return MemoryStore(self.table, partial(row.add, "limits_evicted"))


def entry_of(settings: Settings, passed: Mapping[str, Any] | None) -> Entry:
    """Read the rules and make the memory.  passed: the memory of the image before.  Raises BadSetting."""
    rules = read_rules(settings)
    if settings.limit_store:
        # Here the workers share its memory.
        load_redis()
    table = SharedTable(settings.limit_clients, passed) if rules.has_limits and not settings.limit_store else None
    if passed is not None and (table is None or table.file != passed["file"]):
        os.close(passed["file"])
    return Entry(rules, table)
