"""The operator's side of the master: does what the commands ask for, now or in the course of its loop."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgsrv.errors import joined
from imgsrv.pool.child import Child
from imgsrv.pool.control.control_socket import Caller
from imgsrv.pool.control.running_jobs import at_work
from imgsrv.pool.control.status import latency_of, totals_of, workers_of
from imgsrv.pool.reload.exec import State, command_line, hand_over
from imgsrv.pool.reload.rollout import Rollout
from imgsrv.pool.reload.state import state_of
from imgsrv.pool.reload.trial import Given, Trial, start_trial
from imgsrv.pool.signals import Signalled
from imgsrv.pool.supervise.scale import MOST_WORKERS, Scaling

if TYPE_CHECKING:
    from imgsrv.pool.master import Master


WISH = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class About:
    """What the operator is told of the instance and the pool itself does not know.

    max_queue: pictures that may wait.  description: what `describe` tells, JSON-compatible.
    fixed: the settings that a reload cannot change.
    """

    name: str = "default"
    version: str = ""
    max_queue: int = 0
    log_file: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)


class Operator:
    """Every command of pool/control/commands.py, for one master."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._started = (master.clock(), time.time())
        self._stoppers: list[Caller] = []
        self._scaling = Scaling(master)
        self._trial: tuple[Trial, Caller] | None = None
        self._rollout: Rollout | None = None
        self.then_restarts = False

    # ---- what the master's loop asks for ----------------------------------------------------------------

    def step(self, now: float) -> None:
        """Bring on what is under way."""
        if self._trial is not None:
            self._trial[0].end_if_late(now)
        if self._rollout is not None and self._rollout.step(now):
            self._rollout = None
            inherited = self._master.inherited
            # Else it stays what `scale` has made of it.
            if inherited is not None and inherited["size"] != self._master.size:
                self._scaling.to(self._master.size, Signalled("reload", self._master.events))
        self._scaling.step(now)

    def roll_out(self, inherited: State) -> None:
        """Go on with the reload that an earlier image began."""
        self._started = inherited["started"]
        control, waiting = self._master.control, (inherited["control"] or {}).get("clients", [])
        callers = list(control.adopt(waiting)) if control is not None else []
        self._rollout = Rollout(self._master, callers[0] if callers else Signalled("reload", self._master.events))

    def replaced(self, child: Child, now: float) -> None:
        """A successor has its place: it goes, or serves on until the whole rollout is certain."""
        if self._rollout is None:
            child.retire(now)
        else:
            self._rollout.keep(child)

    def reaped(self, pid: int, exit_code: int) -> None:
        """A process has ended that was no worker."""
        if self._trial is None or self._trial[0].pid != pid:
            return
        (trial, caller), self._trial = self._trial, None
        fault = trial.fault(exit_code, self._master.about.fixed)
        if self._master.is_stopping:
            fault = "the server was told to stop"
        if fault is not None:
            self._refuse(caller, fault)
        elif self.then_restarts:
            self._stoppers.append(caller)
            self._cancel()
            self._master.stop(caller.name)
        else:
            self._hand_over(caller)

    def buried(self, child: Child) -> None:
        """A worker has ended."""
        if self._rollout is not None:
            self._rollout.forget(child)

    def stopped(self) -> None:
        """The last worker has gone."""
        state = "restarting" if self.then_restarts else "stopped"
        for caller in self._stoppers:
            caller.done({**self.identity(), "state": state})

    # ---- the commands -------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """Who this is, and in which state."""
        about = self._master.about
        return {
            "name": about.name,
            "version": about.version,
            "pid": os.getpid(),
            "url": self._master.listener.url,
            "state": self._state(),
        }

    def status(self) -> dict[str, Any]:
        """Everything that can be watched."""
        master, now = self._master, self._master.clock()
        return {
            **self.identity(),
            "started_unix": round(self._started[1], 3),
            "uptime_s": round(now - self._started[0], 3),
            "generation": master.generation,
            "size": self._scaling.wish,
            "queue": {"waiting": master.exchange.waiting(), "max": master.about.max_queue},
            "totals": totals_of(master.board),
            "latency_s": latency_of(master.board),
            "log_file": master.about.log_file,
            "workers": workers_of(master.slots, master.children.values(), now),
            "events": list(master.events.recent),
        }

    def description(self) -> dict[str, Any]:
        """How it was started, and with which settings."""
        return {**self.identity(), **self._master.about.description}

    def stop(self, caller: Caller, *, at_once: bool) -> None:
        """Let everybody finish and end; at once: without letting them.  The caller is answered at the end."""
        self._stoppers.append(caller)
        # Who stops a server that is about to begin anew does not want it to.
        restarted, self.then_restarts = self.then_restarts, False
        if not self._master.is_stopping:
            self._cancel()
            self._master.stop(caller.name)
        elif restarted:
            self._master.events.info("stopping", by=caller.name, restarts=False)
        if at_once:
            self._master.end()

    def reopen_logs(self, caller: Caller) -> None:
        """Let every process write to the file that has the log's name now."""
        file = self._master.about.log_file
        if file is None:
            caller.failed("the log goes to standard error; there is no --log-file to open again")
        elif (fault := self._master.keeper.reopen(self._master.children)) is not None:
            reason = f"{file} cannot be opened: {fault}; until it can, records go where they went before"
            self._master.events.warning("log_not_reopened", reason=fault, by=caller.name)
            caller.failed(reason)
        else:
            caller.done(f"every process writes to {file}")

    def reload(self, caller: Caller) -> None:
        """Take new code and configuration: first a trial, then the next image, which replaces the workers."""
        self._try(caller, "reloading", state_of(self._master, caller, self._started))

    def restart(self, caller: Caller) -> None:
        """The same trial, then an orderly stop, and a new beginning in the same process."""
        if self._try(caller, "restarting"):
            self.then_restarts = True

    def scale(self, caller: Caller, wish: str) -> None:
        """Have so many workers.  wish: `N`, `+N` or `-N`."""
        if (busy := self._busy()) is not None:
            caller.failed(busy)
        elif not WISH.fullmatch(wish):
            caller.failed(f"scale needs a number of workers, such as 4, +1 or -1, and got {wish[:100]!r}")
        else:
            size = int(wish) + (self._scaling.wish if wish[0] in "+-" else 0)
            if 1 <= size <= MOST_WORKERS:
                self._scaling.to(size, caller)
            else:
                caller.failed(f"there would be {size} workers, and there may be 1 to {MOST_WORKERS}")

    def kill_job(self, caller: Caller, which: str) -> None:
        """End the job of a slot, or of a request."""
        found = at_work(self._master.children.values(), self._master.coroner.facts)
        for job in found:
            if which in (str(job.child.slot.index), job.request_id):
                facts = {"slot": job.child.slot.index, "pid": job.child.pid, "request_id": job.request_id}
                self._master.events.warning("job_killed", by=caller.name, **facts)
                self._master.replacing.kill_job(job.child, job.began_us, self._master.clock())
                caller.done(facts)
                return
        is_slot = any(which == str(slot.index) for slot in self._master.slots)
        fault = f"slot {which} has no job" if is_slot else f"no slot works on a request {which[:100]!r}"
        caller.failed(f"{fault}; at work now: {joined([str(job) for job in found] or ['none'])}")

    # ---- what they are made of ----------------------------------------------------------------------------

    def _try(self, caller: Caller, event: str, given: Given | None = None) -> bool:
        """Begin a trial; whether it could be.  given: what the next image would be."""
        busy = self._busy() or ("slots are still leaving; try again later" if self._scaling.is_shrinking else None)
        if busy is None and not self._master.has_announced:
            busy = "the server is still starting"
        if busy is not None:
            caller.failed(busy)
            return False
        try:
            trial = start_trial(command_line(), self._master.clock(), given)
        except OSError as error:
            caller.failed(f"no process can be started for the trial: {error.strerror}")
            return False
        self._trial = (trial, caller)
        self._master.events.info(event, by=caller.name)
        caller.progress(step="trial", pid=trial.pid)
        return True

    def _busy(self) -> str | None:
        if self._master.is_stopping:
            return "the server stops"
        return "a reload or restart is under way" if self._trial is not None or self._rollout is not None else None

    def _hand_over(self, caller: Caller) -> None:
        caller.progress(step="taking over", generation=self._master.generation + 1)
        state, descriptors = state_of(self._master, caller, self._started)
        try:
            hand_over(command_line(), state, descriptors, self._master.unheard_signals)
        except OSError as error:
            self._refuse(caller, f"{command_line()[0]} cannot be executed: {error.strerror}")

    def _refuse(self, caller: Caller, reason: str) -> None:
        self.then_restarts = False
        self._master.events.error("reload_failed", reason=reason)
        caller.failed(f"{reason}; nothing has changed")

    def _cancel(self) -> None:
        """A stop ends what else is under way."""
        if self._trial is not None:
            self._trial[0].kill()
        if self._rollout is not None:
            self._rollout.cancel()
            self._rollout = None
        self._scaling.cancel()

    def _state(self) -> str:
        if self._master.is_stopping:
            return "stopping"
        if self._trial is not None or self._rollout is not None:
            return "reloading"
        return "serving" if self._master.has_announced else "starting"
