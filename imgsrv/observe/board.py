"""The scoreboard: one shared mapping, one row for each slot, read by everybody, locked by nobody.

Every cell is an unsigned 64-bit number that one process writes, so no reader sees half of one.  A slot's row is
written by its worker and survives it: counters go on where the last worker of the slot left them.  Times are in
microseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from enum import IntEnum

from imgsrv.errors import CODES

CELL_BYTES = 8

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram; a last bucket has none."""

WORKER_FIELDS = (
    "pid",
    "state",
    "connections",
    "requests",
    "bytes_in",
    "bytes_out",
    "jobs_submitted",
    "jobs_begun",
    "jobs_done",
    "jobs_skipped",
    "job_began_us",
    "job_deadline_us",
    "job_busy_us",
    "request_us",
    *(f"bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"error_{code}" for code in CODES),
)

MASTER_FIELDS = ("starts", "deaths", "is_stopping")
"""Written by the master, in a part of the row of its own."""

_FIELDS = {name: index for index, name in enumerate((*WORKER_FIELDS, *MASTER_FIELDS))}


class WorkerState(IntEnum):
    """What a worker is doing, as the board's `state` says it."""

    GONE = 0
    STARTING = 1
    READY = 2
    DRAINING = 3


class Row:
    """One slot's row: `row["requests"]` reads, `row.add("requests")` counts, `row.set("state", 2)` writes."""

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def __getitem__(self, field: str) -> int:
        return int(self._cells[_FIELDS[field]])

    def set(self, field: str, value: int) -> None:
        """Write a cell."""
        self._cells[_FIELDS[field]] = value

    def add(self, field: str, count: int = 1) -> None:
        """Count a cell up; only the cell's one writer may."""
        self._cells[_FIELDS[field]] += count

    def observe_request(self, seconds: float) -> None:
        """Count a request into the latency histogram."""
        bucket = next((index for index, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))
        self.add(f"bucket_{bucket}")
        self.add("request_us", round(seconds * 1e6))


class Board:
    """The rows of all slots, in memory that is shared with every process forked afterwards."""

    def __init__(self, slots: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, slots * len(_FIELDS) * CELL_BYTES)).cast("Q")
        self.slots = slots

    def row(self, slot: int) -> Row:
        """The row of a slot."""
        return Row(self._cells[slot * len(_FIELDS) : (slot + 1) * len(_FIELDS)])

    def rows(self) -> Iterator[Row]:
        """All rows in the order of their slots."""
        return map(self.row, range(self.slots))

    def total(self, field: str) -> int:
        """The sum of a field over all slots."""
        return sum(row[field] for row in self.rows())


def now_us() -> int:
    """The monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000
