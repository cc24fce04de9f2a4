"""Metrics of the master's and the workers' processes, by the names that the client libraries of Prometheus use.

One scrape tells of several processes, so each sample has the label `process`: `master`, or `worker-` and the number of
the slot.  Process numbers are nobody's business outside, and would make a new time series for each worker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imgsrv.observe.processes import ProcessFacts, facts_of
from imgsrv.observe.scoreboard import Board, WorkerState

FRESH_S = 5.0
"""The kernel is asked once in this time; counting open files takes it longer, the more there are."""

FAMILIES: tuple[tuple[type[CounterMetricFamily | GaugeMetricFamily], str, str, Callable[[ProcessFacts], object]], ...]
FAMILIES = (
    (CounterMetricFamily, "process_cpu_seconds", "Processor time of a process.", lambda facts: facts.cpu_s),
    (
        GaugeMetricFamily,
        "process_resident_memory_bytes",
        "Resident memory of a process; memory that it shares counts in full.",
        lambda facts: facts.resident,
    ),
    (GaugeMetricFamily, "process_virtual_memory_bytes", "Virtual memory of a process.", lambda facts: facts.virtual),
    (
        GaugeMetricFamily,
        "process_start_time_seconds",
        "Unix time at which a process was started.",
        lambda facts: facts.started,
    ),
    (GaugeMetricFamily, "process_open_fds", "Open file descriptors of a process.", lambda facts: facts.open_files),
    (GaugeMetricFamily, "process_max_fds", "Most file descriptors of a process.", lambda facts: facts.most_files),
)
"""Kind, name, help and value of each metric; None has no sample."""


class ProcessCollector(Collector):
    """Collector of the processes of a pool.  master: its process number."""

    def __init__(self, board: Board, master: int, clock: Callable[[], float]) -> None:
        self._board, self._master, self._clock = board, master, clock
        self._found: dict[str, ProcessFacts] = {}
        self._asked_at = -math.inf

    def collect(self) -> Iterable[Metric]:
        """Yield every metric with a sample for each process."""
        if self._clock() - self._asked_at > FRESH_S:
            self._asked_at, self._found = self._clock(), self._ask()
        for kind, name, meaning, value_of in FAMILIES:
            metric = kind(name, meaning, labels=["process"])
            for process, facts in self._found.items():
                if isinstance(value := value_of(facts), int | float):
                    metric.add_metric([process], value)
            yield metric

    def _ask(self) -> dict[str, ProcessFacts]:
        pids = {"master": self._master}
        for row in sorted(self._board.rows(), key=lambda row: not row["is_retired"]):
            # While a worker is replaced its slot has two; the one that stays comes last and is told.
            if row["state"] != WorkerState.GONE:
                pids[f"worker-{row['slot']}"] = row["pid"]
        return {name: facts for name, pid in pids.items() if (facts := facts_of(pid)) is not None}
