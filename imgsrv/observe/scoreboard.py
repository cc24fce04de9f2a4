"""The scoreboard: a shared memory mapping with one row for each worker.  Every process reads it without a lock.

Each cell is an unsigned 64-bit number that only one process writes, so no reader sees half of a number.  A row outlives
its worker: the next worker with that row continues its counters, so totals never decrease.  While the worker of a slot
is replaced, the old and the new worker have a row each.  Times are in microseconds of the monotonic clock, which all
processes of a machine share.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import time
from collections.abc import Container, Iterator, Mapping
from enum import IntEnum

from imgsrv.errors import CODES

CELL_BYTES = 8

SPARE_ROWS = 4096
"""Rows for later workers; a row takes no memory until it is used."""

HEADER_BYTES = 32 << 10
"""Size of the header: the names of the fields as JSON, for a later version that has other fields."""

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the latency histogram in seconds; one more bucket has no upper bound."""

STAGES = ("receive", "queue", "decode", "operations", "encode")
"""Stages of a request, with the names of the `Server-Timing` header."""

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
    "spans_lost",
    *(f"bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"wait_bucket_{index}" for index in range(len(BUCKETS_S) + 1)),
    *(f"stage_{name}_us" for name in STAGES),
    *(f"error_{code}" for code in CODES),
)

REPLACED_FOR = ("hang", "memory", "jobs", "signal", "kill")
"""Reasons for which the master replaces a worker.

In this order: a job hangs, the limit of memory, the limit of jobs, a signal of another process, an operator ends its
job.
"""

MASTER_FIELDS = (
    "slot",
    "starts",
    "deaths",
    "is_stopping",
    "is_retired",
    "master_log_records_lost",
    "is_leaving",
    *(f"replaced_{reason}" for reason in REPLACED_FOR),
)
"""Fields that the master writes, in its own part of the row."""

GAUGES = frozenset(
    {
        "pid",
        "state",
        "connections",
        "job_began_us",
        "job_deadline_us",
        "slot",
        "is_stopping",
        "is_retired",
        "is_leaving",
    }
)
"""Fields that hold a current value; all others are counters that only grow."""

_FIELDS = {name: index for index, name in enumerate((*WORKER_FIELDS, *MASTER_FIELDS))}


class WorkerState(IntEnum):
    """What a worker is doing: the values of the field `state`."""

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
        """Set a cell.  Only the one writer of the cell may call this."""
        self._cells[_FIELDS[field]] = value

    def add(self, field: str, count: int = 1) -> None:
        """Increase a cell.  Only the one writer of the cell may call this."""
        self._cells[_FIELDS[field]] += count

    def observe_request(self, seconds: float) -> None:
        """Enter the duration of a request into the latency histogram."""
        self.add(f"bucket_{_bucket(seconds)}")
        self.add("request_us", round(seconds * 1e6))

    def observe_stages(self, stages: Mapping[str, float]) -> None:
        """Add the stages of a request, in seconds, and enter its wait into the histogram of waits."""
        self.add(f"wait_bucket_{_bucket(stages['queue'])}")
        for name, seconds in stages.items():
            self.add(f"stage_{name}_us", round(seconds * 1e6))


class ForeignRow(Row):
    """A row of a version with other fields: a field that it lacks reads as 0 and is not written."""

    __slots__ = ("_fields",)

    def __init__(self, cells: memoryview, fields: Mapping[str, int]) -> None:
        super().__init__(cells)
        self._fields = fields

    def __getitem__(self, field: str) -> int:
        return int(self._cells[self._fields[field]]) if field in self._fields else 0

    def set(self, field: str, value: int) -> None:
        """Set a cell if the row has it."""
        if field in self._fields:
            self._cells[self._fields[field]] = value

    def add(self, field: str, count: int = 1) -> None:
        """Increase a cell if the row has it."""
        self.set(field, self[field] + count)


class Board:
    """The rows of all workers, in memory that every process forked afterwards shares.

    rows: number of rows in use from the beginning.  spare: rows that the master may add while others already read.
    file: descriptor of the memory; the master passes it on to the program that replaces it at a reload.
    """

    def __init__(self, rows: int, spare: int = 0, file: int | None = None) -> None:
        if file is None:
            self._capacity, names = rows + spare, list(_FIELDS)
            file = os.memfd_create("board")
            os.ftruncate(file, HEADER_BYTES + (1 + self._capacity * len(_FIELDS)) * CELL_BYTES)
            os.pwrite(file, json.dumps([self._capacity, names]).encode(), 0)
        else:
            self._capacity, names = json.loads(os.pread(file, HEADER_BYTES, 0).rstrip(b"\0"))
        self.file = file
        same = names == list(_FIELDS)
        self._fields: Mapping[str, int] = _FIELDS if same else {name: index for index, name in enumerate(names)}
        cells = memoryview(mmap.mmap(file, 0))[HEADER_BYTES:].cast("Q")
        # Readers stop at the number of rows in use, because the pages of an untouched row take no memory.
        self._in_use, self._cells = cells[:1], cells[1:]
        if self._in_use[0] < rows:  # noqa: PLR1730  write only if needed: a live master may increase it meanwhile
            self._in_use[0] = rows

    @classmethod
    def opened(cls, file: int) -> Board:
        """Return the board in a file.  Any version may have made it."""
        return cls(0, file=file)

    @property
    def is_foreign(self) -> bool:
        """Whether a version with other fields made the board."""
        return self._fields is not _FIELDS

    def add_counts(self, row: Row, to: int, but: Mapping[str, int]) -> dict[str, int]:
        """Add the counters of another board's row to the row `to`; return them.  but: the part added before."""
        counts = {name: row[name] for name in _FIELDS if name not in GAUGES}
        for name, count in counts.items():
            self.row(to).add(name, count - but.get(name, 0))
        return counts

    def row(self, index: int) -> Row:
        """Return the row with this number."""
        cells = self._cells[index * len(self._fields) : (index + 1) * len(self._fields)]
        return ForeignRow(cells, self._fields) if self.is_foreign else Row(cells)

    def rows(self) -> Iterator[Row]:
        """Yield all rows that are or were in use."""
        return map(self.row, range(self._in_use[0]))

    def free_row(self, taken: Container[int]) -> int:
        """Return the number of the first free row.  Only the master calls this.  Raises OSError if there is none."""
        for index in range(self._capacity):
            if index not in taken:
                self._in_use[0] = max(self._in_use[0], index + 1)
                return index
        raise OSError(errno.ENOSPC, f"all {self._capacity} rows of the scoreboard are taken")

    def total(self, field: str) -> int:
        """Return the sum of a field over all rows."""
        return sum(row[field] for row in self.rows())


def _bucket(seconds: float) -> int:
    return next((index for index, bound in enumerate(BUCKETS_S) if seconds <= bound), len(BUCKETS_S))


def now_us() -> int:
    """Return the time of the monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000
