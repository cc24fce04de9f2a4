"""The master: one selector loop that decides and never serves.  Nothing here may block longer than TICK_S.

Each turn of the loop compares the pool with what it should be and mends the difference: fork workers that are due,
replace those that must go, end those that are not wanted, hear signals, workers and operators, reap the dead.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import setproctitle

from imgsrv.errors import NoWorkerCanBoot
from imgsrv.observe.log.sink import Sink
from imgsrv.pool.caller import Signalled
from imgsrv.pool.child import exit_reason
from imgsrv.pool.control import commands
from imgsrv.pool.control.control_socket import Control
from imgsrv.pool.control.operator import About, Operator
from imgsrv.pool.reload.reloading import Reloading
from imgsrv.pool.roster import Roster
from imgsrv.pool.shutdown import Shutdown
from imgsrv.pool.signals import Signals
from imgsrv.pool.slot import Action, State
from imgsrv.pool.supervise.coroner import Coroner
from imgsrv.pool.supervise.log_keeper import LogKeeper
from imgsrv.pool.supervise.pulse import Pulses
from imgsrv.pool.supervise.recycle import Replacing
from imgsrv.pool.supervise.scale import Scaling
from imgsrv.pool.supervise.steer import Steering, Suspension

TICK_S = 1.0

EXIT_OK, EXIT_NOT_DRAINED = 0, 1

EXIT_TO_RESTART = 5
"""The caller of the master has to execute the program again in the same process; signals wait until then."""


@dataclass
class Master:
    """The loop around a roster.

    on_ready: called once, when a worker serves and every other one serves too or has failed to start.
    control: the socket for operators; without it only signals give commands.
    on_turn: called in each turn of the loop with whether the pool does its work.
    """

    roster: Roster
    on_ready: Callable[[], None]
    control: Control | None = None
    about: About = field(default_factory=About)
    coroner: Coroner = field(default_factory=Coroner)
    keeper: LogKeeper = field(default_factory=lambda: LogKeeper(Sink()))
    on_turn: Callable[[bool], None] = lambda _is_healthy: None

    def __post_init__(self) -> None:
        roster, facts = self.roster, self.coroner.facts
        self._signals = Signals(roster.selector)
        self._steering, self._suspension = Steering(roster.listener), Suspension(roster.events)
        self._pulses = Pulses(roster.events, roster.limits.silence_s)
        self._replacing, self._scaling, self._shutdown = Replacing(roster, facts), Scaling(roster), Shutdown(roster)
        self._reloading = Reloading(
            roster, self._scaling, self._shutdown, self.control, self._signals, self.about.changes
        )
        self._operator = Operator(
            *(roster, self.about, self.keeper, facts),
            *(self._replacing, self._scaling, self._shutdown, self._reloading),
        )
        # The master has no row of its own; no other process writes this field.
        self.keeper.count_lost_with(partial(roster.board.row(0).add, "master_log_records_lost"))

    def run(self) -> int:
        """Keep the pool alive until a signal or a command ends it; return the exit status.

        Raises NoWorkerCanBoot if every slot has failed.
        """
        self._open()
        with self._signals:
            while not self._is_over():
                self._match_wish()
                for key, _events in self.roster.selector.select(self._until_next()):
                    if key.data is not None:
                        key.data()
                for signum in self._signals.taken():
                    self._obey(signum)
                if self.control is not None:
                    self.control.turn()
                self._reap()
                self._steer()
                self.on_turn(self._is_healthy())
            self._close()
            if self._shutdown.then_restarts:
                # A signal that stops the server now is for the next image.
                self._signals.hold_back()
                return EXIT_TO_RESTART
        return self._exit_status()

    def _open(self) -> None:
        setproctitle.setproctitle(f"imgsrv: master {self.roster.work.title}")
        self.roster.open()
        if self.control is not None:
            self.control.open(self.roster.selector, partial(commands.obey, self._operator))
        self._reloading.resume()

    def _close(self) -> None:
        self._operator.stopped()
        self.roster.listener.close()
        if self.control is not None:
            self.control.close()

    # ---- the loop's verbs, in the order in which they run ---------------------------------------------

    def _match_wish(self) -> None:
        roster, now = self.roster, self.roster.clock()
        clock_is_sound = self._suspension.is_past(now)
        for slot in roster.slots:
            action = slot.tick(now)
            if action is Action.FORK:
                roster.fork(slot)
            elif action is Action.KILL and slot.booting is not None and clock_is_sound:
                os.kill(slot.booting, signal.SIGKILL)
        if not roster.is_stopping and clock_is_sound:
            self._pulses.step(roster.serving(), now)
            self._replacing.step(now)
            self._reloading.step(now)
            self._scaling.step(now)
        for child in roster.children.values():
            if child.is_overdue(now, roster.work.drain_s, roster.work.send_s) and clock_is_sound:
                os.kill(child.pid, signal.SIGKILL)
        self._shutdown.step(now, clock_is_sound=clock_is_sound)
        self.keeper.tick(roster.children)

    def _until_next(self) -> float:
        """Return how long the loop may wait for an event, in seconds."""
        if self.control is not None and self.control.has_work():
            return 0.0
        due = [slot.due for slot in self.roster.slots if slot.state is State.BACKOFF]
        due += [] if self._shutdown.next_at is None else [self._shutdown.next_at]
        now = self.roster.clock()
        return max(0.0, min([TICK_S, *(moment - now for moment in due)]))

    def _obey(self, signum: int) -> None:
        """Carry out the command that a signal stands for.  The second signal that asks for a stop gets it at once."""
        if (asked := commands.SIGNALS.get(signum)) is not None:
            command, argument = asked
            is_repeated = command.name == "stop" and self.roster.is_stopping
            caller = Signalled(signal.Signals(signum).name, self.roster.events)
            commands.carry_out(command, self._operator, caller, commands.AT_ONCE if is_repeated else argument)

    def _reap(self) -> None:
        for pid, exit_code in _ended_children():
            # As process 1 of a container the master also inherits children of strangers.
            if (child := self.roster.children.pop(pid, None)) is None:
                self.coroner.reaped(pid)
                self._reloading.reaped(pid, exit_code)
            else:
                self.roster.bury(child, exit_code)
                self.coroner.examine(child, 0 if self.roster.is_stopping else exit_code, exit_reason(exit_code))
                self._shutdown.buried(exit_code)
        for child in self.roster.children.values():
            self.coroner.examine_codec(child)

    def _steer(self) -> None:
        roster = self.roster
        silent = {child.pid for child in roster.serving() if child.is_silent}
        if not roster.is_stopping and self._steering.step(roster.slots, silent) and not roster.has_announced:
            roster.has_announced = True
            self.on_ready()

    # ---- how it ends ----------------------------------------------------------------------------------

    def _is_healthy(self) -> bool:
        return self.roster.is_stopping or any(not child.is_silent for child in self.roster.serving())

    def _is_over(self) -> bool:
        over = (State.GONE, State.FAILED) if self.roster.is_stopping else (State.FAILED,)
        return not self.roster.children and all(slot.state in over for slot in self.roster.slots)

    def _exit_status(self) -> int:
        if not self.roster.is_stopping:
            raise NoWorkerCanBoot(next(slot.reason for slot in self.roster.slots if slot.reason))
        return EXIT_NOT_DRAINED if self._shutdown.was_forced else EXIT_OK


def _ended_children() -> Iterator[tuple[int, int]]:
    """Reap every child that has ended: the kernel folds several SIGCHLD into one.  Yield its pid and exit code."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)
