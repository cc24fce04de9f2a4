"""The master: decides, never serves.  One selector loop; nothing here may block longer than TICK_S.

Each turn of the loop makes the pool match the wish: reap who died, fork who is due, replace who must go, end who is
not wanted.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle

import setproctitle

from imgsrv.errors import NoWorkerCanBoot
from imgsrv.observe.board import Board
from imgsrv.observe.sink import Sink
from imgsrv.pool import commands
from imgsrv.pool.child import KILL_GRACE_S, Child, WorkerLimits, exit_reason, fork_worker, last_job, proportional_bytes
from imgsrv.pool.control import Control
from imgsrv.pool.coroner import Coroner
from imgsrv.pool.crashbox import CrashBox
from imgsrv.pool.events import Events
from imgsrv.pool.exchange import Exchange
from imgsrv.pool.logkeeper import LogKeeper
from imgsrv.pool.operator import About, Operator
from imgsrv.pool.signals import Signalled, wake_on_signals
from imgsrv.pool.slot import Action, Slot, State
from imgsrv.pool.sockets import Listening
from imgsrv.pool.worker import READY, Surroundings, Work

TICK_S = 1.0

MEMORY_PERIOD_S = 5.0
"""How often a worker's memory is measured, which takes the kernel a millisecond or more."""

SPARE_ROWS = 4096
"""Of the scoreboard, for workers beside the first ones; they take no memory before they are used."""

EXIT_OK, EXIT_ALL_FAILED, EXIT_NOT_DRAINED = 0, 1, 1


