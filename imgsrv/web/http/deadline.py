"""The moment that a connection waits for, which is moved several times in each request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

CLOCK_S = 0.001
"""A step of the loop's clock: a timer may fire so much before its moment."""


class Deadline:
    """A moment and what is called then.  It is set, moved and cleared at will, with few timers of the loop.

    A new timer takes 2 µs.  So one that runs is left alone if it fires no later than it must; when it fires too early,
    it is set again.
    """

    __slots__ = ("_callback", "_due", "_fires_at", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._fires_at = 0.0

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back after so many seconds, and no longer what was set before."""
        self._due, self._callback = self._loop.time() + seconds, callback
        if self._timer is None or self._due < self._fires_at:
            self._start()

    def clear(self) -> None:
        """Call nothing back."""
        self._callback = None

    def close(self) -> None:
        """Let go of the timer, too, which holds what it calls."""
        self._callback = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = self._due
        self._timer = self._loop.call_at(self._due, self._fired)

    def _fired(self) -> None:
        callback, self._timer = self._callback, None
        if callback is None:
            return
        if self._loop.time() + CLOCK_S < self._due:
            self._start()
            return
        self._callback = None
        callback()
