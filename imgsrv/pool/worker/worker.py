"""The worker: a front on the main thread, an engine beside it, from the fork to the one exit.

It tells the master over its line when it is ready, or why it cannot be.  It reads end-of-file there when the master is
gone, however the master died.  SIGTERM tells it to go.  It goes together with all workers if the scoreboard says that
the server stops, or if the master is gone; otherwise it goes alone, and its successor accepts what waits in its accept
queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import setproctitle
import uvloop

from imgsrv.errors import BadArgument, HookFailed, ImgsrvError
from imgsrv.observe.log.logger import Logger, get_logger
from imgsrv.observe.log.sink import Sink
from imgsrv.observe.scoreboard import Board, Row, WorkerState
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.signals import HANDLED
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.engine import BEAT_S, Engine, Helpers, Perform, Telling
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.hooks import Hooks
from imgsrv.pool.worker.turns import Turns

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
"""linux/prctl.h."""

READY = b"ready"

FAILED = b"failed "
"""The beginning of the message of a worker that cannot boot; the reason follows."""

LONGEST_MESSAGE = 4096

KILL_JOB = struct.Struct("<Q")
"""The only message of a master on the line: kill the job that began at this time (job_began_us of the board)."""

DRAIN_POLL_S = 0.005
"""How often to look at what has no event: an empty accept queue, the end of a thread, a sibling's row."""

MASTER_SPEAKS_S = 0.2
"""After a signal the master has so long to say on the scoreboard that the server stops; until then work goes on."""

STUBBORN_S = 2.0
"""The worker is ended if a hook has not ended so long after its time limit."""

EXIT_OK, EXIT_CRASHED, EXIT_BOOT_FAILED, EXIT_DRAIN_TIMEOUT = 0, 1, 3, 4


