"""The real server with a queue in each worker instead of one queue for all, for comparison.

    python bench/support/separate.py serve …

A front gives its jobs to the engine of its own process, without messages, descriptors or other workers.  This is what
the server would be without the exchange.
"""

from __future__ import annotations

import asyncio
import os
import queue
import select
from dataclasses import dataclass
from unittest import mock

import imgsrv.server.parts
from imgsrv.cli.main import main
from imgsrv.pool.worker.exchange import Reply


@dataclass(frozen=True, slots=True)
class OwnParcel:
    """A job as the engine gets it, with all that it asks of a `Parcel`."""

    body: int
    plan_start: int
    plan: bytes
    deadline: float
    future: asyncio.Future[Reply]
    cost_us: int = 0
    is_dear: bool = False

    def is_abandoned(self) -> bool:
        """Nobody waits for the reply any more."""
        return self.future.done()

    def answer(self, message: bytes, result: bytes | memoryview = b"") -> None:
        """Give the reply to the front's thread."""
        self.future.get_loop().call_soon_threadsafe(_deliver, self.future, (message, bytes(result)))
        self.close()

    def close(self) -> None:
        """Let go of the body."""
        os.close(self.body)


def _deliver(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


class OwnQueue:
    """An `Exchange` for the front and the engine of one worker."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[OwnParcel] = queue.SimpleQueue()
        # The master makes one before it forks; each worker must wake its own engine and no other.
        os.register_at_fork(after_in_child=self._make_own)

    def _make_own(self) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)

    def waiting(self) -> int:
        """Jobs that the engine has not taken yet."""
        return self._jobs.qsize()

    def waiting_cheap(self) -> int:
        """All of them."""
        return self.waiting()

    def waiting_dear(self) -> int:
        """None: all jobs are in one queue here."""
        return 0

    def submit(
        self,
        body: int,
        plan_start: int,
        plan_size: int,
        deadline: float,
        *,
        cost_s: float,
        is_dear: bool,
        is_express: bool,  # noqa: ARG002  all jobs are in one queue
    ) -> asyncio.Future[Reply]:
        """Queue a job, dear or not; the future gives its reply."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        # The front takes a body's file for the next request as soon as its client has left.
        plan, cost_us = os.pread(body, plan_size, plan_start), round(cost_s * 1e6)
        self._jobs.put(OwnParcel(os.dup(body), plan_start, plan, deadline, future, cost_us, is_dear))
        os.eventfd_write(self._bell, 1)
        return future

    def receive(self, *, is_dear: bool = False) -> OwnParcel | None:  # noqa: ARG002  all jobs are in one queue
        """The next job, if there is one."""
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return None
        return self._jobs.get_nowait()

    def watch(self, stop: int) -> select.epoll:
        """A poll that wakes for a job and for the descriptor `stop`."""
        poll = select.epoll()
        poll.register(self._bell, select.EPOLLIN)
        poll.register(stop, select.EPOLLIN)
        return poll

    def watch_dear(self, poll: select.epoll, *, is_wanted: bool) -> None:
        """Nothing: the poll wakes for every job."""


if __name__ == "__main__":
    # It does all that a worker asks of an exchange.
    with mock.patch.object(imgsrv.server.parts, "Exchange", OwnQueue):
        main()
