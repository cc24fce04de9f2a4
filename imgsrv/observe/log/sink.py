"""Where records go: standard error, or a file that many processes append to while it is renamed under them.

A record is one `write`.  One that cannot be written is lost, and no work with it; how many were lost is counted, and
told as soon as it can be told.

Who writes to a log file holds a shared lock on the open file, who compresses a renamed one its exclusive lock.  The
kernel lets go of a lock with the last descriptor of an open file, however the processes end that had it: where the
exclusive lock can be had nobody writes any more, and the file is whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from imgsrv.errors import CannotWriteLog

STANDARD_ERROR = 2

MODE = 0o640
"""Of a log file: requests may tell what only the administrator's group should read."""

MOST_ATTEMPTS = 5
"""To open a file that is renamed between its opening and its locking."""

RETRY_S = 1.0
"""How often a process tries to open again what it could not."""


def _as_text(lost: int) -> str:
    return f"log_records_lost count={lost}\n"


class Sink:
    """Standard error.  tell_lost: the record that says how many were lost.

    fault: why the file could not be opened again when that was last tried.
    """

    def __init__(self, tell_lost: Callable[[int], str] = _as_text) -> None:
        self.descriptor = STANDARD_ERROR
        self.fault = ""
        self._tell_lost = tell_lost
        self._untold = 0
        self._count: Callable[[int], None] = lambda _lost: None
        self._lock = threading.Lock()

    def write(self, text: str) -> None:
        """Write a record."""
        data = text.encode(errors="backslashreplace")
        if not (self._has_taken_both(data) if self._untold else self._has_taken(data)):
            with self._lock:  # both threads of a worker log
                self._untold += 1
                self._count(1)

    def flush(self) -> None:
        """Nothing is kept back."""

    def count_lost_with(self, count: Callable[[int], None]) -> None:
        """From now on, in this process, count lost records so; what its parent has lost is the parent's to tell."""
        self._count, self._untold = count, 0

    def give_to(self, user: int, group: int) -> None:
        """Let the workers open it, who are to be another user; -1 for none."""

    def is_astray(self) -> bool:
        """The file is no longer the one of its name."""
        return False

    def reopen(self) -> bool:
        """Go on in the file of that name; whether that is what happens now."""
        return True

    def _has_taken_both(self, data: bytes) -> bool:
        """The record and before it how many were lost; in one piece, or a full disk would fill with the latter."""
        with self._lock:
            told = self._untold
            is_taken = self._has_taken(self._tell_lost(told).encode() + data)
            self._untold -= told if is_taken else 0
        return is_taken

    def _has_taken(self, data: bytes) -> bool:
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError:
            return False
        return True


class LogFile(Sink):
    """A file.  Its descriptor keeps its number when another file takes its place.

    So a `write` of another thread goes to the one or the other, and never to what else would get the number.
    Raises CannotWriteLog.
    """

    def __init__(self, path: Path, tell_lost: Callable[[int], str] = _as_text) -> None:
        super().__init__(tell_lost)
        # A link's own name would be renamed in place of its file's.
        self.path = Path(os.path.realpath(path))
        try:
            self.descriptor = _opened(self.path)
        except OSError as error:
            raise CannotWriteLog(str(path), error.strerror or str(error)) from error
        self.is_regular = stat.S_ISREG(os.fstat(self.descriptor).st_mode)
        self._retry_at: float | None = None
        self._user = self._group = -1

    def give_to(self, user: int, group: int) -> None:
        """Let the workers open it, and those after it."""
        self._user, self._group = user, group
        self._hand_over(self.descriptor)

    def is_astray(self) -> bool:
        """The file was renamed or deleted, or another one has its name."""
        return not _has_name(self.descriptor, self.path)

    def reopen(self) -> bool:
        """Go on in the file of that name; where it cannot be opened, in the old one until it can, tried on writing."""
        if not self.is_astray():
            self._retry_at = None
            return True
        try:
            fresh = _opened(self.path)
        except OSError as error:
            self.fault = error.strerror or str(error)
            self._retry_at = time.monotonic() + RETRY_S
            return False
        self._hand_over(fresh)
        os.dup2(fresh, self.descriptor, inheritable=False)
        os.close(fresh)
        self._retry_at = None
        return True

    def _hand_over(self, descriptor: int) -> None:
        # Where even root may not, the workers go on in the file that they have.
        with contextlib.suppress(PermissionError):
            if self.is_regular and os.geteuid() == 0:
                os.fchown(descriptor, self._user, self._group)

    def _has_taken(self, data: bytes) -> bool:
        if self._retry_at is not None and self._is_nowhere():
            return False
        if not self.is_regular:
            return super()._has_taken(data)
        try:
            done = os.write(self.descriptor, data)
            if done < len(data):
                self._take_back(data[:done])
        except OSError:
            return False
        return done == len(data)

    def _is_nowhere(self) -> bool:
        """The old file is deleted, and there is no new one still."""
        if self._retry_at is not None and time.monotonic() >= self._retry_at and self.reopen():
            return False
        return os.fstat(self.descriptor).st_nlink == 0

    def _take_back(self, fragment: bytes) -> None:
        """A record of which only the beginning found room must not stand before the next one's beginning."""
        end = os.fstat(self.descriptor).st_size
        start = end - len(fragment)
        # Others could write behind it only if room came up within these few microseconds.
        if os.pread(self.descriptor, len(fragment), start) == fragment:
            os.ftruncate(self.descriptor, start)


def is_in_use(file: Path) -> bool:
    """Whether a process may still write to a renamed log file.  Raises OSError."""
    # What has the name may be a pipe, and the master must not wait for its writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    """The file of that name, locked while it still has the name.  Raises OSError."""
    for _ in range(MOST_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISFIFO(path.stat().st_mode):
                # Opening it would wait for its reader, and with it everything else.
                raise OSError(errno.EINVAL, "it is a pipe; give a file, or leave --log-file empty and read stderr")
        # Readable too, to make sure that what is taken back is the own.
        # No link, which the workers' user could put there to be handed another's file: `path` has none since the start.
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            # Where this is refused it was renamed meanwhile and is being compressed.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                if _has_name(descriptor, path):
                    undo.pop_all()
                    return descriptor
    raise OSError(errno.EAGAIN, "it was renamed again each time it had been opened")


def _has_name(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
