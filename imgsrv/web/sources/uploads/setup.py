"""From the settings to the uploads of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.settings_checks import is_redis
from imgsrv.web.sources.uploads.bucket import BucketUploads
from imgsrv.web.sources.uploads.folder import FolderUploads
from imgsrv.web.sources.uploads.redis import RedisUploads
from imgsrv.web.sources.uploads.shared import SharedUploads, UploadServer
from imgsrv.web.sources.uploads.store import Bounds
from imgsrv.web.sources.uploads.uploads import Uploads
from imgsrv.web.stores.bucket import Bucket
from imgsrv.web.stores.redis import Redis, load_redis


def prepare_uploads(settings: Settings) -> None:
    """Load in the master, before it forks, what its workers need."""
    if is_redis(settings.uploads):
        load_redis()


def make_uploads(settings: Settings, row: Row, clock: Callable[[], float] = time.time) -> Uploads:
    """The uploads of a worker.  row: its own."""
    bounds, timeout_s = Bounds.of(settings), settings.uploads_timeout_s
    if settings.uploads:
        return Uploads(SharedUploads(_server(settings, bounds, clock), timeout_s, row, clock))
    if settings.uploads_dir:
        return Uploads(FolderUploads(Path(settings.uploads_dir), bounds, clock))
    return Uploads(None)


def _server(settings: Settings, bounds: Bounds, clock: Callable[[], float]) -> UploadServer:
    url, timeout_s = settings.uploads, settings.uploads_timeout_s
    if is_redis(url):
        return RedisUploads(Redis(url, timeout_s), bounds, timeout_s)
    return BucketUploads(Bucket(url, timeout_s), bounds, clock)
