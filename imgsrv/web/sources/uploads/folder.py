"""Uploads in a folder of one machine, or one that several machines see: a file for each, for all workers.

A file is named after the digest of its id, in a folder of its owner.  Its time of change is the time at which it ends.
A file appears whole, by renaming.  Who adds one holds the lock of the owner's folder while it counts, so the limits
hold across all workers, and the kernel unlocks it if the worker dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from imgsrv.environment import flag_name
from imgsrv.errors import CannotKeepUploads, SourceNotFound
from imgsrv.observe.log.logger import get_logger
from imgsrv.shortages import SHORTAGES, needing
from imgsrv.web.sources.files import OpenedFile, disk_error
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Validators
from imgsrv.web.sources.uploads.ids import UploadName
from imgsrv.web.sources.uploads.store import RETRY_AFTER_S, Bounds, Content, Found

FILE = re.compile(r"[0-9a-f]{40}")
UNFINISHED = re.compile(r"\.new-[0-9a-f]{16}")
TAG = re.compile(r"[0-9a-f]{8}")

ABANDONED_S = 600.0
"""An unfinished file of that age belongs to a worker that died."""

SWEEP_S = 30.0
"""What has ended is removed from the disk at most so much later; it is never served."""

PIECE_BYTES = 1 << 20


class FolderUploads:
    """The uploads in a folder.  It sweeps by itself in the running loop."""

    is_shared = False

    def __init__(self, folder: Path, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._folder, self._bounds, self._clock = folder, bounds, clock
        self._sweeping: asyncio.TimerHandle | None = None
        self._sweep_later()

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload; gives when it ends.  Raises UploadsFull, CannotKeepUploads and OutOfResources."""
        ends = self._clock() + self._bounds.ttl_s
        with _translated():
            await asyncio.to_thread(self._keep, self._path(name), content, ends)
        return ends

    async def open(self, source: Source, name: UploadName) -> OpenedFile:
        """The open upload.  Raises SourceNotFound, and what `disk_error` gives."""
        try:
            file = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise disk_error(source, error, flag_name("uploads_dir")) from error
        opened = OpenedFile(source, file, self._told(name))
        if os.fstat(file).st_mtime <= self._clock():
            await opened.close()
            raise SourceNotFound(str(source))
        return opened

    async def find(self, source: Source, name: UploadName) -> Found:
        """What is known of an upload.  Raises SourceNotFound, and what `disk_error` gives."""
        try:
            found = self._path(name).lstat()
        except OSError as error:
            raise disk_error(source, error, flag_name("uploads_dir")) from error
        if found.st_mtime <= self._clock():
            raise SourceNotFound(str(source))
        return Found(found.st_size, found.st_mtime)

    async def remove(self, source: Source, name: UploadName) -> None:
        """Remove an upload.  Raises SourceNotFound, CannotKeepUploads, and what `disk_error` gives."""
        await self.find(source, name)
        with _translated(), contextlib.suppress(FileNotFoundError):
            self._path(name).unlink()

    async def close(self) -> None:
        """Sweep no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    # ---- what these are made of -----------------------------------------------------------------------

    def _path(self, name: UploadName) -> Path:
        return self._folder / name.owner / name.digest

    def _told(self, name: UploadName) -> Callable[[os.stat_result], Validators]:
        return lambda found: Found(found.st_size, found.st_mtime).validators(name, self._clock())

    def _keep(self, path: Path, content: Content, ends: float) -> None:
        """Write the upload, and give it its name if the limits allow."""
        folder = path.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = folder / f".new-{secrets.token_hex(8)}"
        try:
            _copy(content, unfinished)
            with _locked(folder):
                self._check(folder, content.size)
                os.utime(unfinished, (ends, ends))
                unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _check(self, folder: Path, size: int) -> None:
        """Raise UploadsFull if there is no room for another one."""
        sizes = [facts.st_size for _path, facts in self._living(folder)]
        self._bounds.check(len(sizes) + 1, sum(sizes) + size)

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


def _copy(content: Content, target: Path) -> None:
    """Write an upload into a new file that nobody else can read."""
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(made, "wb") as written:
        at = 0
        while piece := content.piece(at, PIECE_BYTES):
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
