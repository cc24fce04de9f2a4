"""A reload or restart from beginning to end.

reload     trial → state.dump → exec ⇢ state.load → rollout
restart    trial → shutdown → exec
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from imgsrv.pool.caller import Caller, Signalled
from imgsrv.pool.control.control_socket import Control
from imgsrv.pool.reload import state
from imgsrv.pool.reload.changes import Changes
from imgsrv.pool.reload.exec import command_line, execute_with_state
from imgsrv.pool.reload.rollout import Rollout
from imgsrv.pool.reload.trial import Trial, start_trial
from imgsrv.pool.roster import Roster
from imgsrv.pool.shutdown import Shutdown
from imgsrv.pool.signals import Signals
from imgsrv.pool.supervise.scale import Scaling


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A trial that is under way, and the purpose of it."""

    trial: Trial
    caller: Caller
    restarts: bool


class Reloading:
    """The one reload or restart of a pool that may be under way.

    changes: what the new settings may not change.
    """

    def __init__(
        self,
        roster: Roster,
        scaling: Scaling,
        shutdown: Shutdown,
        control: Control | None,
        signals: Signals,
        changes: Changes,
    ) -> None:
        self._roster, self._scaling, self._shutdown = roster, scaling, shutdown
        self._control, self._signals, self._changes = control, signals, changes
        self._attempt: _Attempt | None = None
        self._rollout: Rollout | None = None

    @property
    def is_under_way(self) -> bool:
        """True while a trial or a rollout is running."""
        return self._attempt is not None or self._rollout is not None

    def busy(self) -> str | None:
        """The reason why nothing else that changes the pool may begin; None if it may."""
        if self._roster.is_stopping:
            return "the server stops"
        return "a reload or restart is under way" if self.is_under_way else None

    # ---- in the image that begins it ----------------------------------------------------------------------

    def reload(self, caller: Caller) -> None:
        """Take new code and configuration: first a trial, then the next image, which replaces the workers."""
        self._try("reloading", caller, restarts=False)

    def restart(self, caller: Caller) -> None:
        """Run the same trial, then stop in an orderly way, and begin anew in the same process."""
        self._try("restarting", caller, restarts=True)

    def reaped(self, pid: int, exit_code: int) -> None:
        """Go on when the trial has ended.  pid: a process that was no worker."""
        if self._attempt is None or self._attempt.trial.pid != pid:
            return
        attempt, self._attempt = self._attempt, None
        fault = attempt.trial.fault(exit_code, partial(self._changes.fault, restarts=attempt.restarts))
        if self._roster.is_stopping:
            fault = "the server was told to stop"
        if fault is not None:
            self._refuse(attempt.caller, fault)
        elif attempt.restarts:
            self._scaling.cancel()
            self._shutdown.begin(attempt.caller, then_restarts=True)
        else:
            self._execute(attempt.caller)

    def _try(self, event: str, caller: Caller, *, restarts: bool) -> None:
        busy = self.busy()
        if busy is None and self._scaling.is_shrinking:
            busy = "slots are still leaving; try again later"
        if busy is None and not self._roster.has_announced:
            busy = "the server is still starting"
        if busy is not None:
            caller.failed(busy)
            return
        passed = None if restarts else self._state_for(caller)
        try:
            trial = start_trial(command_line(), self._roster.clock(), passed)
        except OSError as error:
            caller.failed(f"no process can be started for the trial: {error.strerror}")
            return
        self._attempt = _Attempt(trial, caller, restarts)
        self._roster.events.info(event, by=caller.name)
        caller.progress(step="trial", pid=trial.pid)

    def _state_for(self, caller: Caller) -> tuple[dict[str, Any], list[int]]:
        return state.dump(self._roster, None if self._control is None else self._control.dump(caller))

    def _execute(self, caller: Caller) -> None:
        caller.progress(step="taking over", generation=self._roster.generation + 1)
        passed, descriptors = self._state_for(caller)
        self._roster.work.sink.finish()
        try:
            execute_with_state(command_line(), passed, descriptors, self._signals)
        except OSError as error:
            self._refuse(caller, f"{command_line()[0]} cannot be executed: {error.strerror}")

    def _refuse(self, caller: Caller, reason: str) -> None:
        self._roster.events.error("reload_failed", reason=reason)
        caller.failed(f"{reason}; nothing has changed")

    # ---- in the next image --------------------------------------------------------------------------------

    def resume(self) -> None:
        """Begin the rollout, if the roster comes from the image before."""
        if self._roster.inherited is None:
            return
        callers = self._control.waiting() if self._control is not None else []
        caller = callers[0] if callers else Signalled("reload", self._roster.events)
        self._rollout = Rollout(self._roster, caller)

    # ---- in both ------------------------------------------------------------------------------------------

    def step(self, now: float) -> None:
        """Do what can be done now, without waiting."""
        if self._attempt is not None:
            self._attempt.trial.end_if_late(now)
        if self._rollout is not None and self._rollout.step(now):
            self._rollout = None
            inherited = self._roster.inherited
            # A new number in the settings wins; else the number stays as `scale` has left it.
            if inherited is not None and inherited.size != self._roster.size:
                self._scaling.to(self._roster.size, Signalled("reload", self._roster.events))

    def cancel(self) -> None:
        """Give up, because the server stops."""
        if self._attempt is not None:
            self._attempt.trial.kill()
        if self._rollout is not None:
            self._rollout.cancel()
            self._rollout = None
