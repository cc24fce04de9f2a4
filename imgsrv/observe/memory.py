"""The memory that all workers need now, by kind, from what each of them writes on its row of the scoreboard."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from imgsrv.observe.scoreboard import Board, Row, WorkerState

KINDS = ("base", "bodies", "answers", "jobs")
"""What holds memory: workers without requests, bodies being received or at work, answers not yet sent, jobs at work."""


def memory_by_kind(board: Board) -> dict[str, int]:
    """Return the bytes of each kind.

    Each engine works on one job, so the jobs count with the largest ones of all that are queued or at work.
    """
    rows = [row.memory() for row in _live(board)]
    base = bodies = answers = 0
    jobs: list[int] = []
    for unsent, own, received, made, expected, all_jobs, *largest in rows:
        base += own
        bodies += received
        answers += made + expected + unsent
        if all_jobs:
            jobs += _jobs(all_jobs, largest, len(rows))
    return {"base": base, "bodies": bodies, "answers": answers, "jobs": sum(heapq.nlargest(len(rows), jobs))}


def base_memory(board: Board) -> int:
    """Return the bytes that the workers take without requests."""
    return sum(row["memory_base"] for row in _live(board))


def _live(board: Board) -> list[Row]:
    return [row for row in board.rows() if row["state"] != WorkerState.GONE]


def _jobs(all_jobs: int, largest: Sequence[int], most: int) -> Iterator[int]:
    """The sizes of the jobs of a front: its largest, and at most `most` others, which the smallest of these bounds.

    all_jobs: the bytes of all.
    """
    yield from largest
    rest, smallest = all_jobs - sum(largest), largest[-1]
    for _ in range(most):
        if rest <= 0 or not smallest:
            return
        yield min(rest, smallest)
        rest -= smallest
