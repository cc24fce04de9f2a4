"""Turns: which of the two queues an engine looks into, and in which order.

Dear jobs have a queue of their own.  The engine of the lowest slot that is ready never takes one, as long as another
engine is ready; so a cheap job always finds an engine that no dear job occupies.  The rule needs no token and no lock:
it follows from the scoreboard alone, so no crash can lose anything.  Dear jobs are taken in their order by the others.
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
        """Return whether this engine takes no dear job, because it has the lowest slot of several that are ready."""
        if self._board is not None and self._clock() - self._looked_at >= RECHECK_S:
            self._looked_at, own = self._clock(), self._row["slot"]
            slots = [row["slot"] for row in self._board.rows() if self._takes_jobs(row)]
            is_ready = self._row["state"] == WorkerState.READY
            self._is_kept_free = is_ready and min(slots, default=0) == own < max(slots, default=0)
        return self._is_kept_free

    def _takes_jobs(self, row: Row) -> bool:
        """Whether that engine takes jobs of the same queues: during a reload the old code has queues of its own."""
        is_able = row["state"] == WorkerState.READY and not row["is_silent"]
        return is_able and row["generation"] == self._row["generation"]
