"""Signals for a selector loop: a handler only wakes it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Iterator
from typing import Any

from imgsrv.pool.events import Events

HANDLED = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD),
    *(signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1),
)


@contextlib.contextmanager
def wake_on_signals(selector: selectors.BaseSelector) -> Iterator[Callable[[], bytes]]:
    """While the block runs, signals wake the selector; the function it is given returns those that came."""
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    previous = {signum: signal.signal(signum, lambda *_: None) for signum in HANDLED}
    previous_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    selector.register(read_end, selectors.EVENT_READ)
    # An image that took over from another begins with them blocked; what came meanwhile comes now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def pending() -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(read_end, 4096)
        return b""

    try:
        yield pending
    finally:
        signal.set_wakeup_fd(previous_wakeup)
        for signum, handler in previous.items():
            signal.signal(signum, handler)
        selector.unregister(read_end)
        os.close(read_end)
        os.close(write_end)


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """No signal is delivered while the block runs: between a fork and the child's own handlers none may be lost.

    The child leaves the block with the signals still blocked and unblocks them itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hold_back(unheard: Callable[[], bytes]) -> set[int | signal.Signals]:
    """Block signals, and have those that came unheard come again, to wait with the others; returns the mask before.

    What waits outlasts an exec, while what a handler has only noted in a pipe would be lost with it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    for signum in unheard():
        os.kill(os.getpid(), signum)
    return before


class Signalled:
    """The caller of what a signal, by its name, asks for: the log is told what becomes of it."""

    def __init__(self, name: str, events: Events) -> None:
        self.name, self._events = name, events

    def progress(self, **facts: Any) -> None:
        """The events tell of it already."""

    def done(self, result: Any = None) -> None:
        """The same."""

    def failed(self, reason: str) -> None:
        """Nobody else would tell."""
        self._events.warning("signal_refused", signal=self.name, reason=reason)
