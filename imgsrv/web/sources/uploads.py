"""`upload:` sources: pictures that a client has sent before, each a file with an end, in a folder of all workers.

An id is 24 random characters and 8 that follow from its owner.  A file is named after the digest of its id, in a folder
of its owner, so that nobody learns an id from the folder.  Its time of change is the time at which it ends.  A file
appears whole, by renaming.  Who adds one holds the lock of the owner's folder while it counts, so the limits hold
across all workers, and the kernel unlocks it if the worker dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgsrv.environment import flag_name
from imgsrv.errors import CannotKeepUploads, SourceNotAllowed, SourceNotFound, UploadsFull
from imgsrv.observe.log.logger import get_logger
from imgsrv.settings import Settings
from imgsrv.shortages import SHORTAGES, needing
from imgsrv.web.sources.files import OpenedFile, disk_error
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker, Validators

RANDOM_BYTES = 18
"""Of an id: 144 bits, in 24 characters."""

ID = re.compile(r"[A-Za-z0-9_-]{24}(?P<tag>[0-9a-f]{8})", re.ASCII)

FILE = re.compile(r"[0-9a-f]{40}")
UNFINISHED = re.compile(r"\.new-[0-9a-f]{16}")
TAG = re.compile(r"[0-9a-f]{8}")

ABANDONED_S = 600.0
"""An unfinished file of that age belongs to a worker that died."""

SWEEP_S = 30.0
"""What has ended is removed from the disk at most so much later; it is never served."""

PIECE_BYTES = 1 << 20

RETRY_AFTER_S = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """An upload.  expires: in seconds of the epoch."""

    id: str
    size: int
    expires: float


class Uploads:
    """The uploads of one server, as one of its workers sees them."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = Path(settings.uploads_dir) if settings.uploads_dir else None, clock
        self._ttl_s, self._max_count = settings.uploads_ttl_s, settings.uploads_max_count
        self._max_size = int(settings.uploads_max_size)
        self._sweeping: asyncio.TimerHandle | None = None
        if self._folder is not None:
            self._sweep_later()

    def check_allowed(self) -> None:
        """Raise SourceNotAllowed if this server keeps no uploads."""
        self._allowed("upload:")

    async def keep(self, file: int, start: int, size: int, asker: Asker) -> Kept:
        """Keep a copy of a part of a file.  Raises SourceNotAllowed, UploadsFull, CannotKeepUploads, OutOfResources."""
        folder = self._allowed("upload:")
        kept = Kept(secrets.token_urlsafe(RANDOM_BYTES) + _tag(asker.owner), size, self._clock() + self._ttl_s)
        with _translated():
            await asyncio.to_thread(self._keep, folder / _tag(asker.owner), kept, file, start)
        return kept

    async def open(self, source: Source, _known: Validators | None, asker: Asker) -> OpenedFile:
        """The open upload.  Raises SourceNotAllowed, and SourceNotFound also for that of another owner."""
        path = self._path(source, asker)
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise disk_error(source, error, flag_name("uploads_dir")) from error
        opened = OpenedFile(source, file, self._told(path.name))
        if os.fstat(file).st_mtime <= self._clock():
            await opened.close()
            raise SourceNotFound(str(source))
        return opened

    def look_up(self, upload: str, asker: Asker) -> Kept:
        """What is known of an upload.  Raises SourceNotAllowed and SourceNotFound."""
        source = Source("upload", upload)
        try:
            found = self._path(source, asker).lstat()
        except OSError as error:
            raise disk_error(source, error, flag_name("uploads_dir")) from error
        if found.st_mtime <= self._clock():
            raise SourceNotFound(str(source))
        return Kept(upload, found.st_size, found.st_mtime)

    def remove(self, upload: str, asker: Asker) -> None:
        """Remove an upload.  Raises SourceNotAllowed, SourceNotFound and CannotKeepUploads."""
        self.look_up(upload, asker)
        with _translated(), contextlib.suppress(FileNotFoundError):
            self._path(Source("upload", upload), asker).unlink()

    def close(self) -> None:
        """Sweep no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    # ---- what these are made of -----------------------------------------------------------------------

    def _allowed(self, source: str) -> Path:
        if self._folder is None:
            raise SourceNotAllowed(source, "this server keeps no uploads", flag_name("uploads_dir"))
        return self._folder

    def _path(self, source: Source, asker: Asker) -> Path:
        folder, found = self._allowed(str(source)), ID.fullmatch(source.rest)
        if found is None or not (asker.is_trusted or found["tag"] == _tag(asker.owner)):
            raise SourceNotFound(str(source))
        return folder / found["tag"] / _digest(source.rest)

    def _told(self, name: str) -> Callable[[os.stat_result], Validators]:
        def tell(found: os.stat_result) -> Validators:
            left = max(0, int(found.st_mtime - self._clock()))
            return Validators(f"upload:{name}:{found.st_size}", cache_control=f"max-age={left}")

        return tell

    def _keep(self, folder: Path, kept: Kept, file: int, start: int) -> None:
        """Write the upload, and give it its name if the limits allow."""
        folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = folder / f".new-{secrets.token_hex(8)}"
        try:
            _copy(file, start, kept.size, unfinished)
            with _locked(folder):
                self._check(folder, kept.size)
                os.utime(unfinished, (kept.expires, kept.expires))
                unfinished.rename(folder / _digest(kept.id))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _check(self, folder: Path, size: int) -> None:
        """Raise UploadsFull if there is no room for another one."""
        found = [facts for _path, facts in self._living(folder)]
        count, total = len(found) + 1, sum(facts.st_size for facts in found) + size
        if count > self._max_count or total > self._max_size:
            raise UploadsFull(count, self._max_count, total, self._max_size)

    def _living(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """The uploads in the folder of an owner that have not ended; those that have are removed."""
        now = self._clock()
        with os.scandir(folder) as entries:
            for entry in entries:
                is_unfinished = UNFINISHED.fullmatch(entry.name)
                if not is_unfinished and not FILE.fullmatch(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    if facts.st_mtime <= (now - ABANDONED_S if is_unfinished else now):
                        Path(entry.path).unlink()
                    elif not is_unfinished:
                        yield Path(entry.path), facts

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()

        def sweep() -> None:
            self._sweep_later()
            loop.run_in_executor(None, self._sweep)

        self._sweeping = loop.call_later(SWEEP_S, sweep)

    def _sweep(self) -> None:
        """Remove what has ended, unless another worker has just done so."""
        if self._folder is None:
            return
        mark = self._folder / ".swept"
        try:
            with contextlib.suppress(FileNotFoundError):
                if mark.stat().st_mtime > self._clock() - SWEEP_S / 2:
                    return
            mark.touch(mode=0o600)
            for folder in self._folder.iterdir():
                if TAG.fullmatch(folder.name):
                    for _living in self._living(folder):
                        pass
        except OSError as error:
            get_logger().warning("uploads_not_swept", folder=str(self._folder), reason=error.strerror)


def _copy(file: int, start: int, size: int, target: Path) -> None:
    """Write a part of a file into a new one that nobody else can read."""
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(made, "wb") as written:
        at, end = start, start + size
        while at < end and (piece := os.pread(file, min(PIECE_BYTES, end - at), at)):
            written.write(piece)
            at += len(piece)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder; the kernel lets go of it if the process dies."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise CannotKeepUploads or OutOfResources in place of an error of the disk."""
    try:
        with needing("the upload"):
            yield
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        get_logger().error("uploads_fail", reason=error.strerror)
        reason = f"the folder of the uploads cannot be used ({error.strerror})"
        raise CannotKeepUploads(reason, RETRY_AFTER_S) from error


def _tag(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:8]


def _digest(upload: str) -> str:
    return hashlib.sha256(upload.encode()).hexdigest()[:40]
