"""The operator's side of the master: does what the commands ask for, now or in the course of its loop."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgsrv.pool.control import Caller
from imgsrv.pool.status import latency_of, totals_of, workers_of

if TYPE_CHECKING:
    from imgsrv.pool.master import Master


@dataclass(frozen=True, slots=True)
class About:
    """What the operator is told of the instance and the pool itself does not know.

    max_queue: pictures that may wait.  description: what `describe` tells, JSON-compatible.
    """

    name: str = "default"
    version: str = ""
    max_queue: int = 0
    log_file: str | None = None
    description: Mapping[str, Any] = field(default_factory=dict)


class Operator:
    """Every command of pool/commands.py, for one master."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._started_at, self._started_unix = master.clock(), time.time()
        self._stoppers: list[Caller] = []

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
            "started_unix": round(self._started_unix, 3),
            "uptime_s": round(now - self._started_at, 3),
            "generation": 1,
            "size": len(master.slots),
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
        if not self._master.is_stopping:
            self._master.stop(caller.name)
        if at_once:
            self._master.end()

    def reopen_logs(self, caller: Caller) -> None:
        """Let every process write to the file that has the log's name now."""
        if self._master.about.log_file is None:
            caller.failed("the log goes to standard error; there is no --log-file to open again")
            return
        self._master.keeper.reopen(self._master.children)
        caller.done(f"every process writes to {self._master.about.log_file}")

    def stopped(self) -> None:
        """The last worker has gone."""
        for caller in self._stoppers:
            caller.done({**self.identity(), "state": "stopped"})

    def _state(self) -> str:
        if self._master.is_stopping:
            return "stopping"
        return "serving" if self._master.has_announced else "starting"
