"""`file:` sources: regular files below one folder.

A file is copied into the request's memory file, and an engine never maps it: another program may shorten a file on a
disk at any time, and reading a mapping beyond its end kills the process.  The copy of 0.8 MB takes 0.1 ms.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache

from imgsrv.errors import BadSource, ImgsrvError, SourceFailed, SourceForbidden, SourceNotAllowed, SourceNotFound
from imgsrv.shortages import FOR_REPLIES, SHORTAGES, out_of_resources, refuse_scarce
from imgsrv.web.http.body import Body
from imgsrv.web.sources.beneath import open_beneath
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker, Validators

PIECE_BYTES = 1 << 16
"""Bytes of one read that must not wait: they stay in the processor's cache until they are written."""

_piece = memoryview(bytearray(PIECE_BYTES))
"""The buffer of all reads of the process that do not wait: each is written before the next one."""

SLOW_PIECE_BYTES = 1 << 20
"""Bytes of one read in a thread, where the disk is asked."""

MOST_READINGS = 2
"""A file that changes while it is read is read once more."""

SETTLED_NS = 2_000_000_000
"""A file that was changed so long ago has its own time: a clock of files may stand still for 10 ms."""

KEPT_DATES = 256
"""Dates of files that are kept as text."""

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
"""How the folder is opened: not to be read, but to look for files below it."""

MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)

OUTSIDE = (errno.EXDEV, errno.ELOOP, errno.ENXIO, errno.ENODEV)


class OpenedFile:
    """An open file below a folder.  tell: makes validators of what the system says of the file."""

    is_unchanged = False

    def __init__(self, source: Source, file: int, tell: Callable[[os.stat_result], Validators]) -> None:
        self._source, self._file, self._tell, self.found = source, file, tell, os.fstat(file)
        self.validators = tell(self.found)

    async def read_into(self, body: Body, limit: int) -> int:
        """Append the file to the body.  Raises SourceFailed if it changes all the time, and what `Body.put` raises."""
        before = body.received
        for _ in range(MOST_READINGS):
            known = self.validators.identity
            body.expect(os.fstat(self._file).st_size, limit)
            await self._copy(body)
            self.validators = self._tell(os.fstat(self._file))
            if self.validators.identity == known:
                return body.received - before
            body.cut(before)
        raise SourceFailed(str(self._source), "the file changes while it is read")

    def read_now(self, body: Body, limit: int) -> bool:
        """The same without waiting; False if the disk would have to be asked, or the file changes just now.

        Then the body is as before.  A body whose file holds this picture since the last request is not written again.
        """
        before, size, content = body.received, self.found.st_size, self._lasting_identity()
        if content and body.expect_held(content, size, limit):
            return True
        body.expect(size, limit)
        at, is_here = 0, False
        try:
            while at < size and (count := _read_cached(self._file, _piece, at)) > 0:
                at += count
                body.put(_piece[:count], is_last=at >= size)
            is_here = at == size > 0 and self._tell(os.fstat(self._file)) == self.validators
        finally:
            if not is_here:
                body.cut(before)
        if is_here and before == 0:
            body.content = content
        return is_here

    def _lasting_identity(self) -> str:
        """The identity, if no change of this moment can leave it as it is; else an empty text."""
        changed_ns = max(self.found.st_mtime_ns, self.found.st_ctime_ns)
        return (self.validators.identity or "") if time.time_ns() - changed_ns > SETTLED_NS else ""

    async def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    async def _copy(self, body: Body) -> None:
        at = 0
        try:
            while (count := _read_cached(self._file, _piece, at)) != 0:
                if count > 0:
                    body.put(_piece[:count])
                    at += count
                    continue
                data = await asyncio.to_thread(os.pread, self._file, SLOW_PIECE_BYTES, at)
                if not data:
                    break
                body.put(data)
                at += len(data)
        except OSError as error:
            raise SourceFailed(str(self._source), f"the disk says {error.strerror}") from error
        body.put(b"", is_last=True)


