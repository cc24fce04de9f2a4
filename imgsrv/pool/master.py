"""The master: decides, never serves.  One selector loop; nothing here may block longer than TICK_S.

Each turn of the loop makes the pool match the wish: reap who died, fork who is due, end who is not wanted.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import setproctitle

from imgsrv.errors import NoWorkerCanBoot
from imgsrv.observe.board import Board, WorkerState
from imgsrv.observe.logs import get_logger
from imgsrv.pool.exchange import Exchange
from imgsrv.pool.signals import blocked_signals, wake_on_signals
from imgsrv.pool.slot import Action, Slot, State
from imgsrv.pool.sockets import Listener
from imgsrv.pool.worker import EXIT_BOOT_FAILED, READY, Surroundings, Work, run_worker

TICK_S = 1.0

HANG_GRACE_S = 2.0
"""How long after its deadline a job may still run before its worker is replaced."""

KILL_GRACE_S = 2.0
"""After the drain limit a worker should end by itself; this much later it is killed."""

EXIT_OK, EXIT_ALL_FAILED, EXIT_NOT_DRAINED = 0, 1, 1


@dataclass
class _Child:
    slot: Slot
    line: socket.socket


@dataclass
class Master:
    """The pool of workers on one listener.

    on_ready: called once, when a worker serves and every other one does too or has failed to.
    """

    listener: Listener
    work: Work
    size: int
    on_ready: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _slots: list[Slot] = field(init=False)
    _children: dict[int, _Child] = field(init=False, default_factory=dict)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _stop_at: float | None = field(init=False, default=None)
    _has_announced: bool = field(init=False, default=False)
    _chosen: list[int] = field(init=False, default_factory=list)
    _was_forced: bool = field(init=False, default=False)
    _hung: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._slots = [Slot(index) for index in range(self.size)]
        self._board = Board(self.size)
        self._exchange = Exchange()
        self._log = get_logger()

    def run(self) -> int:
        """Keep the pool alive until a signal ends it; returns the exit status."""
        setproctitle.setproctitle(f"imgsrv: master {self.work.title}")
        for slot in self._slots:
            self.listener.for_slot(slot.index)
        with wake_on_signals(self._selector) as pending:
            while not self._is_over():
                self._match_wish()
                for key, _events in self._selector.select(self._until_next()):
                    if key.data is not None:
                        self._hear(key.data)
                for signum in pending():
                    self._obey(signum)
                self._reap()
                self._steer()
        self.listener.close()
        return self._status()

    # ---- the loop's verbs, in the order in which they run ---------------------------------------------

    def _match_wish(self) -> None:
        for slot in self._slots:
            action = slot.tick(self.clock())
            if action is Action.FORK:
                self._fork(slot)
            elif action is Action.KILL and slot.pid is not None:
                os.kill(slot.pid, signal.SIGKILL)
        for slot in self._slots:
            self._end_hung(slot)
        if self._stop_at is not None and self.clock() > self._stop_at:
            self._kill_all()

    def _until_next(self) -> float:
        due = [slot.due - self.clock() for slot in self._slots if slot.state is State.BACKOFF]
        return max(0.0, min([TICK_S, *due]))

    def _hear(self, child: _Child) -> None:
        """A worker says that it is ready, or why it cannot be."""
        try:
            message = child.line.recv(4096)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if not message:
            # Its exit is reaped when SIGCHLD tells; until then there is nothing more to hear.
            self._forget(child.line)
        elif message == READY:
            child.slot.became_ready(self.clock())
            self._log.info("worker_ready", slot=child.slot.index, pid=child.slot.pid)
        else:
            child.slot.boot_failed(message.decode(errors="replace").removeprefix("failed "))

    def _obey(self, signum: int) -> None:
        if signum not in (signal.SIGTERM, signal.SIGINT):
            return
        if self._stop_at is not None:
            self._was_forced = True
            self._kill_all()
            return
        self._log.info("stopping", signal=signal.Signals(signum).name, drain_s=self.work.drain_s)
        self._stop_at = self.clock() + self.work.shutdown_delay_s + self.work.drain_s + KILL_GRACE_S
        # The workers have copies: with the last of them the port is closed, however long the rest of a drain takes.
        self.listener.leave()
        for row in self._board.rows():
            row.set("is_stopping", 1)
        for slot in self._slots:
            if slot.stop() is Action.TERMINATE and slot.pid is not None:
                os.kill(slot.pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Every child that is gone, not one for each SIGCHLD: the kernel folds several into one."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As process 1 of a container the master is also handed strangers' children.
            if (child := self._children.pop(pid, None)) is not None:
                self._bury(child, pid, os.waitstatus_to_exitcode(status))

    def _steer(self) -> None:
        """New connections go to the slots that serve; to all, to wait there, where none does."""
        if self._stop_at is not None:
            return
        ready = [slot.index for slot in self._slots if slot.state is State.READY]
        chosen = ready or [slot.index for slot in self._slots]
        if chosen != self._chosen:
            self._chosen = chosen
            self.listener.choose(chosen)
        is_settled = all(slot.state is not State.STARTING or slot.boot_failures for slot in self._slots)
        if ready and is_settled and not self._has_announced:
            self._has_announced = True
            self.on_ready()

    # ---- what the verbs are made of -------------------------------------------------------------------

    def _end_hung(self, slot: Slot) -> None:
        """Replace a worker whose engine is stuck: its client was answered 504 at the deadline, others wait for it.

        It is asked to finish with its clients first; one that cannot even hear that is killed.
        """
        row = self._board.row(slot.index)
        if slot.pid is None or not row["job_began_us"]:
            return
        late_s = self.clock() - row["job_deadline_us"] * 1e-6
        if late_s > HANG_GRACE_S + self.work.drain_s:
            os.kill(slot.pid, signal.SIGKILL)
        elif late_s > HANG_GRACE_S and slot.pid not in self._hung:
            self._hung.add(slot.pid)
            self._log.warning("job_hangs", slot=slot.index, pid=slot.pid, late_s=round(late_s, 1))
            os.kill(slot.pid, signal.SIGTERM)

    def _fork(self, slot: Slot) -> None:
        try:
            pid, line = self._split(slot)
        except OSError as error:
            slot.fork_failed(self.clock(), f"cannot fork: {error.strerror}")
            self._log.error("fork_failed", slot=slot.index, reason=error.strerror)
            return
        slot.forked(pid, self.clock())
        self._board.row(slot.index).add("starts")
        child = _Child(slot, line)
        self._children[pid] = child
        self._selector.register(line, selectors.EVENT_READ, child)

    def _split(self, slot: Slot) -> tuple[int, socket.socket]:
        """The pid of a new worker and the master's end of its line."""
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.enter_context(ours).setblocking(False)
            master_pid = os.getpid()
            with theirs, blocked_signals():
                pid = os.fork()
                if pid == 0:
                    ours.close()  # or the worker would hold its own line open and never see the master die
                    self._become_worker(slot, theirs, master_pid)
            undo.pop_all()
        return pid, ours

    def _become_worker(self, slot: Slot, line: socket.socket, master_pid: int) -> None:
        """Drop what is the master's, live as a worker, and leave by the one exit there is."""
        status = EXIT_BOOT_FAILED
        try:
            signal.set_wakeup_fd(-1)  # or the child's signals would wake the master
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(signum, signal.SIG_DFL)  # the master's handlers; blocked until the worker has its own
            self._selector.close()  # its epoll is shared with the master
            for sibling in self._children.values():
                sibling.line.close()  # or a sibling would not see the master die while this one lives
            self.listener.keep_only(slot.index)  # or the port would outlive the master in this process
            random.seed()  # or every worker would draw the same numbers
            given = Surroundings(
                slot.index, self.listener.for_slot(slot.index), self._exchange, self._board, line, master_pid
            )
            status = run_worker(self.work, given)
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _bury(self, child: _Child, pid: int, exit_code: int) -> None:
        self._hear(child)  # its last words may have come since the loop last listened
        self._forget(child.line)
        child.line.close()
        slot = child.slot
        was_wanted = slot.state is not State.DRAINING
        slot.exited(self.clock(), _reason(exit_code))
        self._clear_row(slot)
        if slot.state is State.FAILED:
            self.listener.turn_away(slot.index)
        if was_wanted:
            self._board.row(slot.index).add("deaths")
        level = self._log.warning if was_wanted else self._log.info
        level("worker_exit", slot=slot.index, pid=pid, reason=_reason(exit_code), next=slot.state.value)
        if exit_code not in (0, -signal.SIGTERM) and not was_wanted:
            self._was_forced = True

    def _forget(self, line: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(line)

    def _clear_row(self, slot: Slot) -> None:
        """What a dead worker cannot take back: the row has no other writer until the next is forked."""
        row = self._board.row(slot.index)
        row.set("state", WorkerState.GONE)
        row.set("connections", 0)
        row.set("job_began_us", 0)

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _is_over(self) -> bool:
        over = (State.GONE, State.FAILED) if self._stop_at is not None else (State.FAILED,)
        return all(slot.state in over for slot in self._slots)

    def _status(self) -> int:
        if self._stop_at is None:
            raise NoWorkerCanBoot(next(slot.reason for slot in self._slots if slot.reason))
        return EXIT_NOT_DRAINED if self._was_forced else EXIT_OK


def _reason(exit_code: int) -> str:
    """How a process ended, in words; most real-time signals have no name."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
