"""Admission: whether one more job may queue, asked before its body is received and again when it has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from imgsrv.errors import Overloaded
from imgsrv.observe.scoreboard import Board, WorkerState

WINDOW_S = 0.5
"""How often the time that a job takes is estimated anew."""

FIRST_GUESS_S = 0.05
"""What a job is taken to cost before the first one is done."""


LONG_JOB = 10
"""So many times the mean, and a job tells nothing about those that wait."""


class Queue(Protocol):
    """The one thing admission asks of the exchange."""

    def waiting(self) -> int:
        """Jobs that no engine has taken yet."""
        ...


class Admission:
    """Bounds the queue by its length and by the wait that a job at its end has to expect."""

    def __init__(
        self,
        board: Board,
        queue: Queue,
        *,
        max_queue: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._queue, self._clock = board, queue, clock
        self._max_queue, self._max_wait_s = max_queue, max_wait_s
        self._job_s = FIRST_GUESS_S
        self._estimated_at = -math.inf
        self._done = self._busy_us = 0

    def check(self) -> None:
        """Raise Overloaded, with the time until there should be room, where no further job may queue."""
        if (refusal := self.refusal()) is not None:
            raise refusal

    def refusal(self) -> Overloaded | None:
        """Why no further job may queue, if none may."""
        waiting = self._queue.waiting()
        if not waiting:
            return None
        wait_s = self.expected_wait_s(waiting)
        retry_after_s = max(1, math.ceil(wait_s))
        if waiting >= self._max_queue:
            return Overloaded(f"{waiting} pictures wait already and {self._max_queue} may (--max-queue)", retry_after_s)
        if wait_s > self._max_wait_s:
            reason = f"the wait would be about {wait_s:.1f} s and may be {self._max_wait_s:g} s (--max-wait-s)"
            return Overloaded(reason, retry_after_s)
        return None

    def overdue(self, deadline: float) -> Overloaded | None:
        """Why the job with that deadline is late, where no engine has begun it.

        The deadline is its name: nothing else of a job is known to all, and two are hardly ever the same.
        """
        deadline_us = round(deadline * 1e6)
        if any(row["job_deadline_us"] == deadline_us and row["job_began_us"] for row in self._board.rows()):
            return None
        retry_after_s = max(1, math.ceil(self.expected_wait_s(self._queue.waiting())))
        return Overloaded("the picture waited in the queue past its deadline (--job-timeout-s)", retry_after_s)

    def is_saturated(self) -> bool:
        """A job that came now would be refused."""
        return self.refusal() is not None

    def expected_wait_s(self, waiting: int) -> float:
        """Seconds until a job behind `waiting` others is begun: their work, shared by the engines that will do it.

        An engine that has long been at one job takes no part; where all are, the next jobs are taken to be as long.
        """
        now = self._clock()
        job_s, ages_s = self._mean_job_s(now), self._ages_s(now)
        shared_by = sum(age_s <= LONG_JOB * job_s for age_s in ages_s)
        if not shared_by and ages_s:
            job_s, shared_by = sum(ages_s) / len(ages_s), len(ages_s)
        return waiting * job_s / max(1, shared_by)

    def _ages_s(self, now: float) -> list[float]:
        """How long each engine has been at its job, 0 for an idle one; one that hangs is soon gone and not counted."""
        rows = [row for row in self._board.rows() if row["state"] in (WorkerState.READY, WorkerState.DRAINING)]
        return [
            now - row["job_began_us"] * 1e-6 if row["job_began_us"] else 0.0
            for row in rows
            if not row["job_began_us"] or row["job_deadline_us"] * 1e-6 >= now
        ]

    def _mean_job_s(self, now: float) -> float:
        """The mean of the jobs of the last windows, half of it from the newest."""
        if now - self._estimated_at >= WINDOW_S:
            self._estimated_at = now
            done, busy_us = self._board.total("jobs_done"), self._board.total("job_busy_us")
            if done > self._done:
                newest_s = (busy_us - self._busy_us) / (done - self._done) * 1e-6
                self._job_s = newest_s if not self._done else (self._job_s + newest_s) / 2
            self._done, self._busy_us = done, busy_us
        return self._job_s
