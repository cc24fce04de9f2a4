"""The sink of log records: standard error, or a file that many processes append to, also while it is renamed.

A record is one `write`.  A record that cannot be written is lost, but no request fails because of it.  The lost records
are counted, and a record with their number is written as soon as writing works again.

A process that writes to a log file holds a shared lock on it.  A process that compresses a renamed file holds the
exclusive lock.  The kernel releases a lock when the last descriptor of the open file is closed, however the processes
end.  So a process that gets the exclusive lock knows that nobody writes any more and that the file is whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from imgsrv.errors import CannotWriteLog
from imgsrv.observe.log.unblocked import Writer
from imgsrv.trusted_paths import open_here, real_path

STANDARD_ERROR = 2

MODE = 0o640
"""Mode of a log file: requests may contain data that only the administrator's group should read."""

MOST_ATTEMPTS = 5
"""Attempts to open a file that is renamed between its opening and its locking."""

MOST_KEPT = 128 << 10
"""Bytes of records that a process keeps while the reader of a pipe has no room for them: some hundred records."""

FINISH_S = 0.5
"""A process that ends waits so long for the reader."""

RETRY_S = 1.0
"""Time after which a process tries again to open the file."""


def _as_text(lost: int) -> str:
    return f"log_records_lost count={lost}\n"


class Sink:
    """Standard error.  tell_lost: returns the record that reports how many records were lost.

    fault: why the last attempt to open the file again failed.
    """

    def __init__(self, tell_lost: Callable[[int], str] = _as_text) -> None:
        self.descriptor = STANDARD_ERROR
        self.fault = ""
        self._tell_lost = tell_lost
        self._unreported = 0
        self._count: Callable[[int], None] = lambda _lost: None
        self._lock = threading.Lock()
        self._put = Writer(self.descriptor)
        self._kept = deque[bytes]()

    def write(self, text: str) -> None:
        """Write a record; count it as lost if that fails.  Never waits for a reader.

        The number of lost records goes before it, with the same `write`: in two pieces, a disk that is almost full
        would be filled with the former alone.
        """
        data = text.encode(errors="backslashreplace")
        with self._lock:  # both threads of a worker log
            if lost := self._unreported:
                data = self._tell_lost(lost).encode() + data
            if self._write_data(data):
                self._unreported = 0
            else:
                self._lose(1)

    def flush(self) -> None:
        """Write what was kept because there was no room, as far as there is room now."""
        if self._kept:
            with self._lock:
                self._write_kept()

    def finish(self, longest_s: float = FINISH_S) -> None:
        """Wait a moment for the reader before this process ends; what is left then is lost."""
        end, poll = time.monotonic() + longest_s, select.poll()
        while self._kept and (left_s := end - time.monotonic()) > 0:
            poll.register(self.descriptor, select.POLLOUT)
            poll.poll(left_s * 1000)
            self.flush()
        with self._lock:
            self._lose(len(self._kept))
            self._kept.clear()

    def count_lost_with(self, count: Callable[[int], None]) -> None:
        """Count lost records of this process with `count`.  Its parent reports the records that the parent has lost."""
        self._count, self._unreported = count, 0
        self.forget_kept()

    def forget_kept(self) -> None:
        """In a forked process: the parent writes the records that it keeps."""
        self._kept.clear()

    def give_to(self, user: int, group: int) -> None:
        """Give the file to the user and group of the workers, so that they can open it; -1 for no change."""

    def is_astray(self) -> bool:
        """Whether the file no longer has its name.  Standard error has none."""
        return False

    def reopen(self) -> bool:
        """Return True: standard error needs no reopening."""
        return True

    def _write_data(self, data: bytes) -> bool:
        """Write a record, or keep it if there is no room; return False if it is lost."""
        self._write_kept()
        if not self._kept:
            try:
                data = self._written(data)
            except OSError:
                return False
        elif sum(map(len, self._kept)) + len(data) > MOST_KEPT:
            return False
        if data:
            self._kept.append(data)
        return True

    def _write_kept(self) -> None:
        """Write the kept records while there is room.  They are lost if nobody can read them any more."""
        try:
            while self._kept:
                if rest := self._written(self._kept[0]):
                    self._kept[0] = rest
                    return
                self._kept.popleft()
        except OSError:
            self._lose(len(self._kept))
            self._kept.clear()

    def _written(self, data: bytes) -> bytes:
        """Write what there is room for, and return the rest.  Raises OSError if it is not for want of room."""
        with contextlib.suppress(BlockingIOError):
            while data:
                data = data[self._put(data) :]
        return data

    def _lose(self, count: int) -> None:
        if count:
            self._unreported += count
            self._count(count)


