"""The scoreboard: a shared memory mapping with one row for each worker.  Every process reads it without a lock.

Each cell is an unsigned 64-bit number that only one process writes, so no reader sees half of a number.  A row outlives
its worker: the next worker with that row continues its counters, so totals never decrease.  While the worker of a slot
is replaced, the old and the new worker have a row each.  Times are in microseconds of the monotonic clock, which all
processes of a machine share.

A row has two parts.  The worker can write its own part, which has pages of its own, and nothing else
(shared_memory.py).  The master writes the other part, and keeps what it needs to find a row in its own memory.  Any
number may stand in a worker's part, because a picture may have taken the worker over: nothing here raises for it.
"""

from __future__ import annotations

import errno
import time
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any

from imgsrv.observe.fields import (
    BUCKETS_S,
    FIELDS,
    GAUGES,
    IN_LINE,
    JPEG_REFUSALS,
    LARGEST_JOBS,
    MASTER_FIELDS,
    MAXIMA,
    MEMORY,
    RATIOS,
    WORKER_FIELDS,
)
from imgsrv.observe.shared_memory import SharedMemory, whole_pages

CELL_BYTES = 8

LARGEST = 2**64 - 1
"""The largest number in a cell."""

BUCKETS = tuple(f"bucket_{index}" for index in range(len(BUCKETS_S) + 1))
"""Fields of the latency histogram."""

SPARE_ROWS = 4096
"""Rows for later workers; a row takes no memory until it is used."""


class WorkerState(IntEnum):
    """What a worker is doing: the values of the field `state`."""

    GONE = 0
    STARTING = 1
    READY = 2
    DRAINING = 3


class Layout:
    """The place of each field.  The names are those of the version that made the board.

    memory: where the fields of MEMORY are in a worker's part; None if they are not one behind another.
    """

    def __init__(self, worker: Sequence[str] = WORKER_FIELDS, master: Sequence[str] = MASTER_FIELDS) -> None:
        self.worker = {name: index for index, name in enumerate(worker)}
        self.master = {name: index for index, name in enumerate(master)}
        self.row_bytes = whole_pages(len(worker) * CELL_BYTES)
        places = [self.worker.get(name, -1) for name in MEMORY]
        is_whole = places[0] >= 0 and places == list(range(places[0], places[0] + len(places)))
        self.memory = slice(places[0], places[-1] + 1) if is_whole else None

    @property
    def is_foreign(self) -> bool:
        """True if a version with other fields made the board."""
        return (*self.worker,) != WORKER_FIELDS or (*self.master,) != MASTER_FIELDS

    def rows_at(self, capacity: int) -> int:
        """Return where the rows of the workers begin, in bytes.  Before them are a count and what the master writes."""
        return whole_pages((1 + capacity * len(self.master)) * CELL_BYTES)


class Row:
    """One worker's row: `row["requests"]` reads, `row.add("requests")` counts, `row.set("state", 2)` writes.

    A field that a board of another version lacks reads as 0 and is not written.
    """

    __slots__ = ("_master", "_memory", "_mine", "_theirs", "_worker")

    def __init__(self, layout: Layout, theirs: memoryview, mine: memoryview) -> None:
        self._worker, self._master, self._theirs, self._mine = layout.worker, layout.master, theirs, mine
        self._memory = layout.memory

    def __getitem__(self, field: str) -> int:
        if (index := self._worker.get(field)) is not None:
            return int(self._theirs[index])
        if (index := self._master.get(field)) is not None:
            return int(self._mine[index])
        if field not in FIELDS:
            raise KeyError(field)
        return 0

    def memory(self) -> list[int]:
        """Read the fields of MEMORY, in their order: each request asks for those of all workers, so in one step."""
        if self._memory is None:
            return [self[field] for field in MEMORY]
        return self._theirs[self._memory].tolist()

    def most_memory(self) -> int:
        """Return an upper bound of the bytes that the worker holds and will need: as if all its jobs ran at once."""
        return sum(self.memory()[: -len(LARGEST_JOBS)])

    def set(self, field: str, value: int) -> None:
        """Write a cell; only the cell's one writer may."""
        if (index := self._worker.get(field)) is not None:
            self._theirs[index] = value if 0 <= value <= LARGEST else max(0, min(value, LARGEST))
        elif (index := self._master.get(field)) is not None:
            self._mine[index] = max(0, min(value, LARGEST))

    def add(self, field: str, count: int = 1) -> None:
        """Count a cell up; only the cell's one writer may."""
        if (index := self._worker.get(field)) is None:
            self.set(field, self[field] + count)
            return
        # In one step, not by `set`: a request counts in thirty cells.
        value = self._theirs[index] + count
        self._theirs[index] = value if 0 <= value <= LARGEST else max(0, min(value, LARGEST))

    @property
    def state(self) -> WorkerState | None:
        """What the worker is doing; None if it has written a number that means nothing."""
        return _STATES.get(self["state"])

    def observe_request(self, seconds: float) -> None:
        """Enter the duration of a request into the latency histogram."""
        self.add(BUCKETS[_bucket(seconds)])
        taken_us = round(seconds * 1e6)
        self.add("request_us", taken_us)
        if taken_us > self["slowest_us"]:
            self.set("slowest_us", taken_us)

    def observe_stages(self, stages: Mapping[str, float]) -> None:
        """Add the stages of a request, in seconds, and enter its wait into the histogram of waits."""
        self.add(f"wait_bucket_{_bucket(stages['queue'])}")
        for name, seconds in stages.items():
            self.add(f"stage_{name}_us", round(seconds * 1e6))

    def observe_jpeg(self, way: str, refusal: str) -> None:
        """Count a JPEG.  way: of JPEG_WAYS.  refusal: why imgsrv's own decoder refused it, or empty."""
        self.add(f"jpeg_{way}")
        if refusal:
            self.add(f"jpeg_refused_{refusal if refusal in JPEG_REFUSALS else 'unknown'}")

    def observe_prediction(self, kind: str, predicted_s: float, worked_s: float) -> None:
        """Enter the true and the predicted seconds of a job.  kind: of CLASSES."""
        ratio = worked_s / max(predicted_s, 1e-6)
        index = next((index for index, bound in enumerate(RATIOS) if ratio <= bound), len(RATIOS))
        self.add(f"{kind}_ratio_bucket_{index}")
        self.add(f"{kind}_ratio_thousandths", round(ratio * 1000))
        self.add(f"{kind}_predicted_us", round(predicted_s * 1e6))
        self.add(f"{kind}_worked_us", round(worked_s * 1e6))


