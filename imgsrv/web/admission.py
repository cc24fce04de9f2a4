"""Admission: may one more job be queued?  Asked before its body is received, and again when the body is here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from imgsrv.errors import Overloaded
from imgsrv.observe.fields import CLASSES, IN_LINE
from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.web.line import NOBODY, Ahead, Lines, Queue

WINDOW_S = 0.5
"""Interval of the estimates of the mean time of a job."""

FIRST_GUESS_S = 0.05
"""Estimate of the time of a job until the first one is done."""

LONG_JOB = 10
"""Jobs that are older than so many times the mean are left out of the estimate of the wait."""

FACTORS = (0.25, 8.0)
"""The least and the most true seconds for a predicted one."""

LEARNING = 0.2
"""Weight of what was measured last."""

LEAST_LEARNED_US = 500_000
"""Predicted time of the jobs from which the factor is learned at once."""


class Admission:
    """Limits the queue in its length, and in the wait that a job at its end has to expect."""

    def __init__(
        self,
        board: Board,
        queue: Queue,
        *,
        max_queue: int,
        max_wait_s: float,
        lines: Lines | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._queue, self._clock = board, queue, clock
        self._lines = lines
        self._max_queue, self._max_wait_s = max_queue, max_wait_s
        self._job_s = FIRST_GUESS_S
        self._estimated_at = self._forgot_at = -math.inf
        self._done = self._busy_us = 0
        self._errors_us = {False: 0, True: 0}
        self._factor, self._predicted_us, self._worked_us = 1.0, 0, 0

    def check(self, client: str | None = None, *, is_dear: bool = False) -> None:
        """Raise Overloaded if no further job of that kind may be queued.

        If the queue is full, the newest job of the client with most in the line is refused in its place, if it may.
        """
        if (refusal := self.refusal(client, is_dear=is_dear)) is not None:
            raise refusal
        line = self._lines[is_dear] if self._lines else None
        if client is not None and line is not None and len(line):
            queued = self._queued(is_dear=is_dear) + self._board.total(IN_LINE[is_dear])
            if queued >= self._max_queue:
                line.displace(client, self._full(queued, self.expected_wait_s(queued, is_dear=is_dear)))

    def refusal(self, client: str | None = None, *, is_dear: bool = False) -> Overloaded | None:
        """The error for a further job, with the time until there should be room; None if it may be queued.

        client: whose job it is; None for nobody's, behind which all others are.
        """
        line = self._lines[is_dear] if self._lines else ()
        waiting = self._queue.waiting()
        if not waiting and not is_dear and not len(line):
            self._forget_errors()
            return None
        queued, in_line = self._queued(is_dear=is_dear), self._board.total(IN_LINE[is_dear])
        ahead = self._ahead(client, is_dear=is_dear)
        wait_s = self.expected_wait_s(queued, is_dear=is_dear, ahead=ahead)
        if queued + in_line >= self._max_queue and not self._has_share(client, queued, in_line, is_dear=is_dear):
            return self._full(queued + in_line, wait_s)
        retry_after_s = max(1, math.ceil(wait_s))
        if wait_s > self._max_wait_s:
            reason = f"the wait would be about {wait_s:.1f} s and may be {self._max_wait_s:g} s (--max-wait-s)"
            return Overloaded(reason, retry_after_s)
        return None

    def overdue(self, deadline: float) -> Overloaded | None:
        """The error for a late job that no engine has begun; None if an engine is working on it.

        The deadline identifies the job: it is all that the scoreboard has of a job, and two are hardly ever the same.
        """
        deadline_us = round(deadline * 1e6)
        if any(row["job_deadline_us"] == deadline_us and row["job_began_us"] for row in self._board.rows()):
            return None
        wait_s = self.expected_wait_s(self._queue.waiting(), ahead=self._ahead(None))
        retry_after_s = max(1, math.ceil(wait_s))
        return Overloaded("the picture waited in the queue past its deadline (--job-timeout-s)", retry_after_s)

    def is_saturated(self) -> bool:
        """True if a job that came now would be refused."""
        return self.refusal() is not None

    def room(self) -> float:
        """The part of the longest wait, 0 to 1, that a job which came now would not have to wait."""
        ahead = self._ahead(None)
        queued = self._queued(is_dear=False)
        wait_s = self.expected_wait_s(queued, ahead=ahead) if queued or ahead.jobs else 0.0
        return max(0.0, 1 - wait_s / self._max_wait_s)

    def _queued(self, *, is_dear: bool) -> int:
        """Jobs in the queue of a kind: each kind has its own, and one that is full must not close the other."""
        return self._queue.waiting_dear() if is_dear else self._queue.waiting_cheap()

    def _full(self, queued: int, wait_s: float) -> Overloaded:
        reason = f"{queued} pictures wait already and {self._max_queue} may (--max-queue)"
        return Overloaded(reason, max(1, math.ceil(wait_s)))

    def _ahead(self, client: str | None, *, is_dear: bool = False) -> Ahead:
        """What is served from the lines of all fronts before a job at the end of this one, as if all were like it."""
        if self._lines is None or not len(self._lines[is_dear]):
            return Ahead()
        fronts = sum(row[IN_LINE[is_dear]] > 0 for row in self._board.rows())
        here = self._lines[is_dear].ahead(client)
        return Ahead(here.jobs * fronts, here.seconds * fronts)

    def _has_share(self, client: str | None, queued: int, in_line: int, *, is_dear: bool) -> bool:
        """Whether a client may have a job more in a full queue, because others have more than their share.

        Here another one has more jobs in the line, or other fronts have taken the share of this one.
        """
        if client is None or self._lines is None:
            return False
        line = self._lines[is_dear]
        if line.is_shorter(client):
            return True
        fronts = sum(row["state"] == WorkerState.READY for row in self._board.rows())
        has_none, is_elsewhere = not line.ahead(client).jobs, in_line > len(line)
        return has_none and is_elsewhere and queued + len(line) < self._max_queue / max(1, fronts)

    def expected_wait_s(self, waiting: int, *, is_dear: bool = False, ahead: Ahead = NOBODY) -> float:
        """Estimate the seconds until a job behind `waiting` others of its kind, and those ahead in line, is begun.

        Their predicted work is divided among the engines that may take them.  For cheap jobs, engines that have worked
        on one job for long are left out; if all have, the next jobs are expected to take as long as these.  For dear
        ones, the engine that is kept free is left out, and the rest of the jobs at work is added.
        """
        now = self._clock()
        job_s, ages_s = self._mean_job_s(now), self._ages_s(now)
        work_s = self._waiting_s(waiting, is_dear=is_dear) + ahead.seconds * self._factor
        waiting += ahead.jobs
        work_s = work_s or waiting * job_s
        if is_dear:
            return (work_s + self._unfinished_s(now)) / max(1, len(ages_s) - 1)
        shared_by = sum(age_s <= LONG_JOB * job_s for age_s in ages_s)
        if not shared_by and ages_s:
            work_s, shared_by = waiting * sum(ages_s) / len(ages_s), len(ages_s)
        return work_s / max(1, shared_by)

    def _waiting_s(self, waiting: int, *, is_dear: bool) -> float:
        """The predicted work of the jobs of one kind that wait, times what this machine takes for a predicted second.

        Fronts count what they queue, and engines what they take.  A worker that dies between two counts leaves an
        error; it is forgotten when the queue is empty.
        """
        kind = CLASSES[is_dear]
        left = self._board.total(f"{kind}_queued_us") - self._board.total(f"{kind}_taken_us")
        if not waiting or left < self._errors_us[is_dear]:
            self._errors_us[is_dear] = left
        return (left - self._errors_us[is_dear]) * 1e-6 * self._factor

    def _forget_errors(self) -> None:
        """Note, at most once in WINDOW_S, what the counts of cheap jobs differ by while none waits."""
        if (now := self._clock()) - self._forgot_at >= WINDOW_S:
            self._forgot_at = now
            self._waiting_s(0, is_dear=False)

    def _unfinished_s(self, now: float) -> float:
        """The predicted rest of the dear jobs at work."""
        return sum(
            max(0.0, row["job_cost_us"] * 1e-6 * self._factor - (now - row["job_began_us"] * 1e-6))
            for row in self._board.rows()
            if row["job_began_us"] and row["job_is_dear"]
        )

    def _ages_s(self, now: float) -> list[float]:
        """The age of each engine's job in seconds, 0 for an idle engine.  Engines past their deadline are left out."""
        rows = [row for row in self._board.rows() if row["state"] in (WorkerState.READY, WorkerState.DRAINING)]
        return [
            now - row["job_began_us"] * 1e-6 if row["job_began_us"] else 0.0
            for row in rows
            if not row["job_began_us"] or row["job_deadline_us"] * 1e-6 >= now
        ]

    def _mean_job_s(self, now: float) -> float:
        """The mean time of a job: a moving average, to which the newest window gives half."""
        if now - self._estimated_at >= WINDOW_S:
            self._estimated_at = now
            done, busy_us = self._board.total("jobs_done"), self._board.total("job_busy_us")
            if done > self._done:
                newest_s = (busy_us - self._busy_us) / (done - self._done) * 1e-6
                self._job_s = newest_s if not self._done else (self._job_s + newest_s) / 2
            self._done, self._busy_us = done, busy_us
            self._calibrate()
        return self._job_s

    def _calibrate(self) -> None:
        """Learn how many seconds this machine takes for a predicted one, slowly and within bounds."""
        predicted_us, worked_us = (
            sum(self._board.total(f"{kind}_{what}_us") for kind in CLASSES) for what in ("predicted", "worked")
        )
        if predicted_us - self._predicted_us >= LEAST_LEARNED_US:
            newest = (worked_us - self._worked_us) / (predicted_us - self._predicted_us)
            low, high = FACTORS
            self._factor = min(high, max(low, self._factor + LEARNING * (newest - self._factor)))
            self._predicted_us, self._worked_us = predicted_us, worked_us
