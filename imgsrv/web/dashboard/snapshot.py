"""A snapshot of the whole pool, made by any worker from the scoreboard and the kernel.

Counts are those since the start.  Who receives a snapshot each second makes rates of two, and percentiles of a window
of the difference between their buckets, so nothing has to be remembered here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

from imgsrv.observe.fields import BUCKETS_S
from imgsrv.observe.memory import memory_by_kind
from imgsrv.observe.processes import cpu_s, facts_of, proportional_bytes
from imgsrv.observe.scoreboard import Board, Row, WorkerState
from imgsrv.observe.totals import latency_counts, pictures_of, slowest_s, sources_of, totals_of

MEMORY_FRESH_S = 5.0
"""The kernel takes a millisecond or more for the memory of one worker, so it is asked once in this time."""


class Queue(Protocol):
    """The part of the exchange that a snapshot needs."""

    def waiting(self) -> int:
        """Return the number of jobs that no engine has taken yet."""
        ...


class Snapshots:
    """Makes snapshots of a pool.

    facts: what does not change, such as the name.  max_queue: jobs that may wait.  max_memory: the budget in bytes.
    """

    def __init__(
        self,
        board: Board,
        queue: Queue,
        facts: dict[str, Any],
        max_queue: int,
        max_memory: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._queue, self._facts = board, queue, facts
        self._max_queue, self._max_memory, self._clock = max_queue, max_memory, clock
        self._memory: dict[int, tuple[float, int]] = {}
        master = facts_of(os.getppid())
        self._started = master.started if master is not None else time.time()

    def take(self) -> dict[str, Any]:
        """The state of this moment, JSON-compatible."""
        board, now = self._board, self._clock()
        rows = [row for row in board.rows() if row["state"] != WorkerState.GONE]
        memory = {row["pid"]: self._memory_of(row["pid"], now) for row in rows}
        self._memory = {pid: self._memory[pid] for pid in memory}
        generations = {row["generation"] for row in rows}
        return {
            **self._facts,
            "at": round(time.time(), 3),
            "uptime_s": round(max(0.0, time.time() - self._started), 1),
            "generation": max(generations, default=0),
            "is_reloading": len(generations) > 1,
            "is_stopping": any(row["is_stopping"] for row in rows),
            "queue": {"waiting": self._queue.waiting() + board.in_line(), "max": self._max_queue},
            "memory": {"used": sum(memory_by_kind(board).values()), "max": self._max_memory},
            "totals": totals_of(board),
            "pictures": pictures_of(board),
            "sources": sources_of(board),
            "latency": {"bounds_s": BUCKETS_S, "counts": latency_counts(board), "slowest_s": slowest_s(board)},
            "workers": [_worker(row, memory[row["pid"]], now) for row in sorted(rows, key=_place)],
        }

    def _memory_of(self, pid: int, now: float) -> int:
        at, size = self._memory.get(pid, (0.0, -1))
        if size < 0 or now - at > MEMORY_FRESH_S:
            at, size = now, proportional_bytes(pid) or 0
        self._memory[pid] = at, size
        return size


def _worker(row: Row, memory: int, now: float) -> dict[str, Any]:
    began_us = row["job_began_us"]
    return {
        "slot": row["slot"],
        "pid": row["pid"],
        "generation": row["generation"],
        "state": _state(row),
        "cpu_s": round(cpu_s(row["pid"]), 2),
        "memory_bytes": memory,
        "connections": row["connections"],
        "jobs_done": row["jobs_done"],
        "job_s": round(max(0.0, now - began_us * 1e-6), 2) if began_us else None,
    }


def _state(row: Row) -> str:
    """The state in a word, as `imgsrv status` has it."""
    if row["is_silent"]:
        return "not responding"
    if row["is_retired"]:
        return "draining"
    return "unknown" if row.state is None else row.state.name.lower()


def _place(row: Row) -> tuple[int, int]:
    return row["slot"], row["pid"]
