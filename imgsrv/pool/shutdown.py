"""The shutdown of a whole pool: every worker finishes and goes, within a time limit."""

from __future__ import annotations

import os
import signal

from imgsrv.pool.caller import Caller
from imgsrv.pool.roster import Roster
from imgsrv.pool.signals import KILL_GRACE_S


class Shutdown:
    """How one pool stops.  A worker may take longer than the others while clients read their answers from it.

    callers: those who asked for it and are told when the last worker has gone.  was_forced: a worker was killed or
    failed before it had finished.  then_restarts: the program is executed again afterwards.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.callers: list[Caller] = []
        self.was_forced = self.then_restarts = False
        self._kill_at: float | None = None
        self._leave_at: float | None = None

    @property
    def next_at(self) -> float | None:
        """The time at which `step` has something to do that no event announces."""
        return self._leave_at

    def begin(self, caller: Caller, *, then_restarts: bool = False) -> None:
        """Tell every worker to finish and go.  The caller is told at the end."""
        roster, work = self._roster, self._roster.work
        self.callers.append(caller)
        self.then_restarts = then_restarts
        roster.events.info("stopping", by=caller.name, drain_s=work.drain_s, restarts=then_restarts)
        roster.is_stopping = True
        self._leave_at = roster.clock() + work.shutdown_delay_s
        self._kill_at = self._leave_at + work.drain_s + KILL_GRACE_S
        for slot in roster.slots:
            slot.stop()
        # All rows are marked before the first worker goes, so that every engine helps until the end.
        for child in roster.children.values():
            child.row.set("is_stopping", 1)
        for pid in roster.children:
            os.kill(pid, signal.SIGTERM)

    def join(self, caller: Caller) -> None:
        """Add a caller to a shutdown that is under way.  Somebody who asks for a stop does not want a restart."""
        self.callers.append(caller)
        if self.then_restarts:
            self.then_restarts = False
            self._roster.events.info("stopping", by=caller.name, restarts=False)

    def at_once(self) -> None:
        """Kill every worker without waiting for its clients."""
        self.was_forced = True
        self._roster.kill_all()

    def step(self, now: float, *, clock_is_sound: bool) -> None:
        """Close the listening sockets when the delay is over; kill the workers when the time limit is over."""
        if self._leave_at is not None and now >= self._leave_at:
            # The workers have copies of the sockets; the last worker closes the port, however long its drain takes.
            self._roster.listener.leave()
            self._leave_at = None
        if self._kill_at is not None and now > self._kill_at and clock_is_sound:
            is_last = now > self._kill_at + self._roster.work.send_s
            for pid, child in self._roster.children.items():
                if is_last or not child.is_sending():
                    os.kill(pid, signal.SIGKILL)

    def buried(self, exit_code: int) -> None:
        """Note how a worker ended."""
        if self._roster.is_stopping and exit_code not in (0, -signal.SIGTERM):
            self.was_forced = True
