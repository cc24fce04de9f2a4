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

import setproctitle

from imgsrv.errors import NoWorkerCanBoot
from imgsrv.observe.log.sink import Sink
from imgsrv.observe.scoreboard import SPARE_ROWS, Board
from imgsrv.pool.child import KILL_GRACE_S, Child, WorkerLimits, exit_reason, fork_worker, last_job
from imgsrv.pool.control import commands
from imgsrv.pool.control.control_socket import Control
from imgsrv.pool.control.operator import About, Operator
from imgsrv.pool.events import Events
from imgsrv.pool.listen.tcp import Listening
from imgsrv.pool.reload.exec import State as Inherited
from imgsrv.pool.reload.state import restore
from imgsrv.pool.signals import Signalled, hold_back, wake_on_signals
from imgsrv.pool.slot import Action, Slot, State
from imgsrv.pool.supervise.coroner import Coroner
from imgsrv.pool.supervise.log_keeper import LogKeeper
from imgsrv.pool.supervise.recycle import Replacing
from imgsrv.pool.supervise.steer import Steering
from imgsrv.pool.supervise.suspension import Suspension
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.worker import READY, Surroundings, Work

TICK_S = 1.0

EXIT_OK, EXIT_NOT_DRAINED = 0, 1

EXIT_TO_BEGIN_ANEW = 5
"""Whoever runs the master is to execute the program again, in the same process; signals wait until then."""


