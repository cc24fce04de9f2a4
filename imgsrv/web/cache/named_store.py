"""The store of the result cache that the settings name, for a server and for `imgsrv cache`.

It does not load what makes results, so that the command is quick.
"""

from __future__ import annotations

from pathlib import Path

from imgsrv.settings import Settings
from imgsrv.settings_checks import is_redis
from imgsrv.web.cache.locks import Locks
from imgsrv.web.cache.store import Store
from imgsrv.web.stores.redis import Redis


def has_store(settings: Settings) -> bool:
    """True if results are kept somewhere."""
    return bool(settings.cache_dir or settings.cache_url)


def make_store(settings: Settings, machine: Locks) -> tuple[Store, Locks]:
    """The store that the settings name, and the locks that go with it; `has_store` must be true.

    machine: the locks of this machine alone.
    """
    most = int(settings.cache_max_entry)
    if is_redis(settings.cache_url):
        from imgsrv.web.cache.redis_store import RedisLocks, RedisStore  # noqa: PLC0415  one of the three is used

        redis = Redis(settings.cache_url, settings.cache_timeout_s)
        return RedisStore(redis, most), RedisLocks(redis, machine)
    if settings.cache_url:
        from imgsrv.web.cache.bucket_store import BucketStore  # noqa: PLC0415

        return BucketStore(settings.cache_url, settings.cache_timeout_s, most), machine
    from imgsrv.web.cache.folder import FolderStore  # noqa: PLC0415

    return FolderStore(Path(settings.cache_dir), int(settings.cache_size), most), machine
