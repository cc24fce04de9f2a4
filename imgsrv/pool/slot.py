"""One slot of the pool as a pure state machine: events in, actions out; no process, no clock of its own.

starting ──ready──▶ ready ──stop──▶ draining ──exit──▶ gone
│ exit             │ exit
└────▶ backoff ◀───┘         backoff ──due──▶ starting
└─ too many boots failed ─▶ failed            stop ──▶ gone, from wherever there is no worker
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum

MAX_BOOT_FAILURES = 5
"""Boots in a row that may fail before the slot is given up."""

BOOT_LIMIT_S = 60.0
"""A worker that is not ready by then hangs, and is killed."""

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 30.0

MOST_DOUBLINGS = 16
"""Past any sensible longest delay, and far from where a power of two overflows."""

STABLE_S = 10.0
"""A worker that served this long has proven itself: its death is not counted with earlier ones."""


class State(Enum):
    """Where a slot is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BACKOFF = "backoff"
    FAILED = "failed"
    GONE = "gone"


class Action(Enum):
    """What the master has to do for a slot."""

    NONE = "none"
    FORK = "fork"
    TERMINATE = "terminate"
    KILL = "kill"


@dataclass
class Slot:
    """A place for one worker.  Times are those of the master's monotonic clock, in seconds."""

    index: int
    state: State = State.BACKOFF
    pid: int | None = None
    due: float = 0.0
    started_at: float = 0.0
    ready_at: float = 0.0
    boot_failures: int = 0
    deaths: int = 0
    reason: str = ""
    dice: random.Random = field(default_factory=random.Random, repr=False)

    def tick(self, now: float) -> Action:
        """What is due: a fork once the delay is over, an end to a boot that takes too long."""
        if self.state is State.BACKOFF and now >= self.due:
            return Action.FORK
        if self.state is State.STARTING and now - self.started_at > BOOT_LIMIT_S:
            self.reason = f"not ready within {BOOT_LIMIT_S:g} s"
            return Action.KILL
        return Action.NONE

    def forked(self, pid: int, now: float) -> None:
        """The master forked a worker for this slot."""
        self.pid, self.state, self.started_at, self.reason = pid, State.STARTING, now, ""

    def fork_failed(self, now: float, reason: str) -> None:
        """The machine has no room for another process: that is no fault of the worker and may pass."""
        self.reason, self.deaths = reason, self.deaths + 1
        self.state, self.due = State.BACKOFF, now + self._delay(max(self.deaths, 2))

    def became_ready(self, now: float) -> None:
        """The worker has loaded, proven itself on a picture, and accepts."""
        if self.state is State.STARTING:
            self.state, self.ready_at, self.boot_failures = State.READY, now, 0

    def boot_failed(self, reason: str) -> None:
        """The worker said why it cannot boot; its exit follows."""
        self.reason = reason

    def stop(self) -> Action:
        """The slot is no longer wanted: its worker is to finish and go."""
        if self.pid is None:
            self.state = State.GONE
            return Action.NONE
        self.state = State.DRAINING
        return Action.TERMINATE

    def exited(self, now: float, reason: str) -> None:
        """The worker is gone; whether and when another follows is decided here."""
        self.pid = None
        if self.state is State.DRAINING:
            self.state = State.GONE
            return
        self.reason = self.reason or reason
        if self.state is State.STARTING:
            self.boot_failures += 1
        self.deaths = 1 if now - self.ready_at > STABLE_S else self.deaths + 1
        if self.boot_failures >= MAX_BOOT_FAILURES:
            self.state = State.FAILED
            return
        is_first = self.deaths <= 1 and not self.boot_failures
        self.state = State.BACKOFF
        self.due = now if is_first else now + self._delay(max(self.deaths, self.boot_failures))

    def _delay(self, failures: int) -> float:
        """Doubling with every failure up to the longest, each cut by up to half at random."""
        doublings = min(failures - 1, MOST_DOUBLINGS)
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**doublings) * self.dice.uniform(0.5, 1.0)
