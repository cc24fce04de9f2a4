"""The operator: does what each command asks for, at once or in the course of the master's loop."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imgsrv.errors import joined
from imgsrv.observe.totals import latency_of, totals_of
from imgsrv.pool.caller import Caller
from imgsrv.pool.control.running_jobs import at_work
from imgsrv.pool.control.status import workers_of
from imgsrv.pool.reload.changes import Changes
from imgsrv.pool.reload.reloading import Reloading
from imgsrv.pool.roster import Roster
from imgsrv.pool.shutdown import Shutdown
from imgsrv.pool.supervise.log_keeper import LogKeeper
from imgsrv.pool.supervise.recycle import Replacing
from imgsrv.pool.supervise.scale import MOST_WORKERS, Scaling

WISH = re.compile(r"[+-]?[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class About:
    """Facts about the instance that the pool itself does not know.

    max_queue: the largest number of pictures that may wait.  description: the answer of `describe`, JSON-compatible.
    changes: the settings that a reload or restart cannot change.
    """

    name: str = "default"
    version: str = ""
    max_queue: int = 0
    log_file: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)


@dataclass(frozen=True, slots=True)
class Operator:
    """Every command of pool/control/commands.py, for one roster.  facts: what of a job's plan is for the log."""

    roster: Roster
    about: About
    keeper: LogKeeper
    facts: Callable[[bytes], dict[str, Any]]
    replacing: Replacing
    scaling: Scaling
    shutdown: Shutdown
    reloading: Reloading

    def identity(self) -> dict[str, Any]:
        """Return the name, the version, the process and the state."""
        return {
            "name": self.about.name,
            "version": self.about.version,
            "pid": os.getpid(),
            "url": self.roster.listener.url,
            "state": self._state(),
        }

    def status(self) -> dict[str, Any]:
        """Return everything that can be watched."""
        roster, now = self.roster, self.roster.clock()
        began_at, began_unix = roster.started
        return {
            **self.identity(),
            "started_unix": round(began_unix, 3),
            "uptime_s": round(now - began_at, 3),
            "generation": roster.generation,
            "size": self.scaling.wish,
            "queue": {"waiting": roster.exchange.waiting() + roster.board.in_line(), "max": self.about.max_queue},
            "totals": totals_of(roster.board),
            "latency_s": latency_of(roster.board),
            "log_file": self.about.log_file,
            "workers": workers_of(roster.slots, roster.children.values(), now),
            "events": list(roster.events.recent),
        }

    def description(self) -> dict[str, Any]:
        """Return how the instance was started, and with which settings."""
        return {**self.identity(), **self.about.description}

    def stop(self, caller: Caller, *, at_once: bool) -> None:
        """Let all workers finish and end, or kill them at once.  The caller is answered when the last one has gone."""
        if self.roster.is_stopping:
            self.shutdown.join(caller)
        else:
            self.reloading.cancel()
            self.scaling.cancel()
            self.shutdown.begin(caller)
        if at_once:
            self.shutdown.at_once()

    def reopen_logs(self, caller: Caller) -> None:
        """Open the log file again in every process."""
        file = self.about.log_file
        if file is None:
            caller.failed("the log goes to standard error; there is no --log-file to open again")
        elif (fault := self.keeper.reopen(self.roster.children)) is not None:
            reason = f"{file} cannot be opened: {fault}; until it can, records go where they went before"
            self.roster.events.warning("log_not_reopened", reason=fault, by=caller.name)
            caller.failed(reason)
        else:
            caller.done(f"every process writes to {file}")

    def reload(self, caller: Caller) -> None:
        """Take new code and configuration without losing a request."""
        self.reloading.reload(caller)

    def restart(self, caller: Caller) -> None:
        """Stop in an orderly way, and begin anew in the same process."""
        self.reloading.restart(caller)

    def scale(self, caller: Caller, wish: str) -> None:
        """Have more or fewer workers.  wish: `N`, `+N` or `-N`."""
        if (busy := self.reloading.busy()) is not None:
            caller.failed(busy)
        elif not WISH.fullmatch(wish):
            caller.failed(f"scale needs a number of workers, such as 4, +1 or -1, and got {wish[:100]!r}")
        else:
            size = int(wish) + (self.scaling.wish if wish[0] in "+-" else 0)
            if 1 <= size <= MOST_WORKERS:
                self.scaling.to(size, caller)
            else:
                caller.failed(f"there would be {size} workers, and there may be 1 to {MOST_WORKERS}")

    def kill_job(self, caller: Caller, which: str) -> None:
        """End the job of a slot, or of a request."""
        found = at_work(self.roster.children.values(), self.facts)
        for job in found:
            if which in (str(job.child.slot.index), job.request_id):
                facts = {"slot": job.child.slot.index, "pid": job.child.pid, "request_id": job.request_id}
                self.roster.events.warning("job_killed", by=caller.name, **facts)
                self.replacing.kill_job(job.child, job.began_us, self.roster.clock())
                caller.done(facts)
                return
        is_slot = any(which == str(slot.index) for slot in self.roster.slots)
        fault = f"slot {which} has no job" if is_slot else f"no slot works on a request {which[:100]!r}"
        caller.failed(f"{fault}; at work now: {joined([str(job) for job in found] or ['none'])}")

    def stopped(self) -> None:
        """Answer those who asked for the stop, now that the last worker has gone."""
        state = "restarting" if self.shutdown.then_restarts else "stopped"
        for caller in self.shutdown.callers:
            caller.done({**self.identity(), "state": state})

    def _state(self) -> str:
        if self.roster.is_stopping:
            return "stopping"
        if self.reloading.is_under_way:
            return "reloading"
        return "serving" if self.roster.has_announced else "starting"