class LogFile(Sink):
    """A log file.  Its descriptor keeps its number when another file takes its place.

    So a `write` of another thread goes to the old or the new file, never to an unrelated file with the same number.
    Raises CannotWriteLog.
    """

    def __init__(self, path: Path, tell_lost: Callable[[int], str] = _as_text) -> None:
        super().__init__(tell_lost)
        try:
            # Resolve links: rotation would rename the link in place of the file.
            self.path = real_path(path)
            self.descriptor, self._is_ours = _opened(self.path)
            self._put = Writer(self.descriptor)
        except OSError as error:
            raise CannotWriteLog(str(path), error.strerror or str(error)) from error
        self.is_regular = stat.S_ISREG(os.fstat(self.descriptor).st_mode)
        self._retry_at: float | None = None
        self._user = self._group = -1

    def give_to(self, user: int, group: int) -> None:
        """Give this file and its successors to the user and group of the workers.  Raises CannotWriteLog."""
        self._user, self._group = user, group
        try:
            self._give_to_workers(self.descriptor, is_ours=self._is_ours)
        except OSError as error:
            raise CannotWriteLog(str(self.path), error.strerror or str(error)) from error

    def is_astray(self) -> bool:
        """Whether the file was renamed or deleted, or another file has its name."""
        return not _has_name(self.descriptor, self.path)

    def reopen(self) -> bool:
        """Continue in the file of that name; return whether this worked.

        If it fails, records go to the old file, and `write` tries to open the new one again, at most once in RETRY_S.
        """
        if not self.is_astray():
            self._retry_at = None
            return True
        try:
            with contextlib.ExitStack() as undo:
                fresh, is_ours = _opened(self.path)
                undo.callback(os.close, fresh)
                self._give_to_workers(fresh, is_ours=is_ours)
                os.dup2(fresh, self.descriptor, inheritable=False)
        except OSError as error:
            self.fault = error.strerror or str(error)
            self._retry_at = time.monotonic() + RETRY_S
            return False
        self._retry_at = None
        return True

    def _give_to_workers(self, descriptor: int, *, is_ours: bool) -> None:
        """Give the workers a file that this process has made, or that nobody else can have put there."""
        if not self.is_regular or os.geteuid() != 0 or self._user < 0 > self._group:
            return
        if not is_ours and os.fstat(descriptor).st_uid != self._user:
            # It could be the file of somebody else, moved there to be given away.
            raise OSError(errno.EPERM, "others may write to its folder, and the workers do not own it")
        # If even root may not do this, the workers continue in the file that they have.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, self._user, self._group)

    def _write_data(self, data: bytes) -> bool:
        if self._retry_at is not None and self._has_no_file():
            return False
        if not self.is_regular:
            return super()._write_data(data)
        try:
            done = os.write(self.descriptor, data)
            if done < len(data):
                self._remove(data[:done])
        except OSError:
            return False
        return done == len(data)

    def _has_no_file(self) -> bool:
        """Whether the old file is deleted and a new one still cannot be opened."""
        if self._retry_at is not None and time.monotonic() >= self._retry_at and self.reopen():
            return False
        return os.fstat(self.descriptor).st_nlink == 0

    def _remove(self, fragment: bytes) -> None:
        """Remove the beginning of a record that did not fit, so that the next record does not follow half a line."""
        end = os.fstat(self.descriptor).st_size
        start = end - len(fragment)
        # Another process can write after it only if the disk gets space within these few microseconds.
        if os.pread(self.descriptor, len(fragment), start) == fragment:
            os.ftruncate(self.descriptor, start)


def is_in_use(file: Path) -> bool:
    """Whether a process may still write to a renamed log file.  Raises OSError."""
    # The file may be a pipe; without O_NONBLOCK the master would wait for its writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> tuple[int, bool]:
    """Open the file of that name and lock it; return its descriptor, and whether it is ours (see trusted_paths.py).

    The locked file has the name.  Raises OSError.
    """
    for _ in range(MOST_ATTEMPTS):
        # Open it for reading too: `_remove` compares what it removes with its own record.
        descriptor, is_ours = open_here(path, os.O_RDWR | os.O_APPEND, MODE)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                # Nobody may read it, and its records would be lost.
                raise OSError(errno.EINVAL, "it is a pipe; give a file, or leave --log-file empty and read stderr")
            # If the lock is refused, the file was renamed meanwhile and is being compressed.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if _has_name(descriptor, path):
                    undo.pop_all()
                    return descriptor, is_ours
    raise OSError(errno.EAGAIN, "it was renamed after each attempt to open it")


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False
