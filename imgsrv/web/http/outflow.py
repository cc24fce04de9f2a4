"""The deadlines of a client for reading its answers.

An answer that the kernel does not take at once waits in the transport.  While bytes wait there, the client must read
at a least rate and must have all of them in a limited time; a client that does neither loses its connection.  Nothing
else ends an answer on its way: no idle time, no stop, no scale down and no reload.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import termios
from collections.abc import Callable
from typing import Protocol

WINDOW_S = 10.0
"""Time over which the rate of a client is taken: a phone that changes its network reads nothing for seconds."""


class Limits(Protocol):
    """The settings of these names."""

    @property
    def send_rate(self) -> int:
        """Lowest rate in bytes a second; 0 for no limit."""
        ...

    @property
    def send_timeout_s(self) -> float:
        """Longest time for all bytes that wait."""
        ...


class Unsent(Protocol):
    """What an outflow reports to the front of its worker."""

    def unsent(self, outflow: Outflow, size: int) -> None:
        """So many bytes wait for the client now; 0 ends the watch."""
        ...

    def unread(self, size: int) -> None:
        """Count a client that is cut off, and that has not read so many bytes."""
        ...


class Outflow:
    """The bytes that wait for one client, and the watch over how it reads them.

    descriptor: of the socket.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        descriptor: int,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        report: Unsent,
    ) -> None:
        self._transport, self._descriptor, self._loop = transport, descriptor, loop
        self._limits, self._report = limits, report
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._began_with = 0
        self._on_end: list[Callable[[], None]] = []

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def watch(self) -> None:
        """Begin to watch the client, if bytes wait for it."""
        if self._timer is None and self.waiting:
            self._due = self._loop.time() + self._limits.send_timeout_s
            self._begin_window()

    def end(self) -> None:
        """End the watch: no byte waits, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._report.unsent(self, 0)
        callbacks, self._on_end = self._on_end, []
        for callback in callbacks:
            callback()

    def when_sent(self, callback: Callable[[], None]) -> None:
        """Call back when no byte waits or the connection is lost: at once for a client that is not watched."""
        if self._timer is None:
            callback()
        else:
            self._on_end.append(callback)

    def _begin_window(self) -> None:
        self._report.unsent(self, self.waiting)
        self._began_with = self._unread()
        left_s = max(0.0, self._due - self._loop.time())
        self._timer = self._loop.call_later(min(WINDOW_S, left_s), self._check, left_s > WINDOW_S)

    def _check(self, is_whole: bool) -> None:  # noqa: FBT001  the loop passes no keywords
        """Judge a window that is over.  is_whole: it was not cut short by the end of the whole time."""
        if not self.waiting:
            self.end()
        elif is_whole and self._began_with - self._unread() >= self._limits.send_rate * WINDOW_S:
            self._begin_window()
        else:
            self._report.unread(self.waiting)
            self._transport.abort()
            self.end()

    def _unread(self) -> int:
        """Bytes that wait, and those in the kernel that the client has not acknowledged.

        The kernel takes new bytes only when much of its buffer is free, so that alone would look like a stop of a
        client that reads slowly.
        """
        size = array.array("i", [0])
        fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, size)
        return self.waiting + size[0]