class Front(Protocol):
    """The server of a worker's clients.  It is made outside, because the pool knows nothing of HTTP."""

    async def start(self, listening: socket.socket) -> None:
        """Accept connections from the socket."""
        ...

    def begin_drain(self) -> None:
        """Tell every client with its next answer that the connection closes."""
        ...

    def stop_accepting(self) -> None:
        """Close the listening socket."""
        ...

    async def finished(self) -> None:
        """Return when no client is left."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a pool's workers; server/parts.py makes it.

    make_front: called in each worker with the exchange, the board and the worker's own row.
    self_test: raises if a worker could not do its work; the operator gets the reason.
    drain_s, shutdown_delay_s: the settings of these names, in seconds.  title: for `ps`.
    send_s: the longest time beyond drain_s for clients that still read their answers, in seconds.
    hooks: the operator's functions to call in each worker.
    become: changes to the user that the worker runs as.
    sink: the log.  telling: what the log reports of jobs.
    helpers: the processes in which codecs of an engine run.
    shared: memory that workers of the next image share too, by a name; each with the descriptor of its `file`.
    """

    make_front: Callable[[Exchange, Board, Row], Front]
    perform: Perform
    self_test: Callable[[], None]
    drain_s: float
    shutdown_delay_s: float
    title: str
    hooks: Hooks = field(default_factory=Hooks)
    become: Callable[[], None] = lambda: None
    sink: Sink = field(default_factory=Sink)
    telling: Telling = field(default_factory=Telling)
    helpers: Helpers = field(default_factory=Helpers)
    send_s: float = 0.0
    shared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a worker inherits over the fork."""

    slot: int
    row: Row
    listener: Listener
    exchange: Exchange
    board: Board
    master_pid: int
    box: CrashBox

    def server_stops(self) -> bool:
        """Return whether the whole server stops, or has lost its master."""
        return bool(self.row["is_stopping"]) or os.getppid() != self.master_pid


def run_worker(work: Work, given: Surroundings, line: socket.socket) -> int:
    """Live as a worker; return the exit status.  line: the socket to the master."""
    # The master's count, which the sink has until now, is in memory that a worker may only read.
    work.sink.count_lost_with(partial(given.row.add, "log_records_lost"))
    try:
        work.become()
    except BadArgument as error:
        return _cannot_boot(line, get_logger().bind(slot=given.slot, pid=os.getpid()), error, None)
    # This comes after the change of the user, at which the kernel resets it.
    die_with_master(given.master_pid)
    gain_no_privileges()
    given.box.watch_signals()
    setproctitle.setproctitle(f"imgsrv: worker {given.slot} {work.title}")
    try:
        with given.box.ending_after(work.hooks.limit_s + STUBBORN_S):
            work.hooks.call_start(given.slot)
    except HookFailed as error:
        # A slot tries several times, and the traceback would be the same.
        shown = error.__cause__ if given.row["starts"] <= 1 else None
        return _cannot_boot(line, get_logger().bind(slot=given.slot, pid=os.getpid()), error, shown)
    try:
        status = uvloop.run(_live(work, given, line))
    # The last place to report a fault of ours: nothing above this frame could.
    except Exception:  # noqa: BLE001
        get_logger().exception("worker_crashed", slot=given.slot)
        status = EXIT_CRASHED
    with given.box.ending_after(work.hooks.limit_s + STUBBORN_S):
        work.hooks.call_stop(given.slot)
    return status


async def _live(work: Work, given: Surroundings, line: socket.socket) -> int:
    log = get_logger().bind(slot=given.slot, pid=os.getpid())
    row = given.row
    _reset(row)
    _reopen_on_signal(work.sink)
    stop, has_crashed, is_orphan = asyncio.Event(), asyncio.Event(), asyncio.Event()
    crashed, turns = _from_thread(has_crashed, stop), Turns(given.board, row)
    engine = Engine(given.exchange, work.perform, row, log, crashed, work.telling, given.box, turns, work.helpers)
    _listen_to_the_master(line, stop, is_orphan, engine.kill_job)
    try:
        work.self_test()
        front = work.make_front(given.exchange, given.board, row)
        await front.start(given.listener.for_slot(given.slot))
    # Any error in the boot ends this worker only, and goes to the operator.
    except Exception as error:  # noqa: BLE001
        return _cannot_boot(line, log, error, error)
    engine.start()
    _beat(asyncio.get_running_loop(), row, work.sink)
    row.set("state", WorkerState.READY)
    _tell(line, READY)
    await stop.wait()
    row.set("state", WorkerState.DRAINING)
    status = EXIT_CRASHED if has_crashed.is_set() else EXIT_OK
    try:
        async with asyncio.timeout(work.shutdown_delay_s + work.drain_s):
            await _until_known(given, is_orphan)
            if is_orphan.is_set() or given.server_stops():
                await _leave_with_all(front, engine, given, work.shutdown_delay_s)
            else:
                await _leave_alone(front, engine, given)
    except TimeoutError:
        await _until_read(front, engine, row, work.send_s)
        # Without clients of its own it only helped a sibling, which reports its own timeout.
        status = EXIT_DRAIN_TIMEOUT if row["connections"] else status
    row.set("state", WorkerState.GONE)
    row.set("connections", 0)
    row.set("sending", 0)
    log.debug("worker_done", status=status)
    return status


def _beat(loop: asyncio.AbstractEventLoop, row: Row, sink: Sink) -> None:
    """Show the master that this loop still turns, now and until it ends, and write records that had no room."""
    row.add("front_beats")
    sink.flush()
    loop.call_later(BEAT_S, _beat, loop, row, sink)


def _cannot_boot(line: socket.socket, log: Logger, error: Exception, shown: BaseException | None) -> int:
    """Log the error and tell the master the reason.  shown: the error whose traceback is logged, too."""
    reason = str(error) if isinstance(error, ImgsrvError) else f"{type(error).__name__}: {error}"
    log.error("worker_boot_failed", reason=reason, exc_info=shown)
    _tell(line, (FAILED + reason.encode(errors="replace"))[:LONGEST_MESSAGE])
    return EXIT_BOOT_FAILED


async def _until_known(given: Surroundings, is_orphan: asyncio.Event) -> None:
    """Wait until it is known who goes: a signal to the process group may come before the master has marked the rows."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MASTER_SPEAKS_S):
            await _until(lambda: bool(given.row["is_retired"]) or given.server_stops() or is_orphan.is_set())