@dataclass
class Master:
    """The pool of workers on one listener.

    on_ready: called once, when a worker serves and every other one does too or has failed to.
    control: where operators ask for something; without one, only signals do.
    on_turn: called in each turn of the loop with whether the pool does its work.
    inherited: what an earlier image of this process has handed over.
    past: the row of the board in which counts of another version's board are kept.
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
    inherited: Inherited | None = None
    generation: int = field(init=False, default=1)
    past: int | None = field(init=False, default=None)
    children: dict[int, Child] = field(init=False, default_factory=dict)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _stop_at: float | None = field(init=False, default=None)
    _leave_at: float | None = field(init=False, default=None)
    has_announced: bool = field(init=False, default=False)
    _was_forced: bool = field(init=False, default=False)
    unheard_signals: Callable[[], bytes] = field(init=False, default=bytes)

    def __post_init__(self) -> None:
        self.slots = [Slot(index) for index in range(self.size)]
        if self.inherited is None:
            self.board = Board(0, spare=self.size + SPARE_ROWS)
        else:
            restore(self, self.inherited)
        # One for each generation: no engine gets a job from a front of other code.
        self.exchange = self.make_exchange()
        self._operator, self.replacing, self._steering = Operator(self), Replacing(self), Steering(self.listener)
        self._suspension = Suspension(self.events)
        # The master has no row of its own and writes no other field of this one.
        self.keeper.count_lost_with(partial(self.board.row(0).add, "master_log_records_lost"))

    def run(self) -> int:
        """Keep the pool alive until a signal ends it; returns the exit status."""
        self._open()
        with wake_on_signals(self._selector) as self.unheard_signals:
            while not self._is_over():
                self._match_wish()
                for key, _events in self._selector.select(self._until_next()):
                    if key.data is not None:
                        key.data()
                for signum in self.unheard_signals():
                    self._obey(signum)
                if self.control is not None:
                    self.control.turn()
                self._reap()
                self._steer()
                self.on_turn(self.is_stopping or any(slot.state is State.READY for slot in self.slots))
            self._operator.stopped()
            self.listener.close()
            if self.control is not None:
                self.control.close()
            if self._operator.then_restarts:
                # Who stops the server now is heard by what it becomes.
                hold_back(self.unheard_signals)
                return EXIT_TO_BEGIN_ANEW
        return self._exit_status()

    def _open(self) -> None:
        """Be there for clients and operators; in the place of an earlier image, for those that it had."""
        setproctitle.setproctitle(f"imgsrv: master {self.work.title}")
        for slot in self.slots:
            self.listener.for_slot(slot.index)
        for child in self.children.values():
            self._selector.register(child.line, selectors.EVENT_READ, partial(self._hear, child))
        if self.control is not None:
            self.control.open(self._selector, partial(commands.obey, self._operator))
        if self.inherited is not None:
            self._operator.roll_out(self.inherited)

    @property
    def is_stopping(self) -> bool:
        """The whole server is on its way out."""
        return self._stop_at is not None

    def stop(self, by: str) -> None:
        """Let every worker finish and go."""
        self.events.info("stopping", by=by, drain_s=self.work.drain_s, restarts=self._operator.then_restarts)
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
        judges = self._suspension.is_past(now)
        for slot in self.slots:
            action = slot.tick(now)
            if action is Action.FORK:
                self.fork(slot)
            elif action is Action.KILL and slot.booting is not None and judges:
                os.kill(slot.booting, signal.SIGKILL)
        if not self.is_stopping and judges:
            self.replacing.step(now)
            self._operator.step(now)
        for child in self.children.values():
            if child.is_overdue(now, self.work.drain_s) and judges:
                os.kill(child.pid, signal.SIGKILL)
        if self._leave_at is not None and now >= self._leave_at:
            # The workers have copies: with the last of them the port is closed, however long the rest of a drain takes.
            self.listener.leave()
            self._leave_at = None
        if self._stop_at is not None and now > self._stop_at and judges:
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
                self._operator.replaced(self.children[replaced], self.clock())
        else:
            child.slot.boot_failed(message.decode(errors="replace").removeprefix("failed "))

    def _obey(self, signum: int) -> None:
        """A signal asks for what its row among the commands says; the second that asks for an end gets it at once."""
        if (asked := commands.SIGNALS.get(signum)) is not None:
            command, argument = asked
            is_repeated = command.name == "stop" and self.is_stopping
            caller = Signalled(signal.Signals(signum).name, self.events)
            commands.carry_out(command, self._operator, caller, commands.AT_ONCE if is_repeated else argument)

    def _reap(self) -> None:
        """Every child that is gone, not one for each SIGCHLD: the kernel folds several into one."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                # As process 1 of a container the master is also handed strangers' children.
                if (child := self.children.pop(pid, None)) is not None:
                    self._bury(child, os.waitstatus_to_exitcode(status))
                else:
                    self.coroner.reaped(pid)
                    self._operator.reaped(pid, os.waitstatus_to_exitcode(status))

    def _steer(self) -> None:
        if not self.is_stopping and self._steering.step(self.slots) and not self.has_announced:
            self.has_announced = True
            self.on_ready()

    # ---- what the verbs are made of -------------------------------------------------------------------

    def fork(self, slot: Slot) -> bool:
        """A new worker for a slot; whether the machine had room for it."""
        try:
            child = self._new_child(slot)
        except OSError as error:
            slot.fork_failed(self.clock(), f"cannot fork: {error.strerror}")
            self.events.error("fork_failed", slot=slot.index, reason=error.strerror)
            return False
        slot.forked(child.pid, self.clock())
        child.row.add("starts")
        self.children[child.pid] = child
        self._selector.register(child.line, selectors.EVENT_READ, partial(self._hear, child))
        return True

    def _new_child(self, slot: Slot) -> Child:
        taken = {child.row_index for child in self.children.values() if child.board is self.board}
        index = self.board.free_row(taken if self.past is None else {*taken, self.past})
        row = self.board.row(index)
        row.set("slot", slot.index)
        row.set("is_retired", 0)
        row.set("is_leaving", 0)
        theirs = [each for child in self.children.values() for each in (child.line, child.box)]
        given = Surroundings(slot.index, row, self.listener, self.exchange, self.board, os.getpid(), CrashBox())
        pid, line = fork_worker(self.work, given, self._let_go, theirs)
        jobs = last_job(row, self.limits.jobs)
        return Child(pid, slot, self.board, index, line, jobs, self.clock(), self.generation, box=given.box)

    def _let_go(self) -> None:
        """In a worker: close what is the master's."""
        self._selector.close()  # its epoll is shared
        os.close(self.board.file)  # its memory stays
        if self.control is not None:
            self.control.let_go()

    def _bury(self, child: Child, exit_code: int) -> None:
        self._hear(child)  # its last words may have come since the loop last listened
        self._forget(child.line)
        child.line.close()
        child.clear_row()
        self._operator.buried(child)
        if child.board is not self.board and self.past is not None:
            self.board.add_counts(child.row, self.past, child.counted)
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