_STATES = {state.value: state for state in WorkerState}


class Board:
    """The rows of all workers, in memory that every process forked afterwards shares.

    rows: in use from the beginning.  spare: further ones that the master may open while others already read.
    """

    def __init__(self, rows: int, spare: int = 0, passed: Mapping[str, Any] | None = None) -> None:
        if passed is None:
            self._layout, self._capacity = Layout(), rows + spare
            size = self._layout.rows_at(self._capacity) + self._capacity * self._layout.row_bytes
            self._memory = SharedMemory(size)
            self._memory.cells[0] = rows
        else:
            self._layout, self._capacity = Layout(passed["worker_fields"], passed["master_fields"]), passed["capacity"]
            rows, self._memory = passed["in_use"], SharedMemory(0, passed["file"])
        # Pages of spare rows that nobody touches take no memory; hence the count of those in use.
        self._in_use: int | None = rows
        self._rows: list[Row] = []

    @classmethod
    def opened(cls, passed: Mapping[str, Any]) -> Board:
        """The board that the image before has described, whichever version made it."""
        return cls(0, passed=passed)

    def dump(self) -> dict[str, Any]:
        """Return what the next image of the master needs to open the board, JSON-compatible."""
        return {
            "file": self._memory.file,
            "capacity": self._capacity,
            "in_use": self._count(),
            "worker_fields": list(self._layout.worker),
            "master_fields": list(self._layout.master),
        }

    @property
    def is_foreign(self) -> bool:
        """It was made by a version with other fields."""
        return self._layout.is_foreign

    def restrict(self, row: int | None) -> None:
        """In a worker: give up the right to write to all but the worker's part of a row.  Raises OSError."""
        self._in_use = None  # the master may open further rows
        size = self._layout.row_bytes
        if row is None:
            self._memory.restrict()
        else:
            self._memory.restrict(self._layout.rows_at(self._capacity) + row * size, size)

    def add_counts(self, row: Row, to: int, but: Mapping[str, int]) -> dict[str, int]:
        """Add the counts of another board's row to a row of this one, but those added before; returns all of them."""
        counts = {name: row[name] for name in FIELDS if name not in GAUGES}
        sums = self.row(to)
        for name, count in counts.items():
            if name in MAXIMA:
                sums.set(name, max(sums[name], count))
            else:
                sums.add(name, max(0, count - but.get(name, 0)))
        return counts

    def row(self, index: int) -> Row:
        """A row by its number."""
        while len(self._rows) <= index:
            self._rows.append(self._row(len(self._rows)))
        return self._rows[index]

    def rows(self) -> Iterator[Row]:
        """All rows that are or were in use."""
        return map(self.row, range(self._count()))

    def free_row(self, taken: Container[int]) -> int:
        """Return the number of the first free row.  Only the master calls this.  Raises OSError if there is none."""
        for index in range(self._capacity):
            if index not in taken:
                self._in_use = self._memory.cells[0] = max(self._count(), index + 1)
                return index
        raise OSError(errno.ENOSPC, f"all {self._capacity} rows of the scoreboard are taken")

    def total(self, field: str) -> int:
        """Return the sum of a field over all rows."""
        return sum(row[field] for row in self.rows())

    def in_line(self) -> int:
        """Return the number of jobs that wait in the lines of all fronts."""
        return sum(map(self.total, IN_LINE))

    def _count(self) -> int:
        """The number of rows in use.  The master does not read it where others might have written."""
        return min(self._memory.cells[0], self._capacity) if self._in_use is None else self._in_use

    def _row(self, index: int) -> Row:
        layout, cells = self._layout, self._memory.cells
        theirs = (layout.rows_at(self._capacity) + index * layout.row_bytes) // CELL_BYTES
        mine = 1 + index * len(layout.master)
        return Row(layout, cells[theirs : theirs + len(layout.worker)], cells[mine : mine + len(layout.master)])


def _bucket(seconds: float) -> int:
    return bisect_left(BUCKETS_S, seconds)


def now_us() -> int:
    """Return the time of the monotonic clock in microseconds."""
    return time.monotonic_ns() // 1000
