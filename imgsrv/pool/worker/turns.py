"""Turns: which of the two queues an engine looks into, and in which order.

Dear jobs have a queue of their own.  Of the engines that are ready and have no dear job, that of the lowest slot takes
none, as long as another engine is ready; so a cheap job always finds an engine that no dear job occupies.  The rule
needs no token and no lock: it follows from the scoreboard alone, so no crash can lose anything.  Dear jobs are taken in
their order by the others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from imgsrv.observe.scoreboard import Board, Row, WorkerState

RECHECK_S = 0.2
"""How often an engine looks at the scoreboard for the slots that are ready."""

CHEAP, DEAR = False, True


class Turns:
    """The order of one engine.

    board, row: the scoreboard and the engine's own row; without a board it is never the one that is kept free.
    """

    def __init__(self, board: Board | None, row: Row, clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._row, self._clock = board, row, clock
        self._looked_at = self._cheap_until = -math.inf
        self._is_kept_free = False

    def order(self) -> tuple[bool, ...]:
        """Return the queues to look into, the first one first, each as CHEAP or DEAR."""
        if self.is_kept_free():
            return (CHEAP,)
        return (CHEAP, DEAR) if self._clock() < self._cheap_until else (DEAR, CHEAP)

    def spent(self, kind: bool, seconds: float) -> None:  # noqa: FBT001  one of two names
        """Note that a job took so long.  After a dear one, cheap ones come first for the same time."""
        if kind is DEAR:
            self._cheap_until = self._clock() + seconds

    def is_kept_free(self) -> bool:
        """Return whether this engine takes no dear job: the lowest slot without one, of several engines."""
        if self._clock() - self._looked_at >= RECHECK_S:
            self._look()
        return self._is_kept_free

    def may_take_dear(self) -> bool:
        """Return whether this engine may take a dear job at this moment: it looks at the scoreboard anew."""
        self._look()
        return not self._is_kept_free

    def _look(self) -> None:
        if self._board is None:
            return
        self._looked_at, own = self._clock(), self._row["slot"]
        rows = [row for row in self._board.rows() if self._takes_jobs(row)]
        free = [row["slot"] for row in rows if not (row["is_silent"] or _has_dear_job(row))]
        is_ready = self._row["state"] == WorkerState.READY
        self._is_kept_free = is_ready and any(row["slot"] != own for row in rows) and min(free, default=-1) == own

    def _takes_jobs(self, row: Row) -> bool:
        """Whether that engine takes jobs of the same queues: during a reload the old code has queues of its own.

        One that gives no sign of life does only if it has a job: that may hold the interpreter's lock, and ends.
        """
        is_able = row["state"] == WorkerState.READY and (not row["is_silent"] or row["job_began_us"])
        return bool(is_able) and row["generation"] == self._row["generation"]


def _has_dear_job(row: Row) -> bool:
    return bool(row["job_began_us"] and row["job_is_dear"])
