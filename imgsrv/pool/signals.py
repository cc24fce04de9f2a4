"""Signals for a selector loop.  A handler only wakes the loop; the loop does the rest."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Iterator
from typing import Self

HANDLED = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD),
    *(signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1),
)

KILL_GRACE_S = 2.0
"""A worker is killed so long after the drain limit, at which it should end by itself."""


class Signals:
    """The signals of a process, for its loop: inside a `with` block they wake the selector and wait to be taken."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._end = contextlib.ExitStack()
        self._read_end = -1

    def taken(self) -> bytes:
        """Take the signals that have come since the last call; each byte is a signal's number."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._read_end, 4096)
        return b""

    def hold_back(self) -> set[int | signal.Signals]:
        """Block all signals, and raise again those that came and were not taken; return the mask from before.

        Pending signals survive an exec; a number in this process's pipe does not.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        for signum in self.taken():
            os.kill(os.getpid(), signum)
        return before

    def __enter__(self) -> Self:
        self._read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        previous = {signum: signal.signal(signum, lambda *_: None) for signum in HANDLED}
        previous_wakeup = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._selector.register(self._read_end, selectors.EVENT_READ)
        # After a reload they are still blocked; those that came meanwhile are delivered now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        for descriptor in (write_end, self._read_end):
            self._end.callback(os.close, descriptor)
        self._end.callback(self._selector.unregister, self._read_end)
        for signum, handler in previous.items():
            self._end.callback(signal.signal, signum, handler)
        self._end.callback(signal.set_wakeup_fd, previous_wakeup)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()


@contextlib.contextmanager
def blocked_signals() -> Iterator[None]:
    """Deliver no signal while the block runs, so that none is lost between a fork and the child's own handlers.

    The child leaves the block with the signals still blocked and unblocks them itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
