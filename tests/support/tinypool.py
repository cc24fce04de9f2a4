"""A pool without pictures, as a program: the real master, workers and exchange, with a front that speaks lines.

    python tests/support/tinypool.py SCENARIO …

A client sends a number, the seconds that its job is to take, and gets `front-pid engine-pid`; or `board` and gets the
states of all workers; or what a job is to do: `leave`, `sleep` or `hold` for ever without or with the interpreter's
lock, `eat` memory and keep it, `scribble` over its own row of the scoreboard or, with `all`, over all that it can
write, and die, `babble` to the master.  A scenario is what goes wrong.  Whatever follows it on the command line is
ignored, so that tests/support/serving.py can start it as it starts the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imgsrv.pool.child
import imgsrv.pool.slot
import imgsrv.pool.supervise.recycle
from imgsrv.errors import NoWorkerCanBoot, WorkerLost
from imgsrv.observe.fields import FIELDS, WORKER_FIELDS
from imgsrv.observe.log.configure import configure_logs
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.scoreboard import Board, Row, WorkerState
from imgsrv.pool.child import WorkerLimits
from imgsrv.pool.listen.tcp import TcpListener
from imgsrv.pool.master import Master
from imgsrv.pool.roster import Roster
from imgsrv.pool.worker.exchange import Exchange, Reply
from imgsrv.pool.worker.worker import PR_SET_PDEATHSIG, Work

FORKS_REFUSED = 3

JOB_LIMIT_S = 4.0

FIRST_ROWS = 2
"""Of the scoreboard: those of the first workers; successors get the rows behind them."""

MEAL_BYTES = 100 << 20

_eaten: list[bytes] = []

_boards: list[Board] = []
"""The board of this process, for jobs that scribble on it."""


class LineFront:
    """A front that answers each line with the result of an engine."""

    def __init__(self, exchange: Exchange, board: Board) -> None:
        self._exchange, self._board = exchange, board
        _boards.append(board)
        self._row = own_row(board)
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._serve, sock=listening)

    def begin_drain(self) -> None:
        """Do nothing: each connection ends after its one answer."""

    def stop_accepting(self) -> None:
        self._server.close()

    async def finished(self) -> None:
        while self._clients:
            await asyncio.wait(self._clients)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self._row.set("connections", len(self._clients))
        try:
            line = (await reader.readline()).strip()
            if line:
                writer.write(await self._answer(line) + b"\n")
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            self._clients.discard(task)
            self._row.set("connections", len(self._clients))

    async def _answer(self, line: bytes) -> bytes:
        if line == b"board":
            return b" ".join(WorkerState(row["state"]).name.encode() for row in self._board.rows())
        file = os.memfd_create("plan")
        os.write(file, line)
        try:
            async with asyncio.timeout(JOB_LIMIT_S):
                message, _result = await self._exchange.submit(file, 0, len(line), time.monotonic() + JOB_LIMIT_S)
        except WorkerLost as error:
            message = error.code.encode()
        except TimeoutError:
            message = b"job_timeout"
        finally:
            os.close(file)
        return b"%d %b" % (os.getpid(), message)


def own_row(board: Board) -> Row:
    return next(row for row in board.rows() if row["pid"] == os.getpid())


def is_slot(board: Board, slot: int) -> bool:
    return own_row(board)["slot"] == slot


def make_front(exchange: Exchange, board: Board, _row: Row) -> LineFront:
    return LineFront(exchange, board)


def perform(_body: int, plan: bytes) -> Reply:
    get_logger().info("job", pid=os.getpid())
    if plan == b"leave":
        sys.exit("a codec called exit()")
    if plan == b"hold":
        ctypes.PyDLL(None).sleep(1000)  # which, other than CDLL, keeps the lock
    if plan.startswith(b"scribble"):
        scribble(everywhere=plan.endswith(b"all"))
    if plan == b"babble":
        babble()
    if plan == b"eat":
        _eaten.append(b"x" * MEAL_BYTES)
        return b"%d" % os.getpid(), b""
    time.sleep(1000 if plan == b"sleep" else float(plan))
    return b"%d" % os.getpid(), b""


def scribble(*, everywhere: bool) -> None:
    """Write the largest number into each cell, as a worker might that a picture has taken over."""
    (board,) = _boards
    own = own_row(board)
    for row, fields in [(own, WORKER_FIELDS), *((each, FIELDS) for each in board.rows() if everywhere)]:
        for field in fields:
            row.set(field, 2**64 - 1)
    os.kill(os.getpid(), signal.SIGKILL)


def babble() -> None:
    """Send messages to the master that no worker sends."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(link.name))) as found:
            if found.family == socket.AF_UNIX and found.type & socket.SOCK_SEQPACKET:
                found.send(b"\x1b[2J ready?")