class Folder:
    """The folder that `file:` sources come from.  path: empty if the operator allows none."""

    def __init__(self, path: str, setting: str) -> None:
        self._path, self._setting = path, setting
        self._folder: int | None = None

    async def open(self, source: Source, _known: Validators | None, _asker: Asker) -> OpenedFile:
        """The open file.  Raises SourceNotAllowed, SourceNotFound, SourceForbidden, SourceFailed and BadSource."""
        self._check(source)
        try:
            file = await self._found(source.rest)
        except OSError as error:
            raise disk_error(source, error, self._setting) from error
        try:
            return self._regular(source, file)
        except BaseException:
            os.close(file)
            raise

    def take_now(self, source: Source, body: Body, limit: int) -> Validators | None:
        """Read a file that the kernel has in memory into the body; None if anything else is to be done or said."""
        try:
            self._check(source)
            file = self._opened(source.rest, only_cached=True)
            try:
                opened = self._regular(source, file)
                return opened.validators if opened.read_now(body, limit) else None
            finally:
                os.close(file)
        except (OSError, ImgsrvError):
            return None

    def is_current(self, source: Source, identity: str) -> bool:
        """True if the file, which was opened before, is certainly still of this identity.  It must not be a link."""
        try:
            return _identity(os.stat(source.rest, dir_fd=self._folder, follow_symlinks=False)) == identity
        except OSError:
            return False

    def _check(self, source: Source) -> None:
        """Raise SourceNotAllowed or BadSource for a source that is no path below the folder."""
        if not self._path:
            raise SourceNotAllowed(str(source), "this server reads no files", self._setting)
        if source.rest.startswith("/") or ".." in source.rest.split("/"):
            raise BadSource(str(source), "it must be a path below the folder, without a slash before it and without ..")

    def _regular(self, source: Source, file: int) -> OpenedFile:
        """The open file with that descriptor.  Raises SourceNotAllowed for what is no regular file."""
        opened = OpenedFile(source, file, _told)
        if not stat.S_ISREG(opened.found.st_mode):
            raise SourceNotAllowed(str(source), "it is no regular file", self._setting)
        return opened

    async def _found(self, path: str) -> int:
        """Open the path, in a thread where it may take a while.  Raises OSError."""
        try:
            try:
                return self._opened(path, only_cached=True)
            except BlockingIOError:
                return await asyncio.to_thread(self._opened, path)
        except FileNotFoundError:
            return await asyncio.to_thread(self._found_in_new_folder, path)

    def _opened(self, path: str, *, only_cached: bool = False) -> int:
        """Open the path, and at first the folder."""
        if self._folder is None:
            self._folder = os.open(self._path, FOLDER)
        return refuse_scarce(open_beneath(self._folder, path, only_cached=only_cached), FOR_REPLIES)

    def _found_in_new_folder(self, path: str) -> int:
        """Open the path that is not there, if another folder has the name of this one by now.  Raises OSError."""
        if self._folder is not None:
            new = os.open(self._path, FOLDER)
            try:
                # A replaced descriptor has its number all the time: another thread may be about to use it.
                os.dup2(new, self._folder, inheritable=False)
            finally:
                os.close(new)
        return self._opened(path)


def disk_error(source: Source, error: OSError, setting: str) -> ImgsrvError:
    """The error of a source for one of the system."""
    if error.errno in MISSING:
        return SourceNotFound(str(source))
    if error.errno in OUTSIDE:
        return SourceNotAllowed(str(source), "it leads out of the folder, or is no file", setting)
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceForbidden(str(source))
    if error.errno in SHORTAGES:
        return out_of_resources("the source", error.errno)
    return SourceFailed(str(source), f"the disk says {error.strerror}")


def _told(found: os.stat_result) -> Validators:
    # The time of the inode cannot be set, so that a file with an old time of its content has a new identity.
    return Validators(_identity(found), last_modified=_date(int(found.st_mtime)))


@lru_cache(maxsize=KEPT_DATES)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _identity(found: os.stat_result) -> str:
    times = f"{found.st_mtime_ns}:{found.st_ctime_ns}"
    return f"file:{found.st_dev}:{found.st_ino}:{found.st_size}:{times}"


def _read_cached(file: int, buffer: memoryview, at: int) -> int:
    """The number of bytes that were read without waiting; -1 if the disk would have to be asked."""
    try:
        return os.preadv(file, [buffer], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return -1
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return -1
        raise
