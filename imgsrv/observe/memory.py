"""The memory that all workers need now, by kind, from what each of them writes on its row of the scoreboard."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from imgsrv.observe.scoreboard import LARGEST_JOBS, Board, Row, WorkerState

KINDS = ("base", "bodies", "answers", "jobs")
"""What holds memory: workers without requests, bodies being received or at work, answers not yet sent, jobs at work."""


def memory_by_kind(board: Board) -> dict[str, int]:
    """Return the bytes of each kind.

    Each engine works on one job, so the jobs count with the largest ones of all that are queued or at work.
    """
    rows = _live(board)
    jobs = [size for row in rows for size in _jobs(row, len(rows))]
    return {
        "base": base_memory(board),
        "bodies": sum(row["memory_bodies"] for row in rows),
        "answers": sum(row["memory_answers"] + row["memory_results"] + row["unsent_bytes"] for row in rows),
        "jobs": sum(heapq.nlargest(len(rows), jobs)),
    }


def base_memory(board: Board) -> int:
    """Return the bytes that the workers take without requests."""
    return sum(row["memory_base"] for row in _live(board))


def _live(board: Board) -> list[Row]:
    return [row for row in board.rows() if row["state"] != WorkerState.GONE]


def _jobs(row: Row, most: int) -> Iterator[int]:
    """The sizes of the jobs of a front: its largest, and at most `most` others, which the smallest of these bounds."""
    largest = [row[field] for field in LARGEST_JOBS]
    yield from largest
    rest, smallest = row["memory_jobs"] - sum(largest), largest[-1]
    for _ in range(most):
        if rest <= 0 or not smallest:
            return
        yield min(rest, smallest)
        rest -= smallest