@dataclass
class Master:
    """The pool of workers on one listener.

    on_ready: called once, when a worker serves and every other one does too or has failed to.
    control: where operators ask for something; without one, only signals do.
    on_turn: called in each turn of the loop with whether the pool does its work.
    """

    listener: Listening
    work: Work
    size: int
    on_ready: Callable[[], None]
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    make_exchange: Callable[[], Exchange] = Exchange
    control: Control | None = None
    about: About = field(default_factory=About)
    events: Events = field(default_factory=Events)
    coroner: Coroner = field(default_factory=Coroner)
    keeper: LogKeeper = field(default_factory=lambda: LogKeeper(Sink()))
    on_turn: Callable[[bool], None] = lambda _is_healthy: None
    clock: Callable[[], float] = time.monotonic
    children: dict[int, Child] = field(init=False, default_factory=dict)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _stop_at: float | None = field(init=False, default=None)
    _leave_at: float | None = field(init=False, default=None)
    has_announced: bool = field(init=False, default=False)
    _chosen: list[int] = field(init=False, default_factory=list)
    _was_forced: bool = field(init=False, default=False)
    _measured_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.slots = [Slot(index) for index in range(self.size)]
        self._to_measure = cycle(self.slots)
        self.board = Board(0, spare=self.size + SPARE_ROWS)
        self.exchange = self.make_exchange()
        self._operator = Operator(self)
        # The master has no row of its own and writes no other field of this one.
        self.keeper.count_lost_with(partial(self.board.row(0).add, "master_log_records_lost"))

    def run(self) -> int:
        """Keep the pool alive until a signal ends it; returns the exit status."""
        setproctitle.setproctitle(f"imgsrv: master {self.work.title}")
        for slot in self.slots:
            self.listener.for_slot(slot.index)
        if self.control is not None:
            self.control.open(self._selector, partial(commands.obey, self._operator))
        with wake_on_signals(self._selector) as pending:
            while not self._is_over():
                self._match_wish()
                for key, _events in self._selector.select(self._until_next()):
                    if key.data is not None:
                        key.data()
                for signum in pending():
                    self._obey(signum)
                if self.control is not None:
                    self.control.turn()
                self._reap()
                self._steer()
                self.on_turn(self.is_stopping or any(slot.state is State.READY for slot in self.slots))
        self.listener.close()
        self._operator.stopped()
        if self.control is not None:
            self.control.close()
        return self._exit_status()

    @property
    def is_stopping(self) -> bool:
        """The whole server is on its way out."""
        return self._stop_at is not None

    def stop(self, by: str) -> None:
        """Let every worker finish and go."""
        self.events.info("stopping", by=by, drain_s=self.work.drain_s)
        self._stop_at = self.clock() + self.work.shutdown_delay_s + self.work.drain_s + KILL_GRACE_S
        self._leave_at = self.clock() + self.work.shutdown_delay_s
        for slot in self.slots:
            slot.stop()
        # All are told before the first of them goes, so that every engine helps to the end.
        for child in self.children.values():
            child.row.set("is_stopping", 1)
        for pid in self.children:
            os.kill(pid, signal.SIGTERM)

    def end(self) -> None:
        """End every worker at once, whatever it is at."""
        self._was_forced = True
        self._kill_all()

    # ---- the loop's verbs, in the order in which they run ---------------------------------------------

    def _match_wish(self) -> None:
        now = self.clock()
        for slot in self.slots:
            action = slot.tick(now)
            if action is Action.FORK:
                self._fork(slot)
            elif action is Action.KILL and slot.booting is not None:
                os.kill(slot.booting, signal.SIGKILL)
        if not self.is_stopping:
            self._replace_who_must_go(now)
        for child in self.children.values():
            if child.is_overdue(now, self.work.drain_s):
                os.kill(child.pid, signal.SIGKILL)
        if self._leave_at is not None and now >= self._leave_at:
            # The workers have copies: with the last of them the port is closed, however long the rest of a drain takes.
            self.listener.leave()
            self._leave_at = None
        if self._stop_at is not None and now > self._stop_at:
            self._kill_all()
        self.keeper.tick(self.children)

    def _until_next(self) -> float:
        if self.control is not None and self.control.has_work():
            return 0.0
        due = [slot.due for slot in self.slots if slot.state is State.BACKOFF]
        due += [] if self._leave_at is None else [self._leave_at]
        return max(0.0, min([TICK_S, *(moment - self.clock() for moment in due)]))

    def _hear(self, child: Child) -> None:
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
            replaced = child.slot.became_ready(child.pid, self.clock())
            self.events.info("worker_ready", slot=child.slot.index, pid=child.pid)
            if replaced is not None:
                self.children[replaced].retire(self.clock())
        else:
            child.slot.boot_failed(message.decode(errors="replace").removeprefix("failed "))

    def _obey(self, signum: int) -> None:
        """A signal asks for what its row among the commands says; the second that asks for an end gets it at once."""
        if (asked := commands.SIGNALS.get(signum)) is not None:
            command, argument = asked
            is_repeated = command.name == "stop" and self.is_stopping
            caller = Signalled(signal.Signals(signum), self.events)
            command.run(self._operator, caller, commands.AT_ONCE if is_repeated else argument)

    def _reap(self) -> None:
        """Every child that is gone, not one for each SIGCHLD: the kernel folds several into one."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            # As process 1 of a container the master is also handed strangers' children.
            if (child := self.children.pop(pid, None)) is not None:
                self._bury(child, os.waitstatus_to_exitcode(status))
            self.coroner.reaped(pid)

    def _steer(self) -> None:
        """New connections go to the slots that serve; to all, to wait there, where none does."""
        if self.is_stopping:
            return
        ready = [slot.index for slot in self.slots if slot.state is State.READY]
        chosen = ready or [slot.index for slot in self.slots]
        if chosen != self._chosen:
            self._chosen = chosen
            self.listener.choose(chosen)
        is_settled = all(slot.state is not State.STARTING or slot.boot_failures for slot in self.slots)
        if ready and is_settled and not self.has_announced:
            self.has_announced = True
            self.on_ready()

    # ---- what the verbs are made of -------------------------------------------------------------------

    def _replace_who_must_go(self, now: float) -> None:
        """A worker that cannot serve goes at once; one that can when its successor is ready, one at a time."""
        measured = self._slots_to_measure(now)
        is_busy = any(slot.successor is not None for slot in self.slots) or any(
            child.retired_at is not None and not child.is_hung for child in self.children.values()
        )
        for child in [self.children[slot.pid] for slot in self.slots if slot.state is State.READY and slot.pid]:
            slot = child.slot
            memory = proportional_bytes(child.pid) if slot in measured else None
            reason = child.reason_to_replace(now, memory, self.limits.memory)
            if reason in ("hang", "signal"):
                child.is_hung = reason == "hang"
                self._note_replacement(child, reason)
                child.retire(now)
                slot.abandon(now)
            elif reason is not None and not is_busy and slot.may_be_replaced(now):
                is_busy = True
                self._note_replacement(child, reason)
                self._fork(slot)

    def _slots_to_measure(self, now: float) -> list[Slot]:
        """The slots whose turn it is, so that each is measured once in a period."""
        due = int((now - self._measured_at) * self.size / MEMORY_PERIOD_S) if self.limits.memory else 0
        if due:
            self._measured_at = now
        return [next(self._to_measure) for _ in range(min(due, self.size))]

    def _note_replacement(self, child: Child, reason: str) -> None:
        child.row.add(f"replaced_{reason}")
        level = self.events.warning if reason == "hang" else self.events.info
        level("worker_replaced", slot=child.slot.index, pid=child.pid, reason=reason)

    def _fork(self, slot: Slot) -> None:
        try:
            child = self._new_child(slot)
        except OSError as error:
            slot.fork_failed(self.clock(), f"cannot fork: {error.strerror}")
            self.events.error("fork_failed", slot=slot.index, reason=error.strerror)
            return
        slot.forked(child.pid, self.clock())
        child.row.add("starts")
        self.children[child.pid] = child
        self._selector.register(child.line, selectors.EVENT_READ, partial(self._hear, child))

    def _new_child(self, slot: Slot) -> Child:
        index = self.board.free_row({child.row_index for child in self.children.values()})
        row = self.board.row(index)
        row.set("slot", slot.index)
        row.set("is_retired", 0)
        theirs = [each for child in self.children.values() for each in (child.line, child.box)]
        given = Surroundings(slot.index, row, self.listener, self.exchange, self.board, os.getpid(), CrashBox())
        pid, line = fork_worker(self.work, given, self._let_go, theirs)
        return Child(pid, slot, row, index, line, last_job(row, self.limits.jobs), self.clock(), box=given.box)

    def _let_go(self) -> None:
        """In a worker: close what is the master's."""
        self._selector.close()  # its epoll is shared
        if self.control is not None:
            self.control.let_go()

    def _bury(self, child: Child, exit_code: int) -> None:
        self._hear(child)  # its last words may have come since the loop last listened
        self._forget(child.line)
        child.line.close()
        child.clear_row()
        slot, reason = child.slot, exit_reason(exit_code)
        was_wanted = child.retired_at is None and not self.is_stopping
        slot.exited(child.pid, self.clock(), reason)
        if slot.state is State.FAILED:
            self.listener.turn_away(slot.index)
        self.coroner.examine(child, 0 if self.is_stopping else exit_code, reason)
        if was_wanted:
            child.row.add("deaths")
        elif exit_code not in (0, -signal.SIGTERM) and self.is_stopping:
            self._was_forced = True
        level = self.events.warning if was_wanted else self.events.info
        level("worker_exit", slot=slot.index, pid=child.pid, reason=reason, next=slot.state.value)

    def _forget(self, line: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(line)

    def _kill_all(self) -> None:
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)

    def _is_over(self) -> bool:
        over = (State.GONE, State.FAILED) if self.is_stopping else (State.FAILED,)
        return not self.children and all(slot.state in over for slot in self.slots)

    def _exit_status(self) -> int:
        if not self.is_stopping:
            raise NoWorkerCanBoot(next(slot.reason for slot in self.slots if slot.reason))
        return EXIT_NOT_DRAINED if self._was_forced else EXIT_OK
