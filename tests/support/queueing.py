"""Helpers for tests of the queue: bodies in memory, jobs on an exchange, and budgets of memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.pool.worker.exchange import REPLY, Exchange, Parcel, Reply
from imgsrv.web.memory_budget import MemoryBudget

SOON_S = 5.0


@dataclass
class Waiting:
    """A queue of which only the length is known."""

    length: int
    dear: int = 0

    def waiting(self) -> int:
        return self.length

    def waiting_cheap(self) -> int:
        return self.length - self.dear

    def waiting_dear(self) -> int:
        return self.dear


class Clock:
    """The one thing that is faked: time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def memory(content: bytes) -> Iterator[int]:
    """The descriptor of a memory file."""
    file = os.memfd_create("test")
    try:
        os.write(file, content)
        yield file
    finally:
        os.close(file)


def submit(exchange: Exchange, plan: bytes, body: bytes = b"picture", within_s: float = 60.0) -> asyncio.Future[Reply]:
    """Queue a job whose body and plan lie in one file, as a front does."""
    file = os.memfd_create("test")
    try:
        os.write(file, body + plan)
        future = exchange.submit(file, len(body), len(plan), time.monotonic() + within_s)
    except BaseException:
        os.close(file)
        raise
    future.add_done_callback(lambda _: os.close(file))
    return future


def received(exchange: Exchange, *, is_dear: bool = False) -> Parcel:
    """The next job, which must already be in the queue."""
    parcel = exchange.receive(is_dear=is_dear)
    assert parcel is not None
    return parcel


@contextlib.contextmanager
def message(queue: socket.socket, head: bytes, plan: bytes) -> Iterator[Callable[[], bytes | None]]:
    """A message by hand, with all descriptors of a job; gives a function for what comes back, None for its end."""
    ours, theirs = os.pipe()
    with memory(plan) as file:
        socket.send_fds(queue, [head], [theirs, file])
        os.close(theirs)

        def reply() -> bytes | None:
            assert select.select([ours], [], [], SOON_S)[0]
            place = os.read(ours, 100)
            return os.pread(file, REPLY.unpack(place)[1], REPLY.unpack(place)[0]) if place else None

        yield reply
        os.close(ours)


# ---- budgets of memory --------------------------------------------------------------------------------


def budgets(limit: int, workers: int = 1, base: int = 0) -> tuple[Board, list[MemoryBudget]]:
    """A board with ready workers, and the budget as each of them sees it.  limit, base: in bytes."""
    board = Board(workers)
    for row in board.rows():
        row.set("state", WorkerState.READY)
    return board, [MemoryBudget(board, row, limit, base) for row in board.rows()]


def unlimited() -> MemoryBudget:
    """A budget that never fills."""
    return budgets(1 << 40)[1][0]