# ---- scenarios --------------------------------------------------------------------------------------------


def slot_1_fails(exchange: Exchange, board: Board, row: Row) -> LineFront:
    if is_slot(board, 1):
        raise RuntimeError("no codec")
    return make_front(exchange, board, row)


def slot_1_fails_last(exchange: Exchange, board: Board, row: Row) -> LineFront:
    """Only once slot 0 has long been ready, so that no event but this death can tell the master anything."""
    while is_slot(board, 1) and board.row(0)["state"] != WorkerState.READY:
        time.sleep(0.001)
    return slot_1_fails(exchange, board, row)


def slot_1_hangs(exchange: Exchange, board: Board, row: Row) -> LineFront:
    if is_slot(board, 1):
        signal.pause()
        time.sleep(1000)
    return make_front(exchange, board, row)


def all_fail(_exchange: Exchange, _board: Board, _row: Row) -> LineFront:
    raise RuntimeError("no codec")


class UndrainableFront(LineFront):
    """A front whose drain fails."""

    async def finished(self) -> None:
        raise RuntimeError("a fault in the front")


def drain_fails(exchange: Exchange, board: Board, _row: Row) -> LineFront:
    return UndrainableFront(exchange, board)


def without_death_signal(exchange: Exchange, board: Board, row: Row) -> LineFront:
    """The kernel does not tell a worker that its master is dead: only the closed line does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)
    return make_front(exchange, board, row)


def successors_fail(exchange: Exchange, board: Board, row: Row) -> LineFront:
    if own_row(board)["pid"] not in [board.row(index)["pid"] for index in range(FIRST_ROWS)]:
        raise RuntimeError("no codec")
    return make_front(exchange, board, row)


FRONTS: dict[str, Callable[[Exchange, Board, Row], LineFront]] = {
    made.__name__: made
    for made in (
        slot_1_fails,
        slot_1_fails_last,
        slot_1_hangs,
        all_fail,
        drain_fails,
        without_death_signal,
        successors_fail,
    )
}


LIMITS = {
    "few_jobs": WorkerLimits(jobs=5),
    "successors_fail": WorkerLimits(jobs=5),
    "meals": WorkerLimits(memory=MEAL_BYTES),
    "watched": WorkerLimits(silence_s=3.0),
}


def refuse_forks() -> None:
    """At first, forks fail for lack of resources."""
    fork, refused = os.fork, iter(range(FORKS_REFUSED))

    def refusing() -> int:
        if next(refused, None) is not None:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    os.fork = refusing


def main() -> int:
    """Serve; returns the exit status."""
    scenario = sys.argv[1]
    configure_logs("json", "info")
    if scenario == "hasty":
        imgsrv.pool.slot.FIRST_DELAY_S = 0.0
    elif scenario == "slot_1_hangs":
        imgsrv.pool.slot.BOOT_LIMIT_S = 0.5
    elif scenario == "hangs":
        imgsrv.pool.child.HANG_GRACE_S = imgsrv.pool.child.DEAF_S = 0.2
    elif scenario == "meals":
        imgsrv.pool.child.PROVEN_S = imgsrv.pool.supervise.recycle.MEMORY_PERIOD_S = 0.1
    elif scenario == "forks_are_refused":
        refuse_forks()
    work = Work(FRONTS.get(scenario, make_front), perform, lambda: None, drain_s=20, shutdown_delay_s=0, title="tiny")
    with TcpListener("127.0.0.1", 0, 128) as listener:
        announce = partial(get_logger().info, "serving", port=listener.port)
        try:
            return Master(Roster(listener, work, 2, LIMITS.get(scenario, WorkerLimits())), announce).run()
        except NoWorkerCanBoot as error:
            print(error, file=sys.stderr)  # noqa: T201  a program
            return 1


if __name__ == "__main__":
    sys.exit(main())
