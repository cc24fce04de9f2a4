"""The store of one machine: a folder with a file for each entry, shared by all workers and needing no server.

An entry is written beside its place and renamed into it, so that a reader finds it whole or not at all; what a reader
finds is checked all the same.  Reading happens in the loop if the kernel has the file in memory; all else happens in a
thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from imgsrv.web.cache.entry import HEADER, BadEntry, Entry, is_whole, pack, unpack
from imgsrv.web.cache.eviction import disk_bytes, evict, purge
from imgsrv.web.cache.store import StoreFailed, StoreFull, Usage
from imgsrv.web.cache.usage import UsageFile

FORM = "v1"
"""The folder in the given one that holds everything; another form of the files would get another name."""

TOUCHED_S = 30.0
"""An entry that is used is marked as used at most once in this time."""

READ_IN_LOOP = 262_144
"""A larger entry is read in the thread: to check its length and its checksum would stop the loop for longer."""

READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A foreign fifo must not stop the reader, and a foreign link is not followed."""

FULL = (errno.ENOSPC, errno.EDQUOT)

Given = TypeVar("Given")


class FolderStore:
    """Entries in a folder.

    limit: most bytes on the disk.  most: bytes of an entry that is read; a larger file is none.
    on_evicted: told how many entries and bytes were removed to make room.
    """

    name = "folder"

    def __init__(self, folder: Path, limit: int, most: int) -> None:
        self._folder, self._limit, self._most = folder / FORM, limit, most + HEADER.size
        self.on_evicted: Callable[[int, int], None] = lambda _entries, _size: None
        self._prefix = f"{self._folder}/"
        self._usage = UsageFile(self._folder / "usage")
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="imgsrv-cache")

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none.  Raises StoreFailed, BadEntry."""
        try:
            return self.get_now(key)
        except BlockingIOError:
            return await self._in_thread(lambda: self._get(key, may_block=True))

    def get_now(self, key: bytes) -> Entry | None:
        """The same without waiting.  Raises BlockingIOError, too, for an entry that is large or only on the disk."""
        return self._get(key, may_block=False)

    def body_now(self, key: bytes) -> memoryview | None:
        """The body of the entry with this key, without a copy; None if it is not plainly there, which `get` judges."""
        try:
            file = os.open(self.path_of(key), READING)
        except OSError:
            return None
        try:
            facts = os.fstat(file)
            size = facts.st_size
            if not stat.S_ISREG(facts.st_mode) or not HEADER.size <= size <= READ_IN_LOOP:
                return None
            data = bytearray(size)
            if os.preadv(file, [data], 0, os.RWF_NOWAIT) < size:
                return None
            self._touch(file, facts)
        except OSError:
            return None
        finally:
            os.close(file)
        view = memoryview(data)
        return view[HEADER.size :] if is_whole(key, view) else None

    async def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry.  Raises StoreFailed, StoreFull."""
        await self._in_thread(lambda: self._put(key, entry))

    async def usage(self) -> Usage:
        """Return how much the folder holds.  Raises StoreFailed."""
        size, entries = await self._in_thread(self._read_usage)
        return Usage(entries, size, self._limit)

    async def purge(self) -> int:
        """Remove every entry; gives their number.  Raises StoreFailed."""
        return await self._in_thread(self._purge)

    async def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)
        self._usage.close()

    # ---- reading --------------------------------------------------------------------------------------

    def path_of(self, key: bytes) -> str:
        """The file of an entry."""
        name = key.hex()
        return f"{self._prefix}{name[:2]}/{name[2:]}"

    def _get(self, key: bytes, *, may_block: bool) -> Entry | None:
        path = self.path_of(key)
        try:
            file = os.open(path, READING)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
                raise BadEntry(f"its file cannot be opened: {error.strerror}") from error
            raise StoreFailed(_reason(error)) from error
        try:
            return self._read(file, key, may_block=may_block)
        except BadEntry:
            self._remove(Path(path))
            raise
        except BlockingIOError:
            raise
        except OSError as error:
            raise StoreFailed(_reason(error)) from error
        finally:
            os.close(file)

    def _read(self, file: int, key: bytes, *, may_block: bool) -> Entry:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise BadEntry("its file is no file")
        if facts.st_size > self._most:
            raise BadEntry(f"its file has {facts.st_size} bytes")
        if may_block:
            header, body = os.pread(file, HEADER.size, 0), os.pread(file, facts.st_size, HEADER.size)
        elif facts.st_size > READ_IN_LOOP:
            raise BlockingIOError
        else:
            header, body = _read_from_memory(file, facts.st_size)
        self._touch(file, facts)
        return unpack(key, header, body)

    @staticmethod
    def _touch(file: int, facts: os.stat_result) -> None:
        if time.time() - facts.st_mtime > TOUCHED_S:
            with contextlib.suppress(OSError):  # of a folder that is only read, nothing is evicted
                os.utime(file)

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            size = disk_bytes(path.lstat())
            path.unlink()
            self._usage.add(-size, -1)

    # ---- writing --------------------------------------------------------------------------------------

    def _put(self, key: bytes, entry: Entry) -> None:
        header, body = pack(key, entry)
        path = Path(self.path_of(key))
        try:
            self._make_room(len(header) + len(body))
            was_there = path.exists()
            self._usage.add(_write(path, header, body), 0 if was_there else 1)
        except OSError as error:
            if error.errno in FULL:
                # Others fill the disk: what is here gives way, too.
                with contextlib.suppress(OSError):
                    self._evict(self._usage.read()[0])
            raise StoreFailed(_reason(error)) from error

    def _make_room(self, size: int) -> None:
        """Evict what was not used for longest if there is no room.  Raises StoreFull, OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True, parents=True)
        if self._usage.read()[0] + size <= self._limit:
            return
        self._evict(self._limit)
        if (used := self._usage.read()[0]) + size > self._limit:
            raise StoreFull(f"{used} bytes of {self._limit} are in use")

    def _evict(self, limit: int) -> None:
        with self._usage.evicting() as is_mine:
            if is_mine:
                self.on_evicted(*evict(self._folder, limit, self._usage))

    def _read_usage(self) -> tuple[int, int]:
        return self._usage.read() if self._folder.is_dir() else (0, 0)

    def _purge(self) -> int:
        return purge(self._folder, self._usage) if self._folder.is_dir() else 0

    async def _in_thread(self, work: Callable[[], Given]) -> Given:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise StoreFailed(_reason(error)) from error
        except RuntimeError as error:  # the worker ends, and its threads with it
            raise StoreFailed(str(error)) from error


def _read_from_memory(file: int, size: int) -> tuple[bytes, bytes]:
    """Header and body if the kernel holds them.  Raises BlockingIOError if it would have to wait for the disk."""
    header, body = bytearray(HEADER.size), bytearray(max(0, size - HEADER.size))
    try:
        done = os.preadv(file, [header, body], 0, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        # A file system that cannot say so, such as an old tmpfs, mostly is memory.
        done = os.preadv(file, [header, body], 0)
    if done < size:
        raise BlockingIOError
    return bytes(header), bytes(body)


def _write(path: Path, header: bytes, body: bytes) -> int:
    """Write the file and rename it into its place; gives by how many bytes of the disk the folder has grown."""
    beside = path.parent / f".{os.getpid()}-{os.urandom(8).hex()}"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write_all(file, header, body)
            added = disk_bytes(os.fstat(file))
        finally:
            os.close(file)
        with contextlib.suppress(OSError):
            added -= disk_bytes(path.lstat())
        beside.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    return added


def _write_all(file: int, header: bytes, body: bytes) -> None:
    done, size = os.writev(file, [header, body]), len(header) + len(body)
    if done < size:
        rest = memoryview(header + body)
        while done < size:
            done += os.write(file, rest[done:])


def _reason(error: OSError) -> str:
    return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
