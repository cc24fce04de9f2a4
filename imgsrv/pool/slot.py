"""One slot of the pool as a pure state machine: events in, actions out; no process, no clock of its own.

starting ──ready──▶ ready ──stop──▶ draining ──exit──▶ gone
│ exit             │ exit
└────▶ backoff ◀───┘         backoff ──due──▶ starting
└─ too many boots failed ─▶ failed            stop ──▶ gone, from wherever there is no worker

A worker that serves can be replaced by a successor, which is forked first and takes the slot when it is ready.  If the
successor cannot boot, nothing changes.  The slot does not follow a replaced worker while that finishes its work.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum

MAX_BOOT_FAILURES = 5
"""A slot is given up after so many failed boots in a row."""

BOOT_LIMIT_S = 60.0
"""A worker that is not ready after this time is killed."""

FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 30.0

MOST_DOUBLINGS = 16
"""Enough for any longest delay, and far from an overflow of the power of two."""

STABLE_S = 10.0
"""The death of a worker that has served this long is not counted together with earlier deaths."""


class State(Enum):
    """The state of a slot."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BACKOFF = "backoff"
    FAILED = "failed"
    GONE = "gone"


class Action(Enum):
    """An action that the master has to take for a slot."""

    NONE = "none"
    FORK = "fork"
    KILL = "kill"


@dataclass
class Slot:
    """A place for one worker.  Times are in seconds of the master's monotonic clock.

    pid: the worker that serves, or boots to serve.  successor: the worker that boots to replace it.
    due: the time of the next fork.  starts: the number of workers forked for the slot.
    leaving_at: the time from which the slot gets no new connections, because it is to be removed; None if it stays.
    """

    index: int
    state: State = State.BACKOFF
    pid: int | None = None
    successor: int | None = None
    due: float = 0.0
    started_at: float = 0.0
    ready_at: float = 0.0
    boot_failures: int = 0
    deaths: int = 0
    starts: int = 0
    reason: str = ""
    leaving_at: float | None = None
    dice: random.Random = field(default_factory=random.Random, repr=False)

    @property
    def booting(self) -> int | None:
        """The worker that is not ready yet."""
        return self.pid if self.state is State.STARTING else self.successor

    def tick(self, now: float) -> Action:
        """Return the action that is due: FORK after the delay, KILL for a boot that takes too long."""
        if self.state is State.BACKOFF and now >= self.due:
            return Action.FORK
        if self.booting is not None and now - self.started_at > BOOT_LIMIT_S:
            self.reason = f"not ready within {BOOT_LIMIT_S:g} s"
            return Action.KILL
        return Action.NONE

    def may_be_replaced(self, now: float) -> bool:
        """Return whether it serves, has no successor, and the delay after the last failed successor is over."""
        return self.state is State.READY and self.successor is None and now >= self.due

    def forked(self, pid: int, now: float) -> None:
        """Note that a worker was forked for this slot; if one serves, the new one is its successor."""
        self.started_at, self.reason = now, ""
        self.starts += 1
        if self.state is State.READY:
            self.successor = pid
        else:
            self.pid, self.state = pid, State.STARTING

    def fork_failed(self, now: float, reason: str) -> None:
        """Note that the machine has no room for another process; that is no failed boot, and may pass."""
        self.reason, self.deaths = reason, self.deaths + 1
        self.due = now + self._delay(max(self.deaths, 2))
        if self.state is not State.READY:
            self.state = State.BACKOFF

    def became_ready(self, pid: int, now: float) -> int | None:
        """Note that a worker has passed its self-test and accepts connections; return the worker that it replaces."""
        if pid == self.successor:
            predecessor, self.pid, self.successor = self.pid, pid, None
        elif pid == self.pid and self.state is State.STARTING:
            predecessor, self.state = None, State.READY
        else:
            return None
        self.ready_at, self.boot_failures = now, 0
        return predecessor

    def boot_failed(self, reason: str) -> None:
        """Note the reason why a worker cannot boot; its exit follows."""
        self.reason = reason

    def abandon(self, now: float) -> None:
        """Give up the worker, which goes: the slot takes another one at once."""
        self.pid, self.successor = self.successor, None
        self.state, self.due = (State.BACKOFF if self.pid is None else State.STARTING), now

    def revive(self, now: float) -> None:
        """Start a worker at once in a slot that has none."""
        self.state, self.due, self.boot_failures = State.BACKOFF, now, 0

    def take_back(self, pid: int) -> None:
        """Give the slot back to a replaced worker that has not gone yet."""
        self.pid, self.successor, self.state, self.boot_failures = pid, None, State.READY, 0

    def stop(self) -> None:
        """Note that the slot is to end: its worker finishes and goes, and no other one follows."""
        self.state = State.GONE if self.pid is None else State.DRAINING

    def exited(self, pid: int, now: float, reason: str) -> None:
        """Note the exit of a worker, and decide whether and when another one follows."""
        if pid not in (self.pid, self.successor):
            return
        was_successor = pid == self.successor
        if not was_successor:
            self.pid = self.successor
        self.successor = None
        if self.state is State.DRAINING:
            self.state = State.GONE if self.pid is None else State.DRAINING
            return
        self.reason = self.reason or reason
        if was_successor:
            self.boot_failures += 1
            self.due = now + self._delay(self.boot_failures)
        elif self.pid is not None:
            self.state, self.boot_failures = State.STARTING, 0
        else:
            self._left_empty(now)

    def _left_empty(self, now: float) -> None:
        # Failed boots of successors say nothing about this worker, which did boot.
        self.boot_failures = self.boot_failures + 1 if self.state is State.STARTING else 0
        self.deaths = 1 if now - self.ready_at > STABLE_S else self.deaths + 1
        if self.boot_failures >= MAX_BOOT_FAILURES:
            self.state = State.FAILED
            return
        is_first = self.deaths <= 1 and not self.boot_failures
        self.state = State.BACKOFF
        self.due = now if is_first else now + self._delay(max(self.deaths, self.boot_failures))

    def _delay(self, failures: int) -> float:
        """Return a delay that doubles with every failure up to the longest, and is cut by up to half at random."""
        doublings = min(failures - 1, MOST_DOUBLINGS)
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**doublings) * self.dice.uniform(0.5, 1.0)
