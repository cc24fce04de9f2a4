"""The scoreboard: one shared mapping, one row for each worker, read by everybody, locked by nobody.

Every cell is an unsigned 64-bit number that one process writes, so no reader sees half of one.  A worker's row
survives it: counters go on where the last worker with that row left them, so that totals only ever grow.  While a
slot's worker is replaced the two of them have a row each.  Times are in microseconds of the monotonic clock, which
all processes of a machine share.
"""

from __future__ import annotations

import errno
import mmap
import time
from collections.abc import Container, Iterator, Mapping
from enum import IntEnum

from imgsrv.errors import CODES

CELL_BYTES = 8

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram; a last bucket has none."""

STAGES = ("receive", "queue", "decode", "operations", "encode")
"""Of a request, as `Server-Timing` names them."""

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
    "log_records_lost",
    *(f"bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"wait_bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"stage_{name}_us" for name in STAGES),
    *(f"error_{code}" for code in CODES),
)

REPLACED_FOR = ("hang", "memory", "jobs", "signal")
"""Why the master replaces a worker: a job that hangs, a limit of its memory or jobs, a signal from somebody else."""

MASTER_FIELDS = (
    "slot",
    "starts",
    "deaths",
    "is_stopping",
    "is_retired",
    "master_log_records_lost",
    *(f"replaced_{reason}" for reason in REPLACED_FOR),
)
"""Written by the master, in a part of the row of its own."""

_FIELDS = {name: index for index, name in enumerate((*WORKER_FIELDS, *MASTER_FIELDS))}


class WorkerState(IntEnum):
    """What a worker is doing, as the board's `state` says it."""

    GONE = 0
    STARTING = 1
    READY = 2
    DRAINING = 3


class Row:
    """One worker's row: `row["requests"]` reads, `row.add("requests")` counts, `row.set("state", 2)` writes."""

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
        self.add(f"bucket_{_bucket(seconds)}")
        self.add("request_us", round(seconds * 1e6))

    def observe_stages(self, stages: Mapping[str, float]) -> None:
        """Count the stages of a request, in seconds, and its wait into the histogram of that."""
        self.add(f"wait_bucket_{_bucket(stages['queue'])}")
        for name, seconds in stages.items():
            self.add(f"stage_{name}_us", round(seconds * 1e6))


class Board:
    """The rows of all workers, in memory that is shared with every process forked afterwards.

    rows: in use from the beginning.  spare: further ones that the master may open while others already read.
    """

    def __init__(self, rows: int, spare: int = 0) -> None:
        self._capacity = rows + spare
        cells = memoryview(mmap.mmap(-1, (1 + self._capacity * len(_FIELDS)) * CELL_BYTES)).cast("Q")
        # Pages of spare rows that nobody touches take no memory; hence the count of those in use.
        self._in_use, self._cells = cells[:1], cells[1:]
        self._in_use[0] = rows

    def row(self, index: int) -> Row:
        """A row by its number."""
        return Row(self._cells[index * len(_FIELDS) : (index + 1) * len(_FIELDS)])

    def rows(self) -> Iterator[Row]:
        """All rows that are or were in use."""
        return map(self.row, range(self._in_use[0]))

    def free_row(self, taken: Container[int]) -> int:
        """The number of the first row that is not taken.  Only the master asks.  Raises OSError if all are."""
        for index in range(self._capacity):
            if index not in taken:
                self._in_use[0] = max(self._in_use[0], index + 1)
                return index
        raise OSError(errno.ENOSPC, f"all {self._capacity} rows of the scoreboard are taken")

    def total(self, field: str) -> int:
        """The sum of a field over all rows."""
        return sum(row[field] for row in self.rows())


def _bucket(seconds: float) -> int:
    return next((index for index, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))


def now_us() -> int:
    """The monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000
