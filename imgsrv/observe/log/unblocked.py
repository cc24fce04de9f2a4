"""Writing without waiting: to a pipe that nobody empties, a terminal that is stopped, a socket that is not read.

O_NONBLOCK belongs to an open file description, which this process may share with the user's shell and other programs.
So it is never set on one that was inherited.  `never_wait` gives the process a description of its own for the same pipe
or terminal and puts it in the place of the inherited one; then code of others that writes there does not wait either.
Where the kernel grants none (the pipe of another user), `Writer` asks for a write that does not wait, and on an older
kernel asks first whether there is room.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import select
import socket
import stat
from collections.abc import Callable

NOT_SUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ESPIPE}

ATTEMPTS = 100
"""Attempts to be the one process that writes; another one keeps it for microseconds."""


def never_wait(descriptor: int) -> bool:
    """Replace a pipe's or terminal's descriptor by one that never waits; return whether that is granted or needless."""
    try:
        if not _can_wait(descriptor):
            return True
        fresh = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.dup2(fresh, descriptor)
    os.close(fresh)
    return True


class Writer:
    """Writes to a descriptor, and never waits.  Makes no attempt of its own to write a rest."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._write: Callable[[bytes], int] | None = None

    def __call__(self, data: bytes) -> int:
        """Write as much as there is room for; return the number of bytes.  Raises OSError, such as BlockingIOError."""
        if self._write is None:
            self._write = self._way()
        return self._write(data)

    def _way(self) -> Callable[[bytes], int]:
        descriptor = self._descriptor
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return self._send
        if _can_wait(descriptor):
            return self._write_now
        return lambda data: os.write(descriptor, data)

    def _send(self, data: bytes) -> int:
        # Neither the family nor the type matters to `send`.
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, self._descriptor)
        try:
            return connection.send(data, socket.MSG_DONTWAIT)
        finally:
            connection.detach()

    def _write_now(self, data: bytes) -> int:
        try:
            return os.pwritev(self._descriptor, [data], -1, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED:
                raise
        self._write = self._write_in_turn
        return self._write_in_turn(data)

    def _write_in_turn(self, data: bytes) -> int:
        """Write if there is room.

        A pipe that has room takes PIPE_BUF bytes, if no other process writes meanwhile.  So those of this server lock
        it for the moment of the write.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        for _ in range(ATTEMPTS):
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                try:
                    if poll.poll(0):
                        return os.write(self._descriptor, data[: select.PIPE_BUF])
                finally:
                    fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
                break
            os.sched_yield()
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class DroppingStream(io.RawIOBase):
    """Standard error for code that prints there: what cannot be written at once is dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor, self._writer = descriptor, Writer(descriptor)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer, as of every raw stream
        """Write what there is room for, and say that all was written."""
        copy = bytes(data)
        with contextlib.suppress(OSError):
            self._writer(copy)
        return len(copy)


def dropping_text(descriptor: int) -> io.TextIOWrapper:
    """Return a text stream to a descriptor; what cannot be written at once is dropped."""
    buffered = io.BufferedWriter(DroppingStream(descriptor))  # type: ignore[type-var]  # it takes any raw stream
    return io.TextIOWrapper(buffered, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _can_wait(descriptor: int) -> bool:
    """Return whether a write could wait for another process; True for a pipe and a terminal that block."""
    can_be_full = stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor)
    return can_be_full and os.get_blocking(descriptor)
