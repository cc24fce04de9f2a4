"""From the settings to the cache: what the master makes before it forks, and what each worker makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.settings_checks import is_redis
from imgsrv.web.cache.folder import FolderStore
from imgsrv.web.cache.key import code_version
from imgsrv.web.cache.locks import MachineLocks, make_lock_file
from imgsrv.web.cache.named_store import has_store, make_store
from imgsrv.web.cache.results import ResultCache
from imgsrv.web.cache.store import GuardedStore
from imgsrv.web.cache.versions import Versions
from imgsrv.web.stores.redis import load_redis


@dataclass
class Shared:
    """The parts of the cache that all workers of a master share.  lock_file: None without a cache."""

    settings: Settings
    lock_file: int | None

    @cached_property
    def code(self) -> str:
        """The version of what makes results, for their keys."""
        return f"{code_version(self.settings.font_dir)} {self.settings.auto_formats} {self.settings.font_fallback}"


def prepare_cache(settings: Settings) -> Shared:
    """Make the shared parts in the master, before it forks."""
    if not has_store(settings):
        return Shared(settings, None)
    if is_redis(settings.cache_url):
        load_redis()
    shared = Shared(settings, make_lock_file())
    _ = shared.code  # it takes 20 ms, once for all workers
    return shared


def make_cache(shared: Shared, row: Row, log: Logger) -> ResultCache:
    """The cache of a worker."""
    settings = shared.settings

    def evicted(entries: int, size: int) -> None:
        row.add("cache_evicted", entries)
        row.add("cache_evicted_bytes", size)

    if shared.lock_file is None:
        return ResultCache(None, None, row, lambda: shared.code, Versions(None, settings))
    machine = MachineLocks(shared.lock_file)
    store, locks = make_store(settings, machine)
    if isinstance(store, FolderStore):
        store.on_evicted = evicted
    guarded = GuardedStore(store, row, log, int(settings.cache_max_entry))
    return ResultCache(guarded, locks, row, lambda: shared.code, Versions(guarded, settings))
