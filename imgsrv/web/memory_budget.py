"""One budget of memory for all workers: bodies, jobs at work, and answers that are not made or not sent.

Each worker writes what it holds on its own row of the scoreboard and reads the rows of the others.  If there is no room
for a body or a job, that newest one is refused with 503; what was accepted before goes on.  Two workers that ask at the
same moment may both be admitted, so a little more than the budget can be used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from imgsrv.errors import MEGA, JobTooLarge, OutOfMemoryBudget
from imgsrv.observe.fields import LARGEST_JOBS
from imgsrv.observe.memory import base_memory, memory_by_kind
from imgsrv.observe.processes import proportional_bytes
from imgsrv.observe.scoreboard import Board, Row

RETRY_AFTER_S = 2

MOST_UNSENT = 0.5
"""The part of the budget that the unread answers of one worker may have; beyond it that worker accepts no picture."""


SHARE = 4
"""A client may have so many times as much in answers as the budget has left."""


class MemoryBudget:
    """The budget as one worker sees it.

    row: the worker's own row.  limit: bytes for all workers.  base: bytes of this worker without requests; measured
    where it is not given.
    """

    def __init__(self, board: Board, row: Row, limit: int, base: int | None = None) -> None:
        self._board, self._row, self.limit = board, row, limit
        self._jobs: list[int] = []
        for field in ("memory_bodies", "memory_answers", "memory_results"):
            row.set(field, 0)
        self._tell_jobs()
        row.set("memory_base", (proportional_bytes(os.getpid()) or 0) if base is None else base)

    def used(self) -> int:
        """The bytes that all workers hold or will need."""
        return sum(memory_by_kind(self._board).values())

    def _has_plenty(self, size: int) -> bool:
        """Whether there is room for so many bytes more, and twice as much, even if all jobs ran at once.

        This is so nearly always, and is found out in a tenth of the time of `used`.
        """
        most = sum(row.most_memory() for row in self._board.rows())
        return 2 * (most + size) <= self.limit

    def check(self, size: int) -> None:
        """Raise OutOfMemoryBudget if there is no room for so many bytes more."""
        if not self._has_plenty(size):
            self._checked(size)

    def _checked(self, size: int) -> int:
        """The bytes that are in use, if there is room for so many more."""
        unsent = self._row["memory_answers"] + self._row["unsent_bytes"]
        if unsent > MOST_UNSENT * self.limit:
            raise self._full(f"clients of this worker have still to read {unsent / MEGA:.1f} MB")
        if (used := self.used()) + size > self.limit:
            raise self._full(f"{used / MEGA:.1f} MB are in use, and {size / MEGA:.1f} MB more are needed")
        return used

    def grow_body(self, size: int) -> None:
        """Count so many bytes of a body in.  Raises OutOfMemoryBudget."""
        self.check(size)
        self._row.add("memory_bodies", size)

    def release_body(self, size: int) -> None:
        """Count so many bytes of a body out."""
        self._row.add("memory_bodies", -size)

    def hold_answer(self, size: int) -> None:
        """Count an answer in: it exists, and nothing refuses it."""
        self._row.add("memory_answers", size)

    def release_answer(self, size: int) -> None:
        """Count an answer out: it is sent, or its connection counts what is not."""
        self._row.add("memory_answers", -size)

    def check_job(self, size: int) -> None:
        """Raise JobTooLarge for a job that does not fit even while nothing else is done: waiting would not help."""
        if self._has_plenty(size):
            return
        room = self.limit - base_memory(self._board)
        if size > room:
            raise JobTooLarge(size, room, "its largest part")

    def check_share(self, held: int, size: int) -> None:
        """Raise OutOfMemoryBudget if one client takes too much of a short budget.

        held: bytes of its answers that it has not read or not got yet.  size: of a further one.  A client may have
        SHARE times as much as is left, so that some is always left for others.
        """
        if not held or self._has_plenty(held + size):
            return
        unsent = self._row["memory_answers"] + self._row["unsent_bytes"]
        room = min(self.limit - self.used(), round(MOST_UNSENT * self.limit) - unsent)
        if held + size > SHARE * room:
            raise self._full(f"this client has {held / MEGA:.1f} MB of answers to read or to get, and others need room")

    @contextmanager
    def job(self, size: int, result: int = 0) -> Iterator[None]:
        """Count a job in for the length of the block.  size: its estimated peak.  Raises OutOfMemoryBudget.

        result: bytes of its expected result.  Engines may finish many jobs before a client reads, and each of them
        needs room for its answer.
        """
        has_plenty = self._has_plenty(size + result)
        before = 0 if has_plenty else self._checked(result) + result
        self._row.add("memory_results", result)
        self._jobs.append(size)
        self._tell_jobs()
        try:
            # A job behind larger ones needs nothing more: no more are at work than there are engines.
            if not has_plenty and before + size > self.limit and (after := self.used()) > max(before, self.limit):
                needed = f"{(after - before) / MEGA:.1f} MB more are needed"
                raise self._full(f"{before / MEGA:.1f} MB are in use, and {needed}")
            yield
        finally:
            self._row.add("memory_results", -result)
            self._jobs.remove(size)
            self._tell_jobs()

    def _tell_jobs(self) -> None:
        largest = sorted(self._jobs, reverse=True)
        self._row.set("memory_jobs", sum(largest))
        for index, field in enumerate(LARGEST_JOBS):
            self._row.set(field, largest[index] if index < len(largest) else 0)

    def _full(self, reason: str) -> OutOfMemoryBudget:
        limit = f"{self.limit / MEGA:.1f} MB (--max-memory)"
        return OutOfMemoryBudget(f"the budget of memory, {limit}, is full: {reason}", RETRY_AFTER_S)