async def _leave_with_all(front: Front, engine: Engine, given: Surroundings, delay_s: float) -> None:
    """Finish what is in flight; no client is dropped that was accepted or waits to be.

    The engine goes last.  It helps while a sibling that drains has clients, because it may work on their jobs.
    """
    front.begin_drain()
    await asyncio.sleep(delay_s)
    given.listener.refuse_new(given.slot)
    await _until(lambda: not given.listener.has_waiting(given.slot))
    front.stop_accepting()
    given.listener.let_go()
    await front.finished()
    await _until(lambda: not any(_needs_help(row) for row in given.board.rows()))
    await _stop_engine(engine)


async def _leave_alone(front: Front, engine: Engine, given: Surroundings) -> None:
    """Finish with its own clients; the workers that stay accept those who wait, and do the jobs of other fronts.

    If the slot goes too, it first accepts those who wait, because no other worker would.
    """
    if given.row["is_leaving"] and given.listener.has_queues:
        await _until(lambda: not given.listener.has_waiting(given.slot))
    front.stop_accepting()
    given.listener.let_go()
    front.begin_drain()
    await front.finished()
    await _stop_engine(engine)


async def _until_read(front: Front, engine: Engine, row: Row, longest_s: float) -> None:
    """Wait for the clients that still read complete answers; all others have had their time."""
    front.stop_accepting()
    engine.stop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(longest_s):
            await _until(lambda: not row["sending"])


async def _stop_engine(engine: Engine) -> None:
    engine.stop()
    # After a stop it takes no further job, so an engine that works for nobody stays so.
    await _until(lambda: not engine.is_alive() or engine.works_for_nobody())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  there is no event to wait for
        await asyncio.sleep(DRAIN_POLL_S)


def _needs_help(row: Row) -> bool:
    """Return whether a sibling has clients and goes too; the master marks all rows before the first worker goes."""
    return bool(row["is_stopping"] or row["state"] == WorkerState.DRAINING) and row["connections"] > 0


def _from_thread(*events: asyncio.Event) -> Callable[[], None]:
    """Return a function that sets the events of this loop from another thread."""
    loop = asyncio.get_running_loop()

    def set_all() -> None:
        for event in events:
            loop.call_soon_threadsafe(event.set)

    return set_all


def _listen_to_the_master(
    line: socket.socket, stop: asyncio.Event, is_orphan: asyncio.Event, kill_job: Callable[[int], None]
) -> None:
    """Stop on SIGTERM, and on a closed line, which says that the master is dead.  Both may come, several times.

    A second signal to the master, which ends everything at once, arrives here as SIGKILL.
    """
    loop = asyncio.get_running_loop()

    def read_line() -> None:
        with contextlib.suppress(BlockingIOError):
            if message := line.recv(KILL_JOB.size):
                kill_job(*KILL_JOB.unpack(message))
                return
        loop.remove_reader(line)
        is_orphan.set()
        stop.set()

    line.setblocking(False)
    loop.add_reader(line, read_line)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches the whole process group; the master sends SIGTERM for it.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    # A terminal that closes sends SIGHUP to the group too; the master reloads on it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _reopen_on_signal(sink: Sink) -> None:
    """Open the log file again on SIGUSR1, with which the master says that the file was moved.

    This is no handler of the loop: those end with the loop, and then the signal would end the process.
    """
    loop = asyncio.get_running_loop()

    def reopen() -> None:
        if not sink.reopen():
            get_logger().warning("log_not_reopened", reason=sink.fault, pid=os.getpid())

    def wake(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(reopen)

    signal.signal(signal.SIGUSR1, wake)


def _tell(line: socket.socket, message: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        line.send(message)


def _reset(row: Row) -> None:
    """Clear the gauges that an earlier worker left in the row; its counters go on."""
    row.set("pid", os.getpid())
    row.set("state", WorkerState.STARTING)
    row.set("connections", 0)
    row.set("sending", 0)
    row.set("unsent_bytes", 0)
    row.set("job_began_us", 0)


def gain_no_privileges() -> None:
    """Give up for good, for this process and its children, what a setuid program or a file's capabilities would add."""
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with_master(master_pid: int) -> None:
    """Ask the kernel for a SIGTERM when the master dies, in case the closed line is not noticed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != master_pid:
        os.kill(os.getpid(), signal.SIGTERM)
