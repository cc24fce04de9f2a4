"""Metrics: the scoreboard as Prometheus text.  Any worker can give the metrics of the whole pool."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from imgsrv.errors import CODES
from imgsrv.observe.answers import ANSWER_FIELDS, FORMATS
from imgsrv.observe.fields import BUCKETS_S, CLASSES, JPEG_REFUSALS, JPEG_WAYS, RATIOS, REPLACED_FOR, SOURCES, STAGES
from imgsrv.observe.memory import memory_by_kind
from imgsrv.observe.process_metrics import ProcessCollector
from imgsrv.observe.processes import proportional_bytes
from imgsrv.observe.scoreboard import Board, WorkerState

MEMORY_FRESH_S = 5.0
"""The memory of the workers is measured once in this time; a measurement takes the kernel a millisecond or more."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Queue(Protocol):
    """The part of the exchange that the metrics need."""

    def waiting(self) -> int:
        """Return the number of jobs that no engine has taken yet."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """A counter: the sum of one field of the board, times `unit`."""

    name: str
    help: str
    field: str
    unit: float = 1.0


COUNTERS = (
    Count("imgsrv_requests", "Requests answered.", "requests"),
    Count("imgsrv_request_body_bytes", "Bytes of request bodies received.", "bytes_in"),
    Count("imgsrv_response_body_bytes", "Bytes of response bodies sent.", "bytes_out"),
    Count("imgsrv_jobs_submitted", "Jobs put on the queue.", "jobs_submitted"),
    Count("imgsrv_jobs_begun", "Jobs that an engine began.", "jobs_begun"),
    Count("imgsrv_jobs_done", "Jobs that an engine finished, with or without success.", "jobs_done"),
    Count(
        "imgsrv_jobs_skipped", "Jobs dropped before they began, for a client that left or a time limit.", "jobs_skipped"
    ),
    Count("imgsrv_engine_busy_seconds", "Seconds that engines spent on jobs.", "job_busy_us", 1e-6),
    Count("imgsrv_answers_cut", "Answers cut off because their client did not read them.", "answers_cut"),
    Count("imgsrv_spans_lost", "Spans of traces that did not reach the collector.", "spans_lost"),
    Count("imgsrv_codec_process_deaths", "Processes of codecs that died or were ended.", "codec_deaths"),
    Count("imgsrv_cache_hits", "Pictures answered from the result cache.", "cache_hits"),
    Count(
        "imgsrv_cache_misses", "Pictures that were looked for in the result cache and were not there.", "cache_misses"
    ),
    Count("imgsrv_cache_waits", "Requests that waited for an equal one instead of computing.", "cache_waits"),
    Count("imgsrv_cache_not_modified", "Requests answered 304 without an engine.", "cache_not_modified"),
    Count("imgsrv_cache_stored", "Results stored in the cache.", "cache_stored"),
    Count("imgsrv_cache_evicted", "Entries removed from the cache to make room.", "cache_evicted"),
    Count("imgsrv_cache_refusals", "Results that were not stored: too large, or no room.", "cache_refusals"),
    Count("imgsrv_cache_faults", "Failures of the cache's store, and damaged entries.", "cache_faults"),
    Count("imgsrv_cache_hit_bytes", "Bytes of pictures answered from the cache.", "cache_hit_bytes"),
    Count("imgsrv_cache_stored_bytes", "Bytes of results stored in the cache.", "cache_stored_bytes"),
    Count("imgsrv_cache_evicted_bytes", "Bytes of the disk that evictions have freed.", "cache_evicted_bytes"),
    Count("imgsrv_upload_store_failures", "Failures of the store of uploads.", "upload_store_failures"),
    Count("imgsrv_limit_store_failures", "Questions that the store of limits did not answer.", "limit_store_failures"),
    Count("imgsrv_limits_evicted", "Allowances that went although they were not full again.", "limits_evicted"),
    Count("imgsrv_worker_starts", "Workers forked.", "starts"),
    Count("imgsrv_worker_deaths", "Workers that ended although nobody asked them to.", "deaths"),
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A counter with one label.  field: of the board, with `{}` for the value of the label; times `unit`."""

    name: str
    help: str
    label: str
    values: tuple[str, ...]
    field: str
    unit: float = 1.0


LABELLED = (
    Labelled("imgsrv_errors", "Requests answered with a problem, by its code.", "code", tuple(CODES), "error_{}"),
    Labelled("imgsrv_worker_replacements", "Workers replaced, by reason.", "reason", REPLACED_FOR, "replaced_{}"),
    Labelled(
        "imgsrv_stage_seconds", "Seconds that pictures spent in each stage.", "stage", STAGES, "stage_{}_us", 1e-6
    ),
    Labelled("imgsrv_sources", "Sources that were asked for a picture.", "kind", SOURCES, "source_{}_asked"),
    Labelled(
        "imgsrv_source_failures",
        "Sources that gave none, or whose client left before.",
        "kind",
        SOURCES,
        "source_{}_failed",
    ),
    Labelled("imgsrv_source_seconds", "Seconds of asking and reading sources.", "kind", SOURCES, "source_{}_us", 1e-6),
    Labelled("imgsrv_source_bytes", "Bytes read from sources.", "kind", SOURCES, "source_{}_bytes"),
    Labelled(
        "imgsrv_jpeg_decodes", "JPEGs from which one result was made, by their decoder.", "way", JPEG_WAYS, "jpeg_{}"
    ),
    Labelled(
        "imgsrv_jpeg_refusals",
        "JPEGs that the native decoder refused and another one decoded, by reason.",
        "reason",
        JPEG_REFUSALS,
        "jpeg_refused_{}",
    ),
    Labelled("imgsrv_pictures", "Pictures in answers, by their format.", "format", FORMATS, "pictures_{}"),
)


class BoardCollector(Collector):
    """Collector that reads the board at every scrape."""

    def __init__(
        self, board: Board, queue: Queue, version: str, max_queue: int, max_memory: int, clock: Callable[[], float]
    ) -> None:
        self._board, self._queue, self._version = board, queue, version
        self._max_queue, self._max_memory, self._clock = max_queue, max_memory, clock
        self._memory_of: dict[int, int] = {}
        self._measured_at = -math.inf

    def collect(self) -> Iterable[Metric]:
        """Yield every metric with its help text."""
        for count in COUNTERS:
            yield CounterMetricFamily(count.name, count.help, value=self._board.total(count.field) * count.unit)
        lost = sum(map(self._board.total, ("log_records_lost", "master_log_records_lost")))
        yield CounterMetricFamily("imgsrv_log_records_lost", "Log records that could not be written.", value=lost)
        for labelled in LABELLED:
            yield self._labelled(labelled)
        yield self._answers()
        yield self._histogram(
            "imgsrv_request_seconds", "Seconds from the head of a request to its answer.", "bucket", "request_us"
        )
        yield self._histogram(
            "imgsrv_queue_wait_seconds", "Seconds that a picture waited for an engine.", "wait_bucket", "stage_queue_us"
        )
        yield self._ratios()
        yield self._memory()
        states = [row["state"] for row in self._board.rows() if not row["is_silent"]]
        yield GaugeMetricFamily("imgsrv_workers_ready", "Workers ready to take work.", states.count(WorkerState.READY))
        yield GaugeMetricFamily(
            "imgsrv_workers_not_responding", "Workers that give no sign of life.", self._board.total("is_silent")
        )
        waiting = self._queue.waiting() + self._board.in_line()
        yield GaugeMetricFamily("imgsrv_jobs_waiting", "Jobs that no engine has taken yet.", waiting)
        yield GaugeMetricFamily(
            "imgsrv_jobs_waiting_limit",
            "Largest number of jobs of a kind that may wait.",
            self._max_queue,
        )
        yield GaugeMetricFamily("imgsrv_connections", "Open client connections.", self._board.total("connections"))
        yield self._budget()
        yield GaugeMetricFamily("imgsrv_memory_budget_bytes", "Memory that requests may use.", self._max_memory)
        unsent = self._board.total("unsent_bytes")
        yield GaugeMetricFamily("imgsrv_unsent_bytes", "Bytes of answers that clients have still to read.", unsent)
        build = GaugeMetricFamily("imgsrv_build_info", "The version of the running server.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build

    def _labelled(self, counts: Labelled) -> Metric:
        metric = CounterMetricFamily(counts.name, counts.help, labels=[counts.label])
        for value in counts.values:
            metric.add_metric([value], self._board.total(counts.field.format(value)) * counts.unit)
        return metric

    def _answers(self) -> Metric:
        """The answers by route and status; a pair that never was has no sample, because most never will be."""
        metric = CounterMetricFamily("imgsrv_answers", "Answers, by route and status.", labels=["route", "status"])
        for labels, field in ANSWER_FIELDS.items():
            if count := self._board.total(field):
                metric.add_metric(labels, count)
        return metric

    def _ratios(self) -> Metric:
        ratios = HistogramMetricFamily(
            "imgsrv_job_time_ratio", "Time of a picture in its engine, divided by the predicted time.", labels=["class"]
        )
        for kind in CLASSES:
            running, buckets = 0, []
            for index, bound in enumerate([*map(str, RATIOS), "+Inf"]):
                running += self._board.total(f"{kind}_ratio_bucket_{index}")
                buckets.append((bound, running))
            ratios.add_metric([kind], buckets, self._board.total(f"{kind}_ratio_thousandths") * 1e-3)
        return ratios

    def _budget(self) -> Metric:
        used = GaugeMetricFamily(
            "imgsrv_memory_budget_used_bytes", "Memory that requests use or may need, by kind.", labels=["kind"]
        )
        for kind, size in memory_by_kind(self._board).items():
            used.add_metric([kind], size)
        return used

    def _memory(self) -> Metric:
        memory = GaugeMetricFamily(
            "imgsrv_worker_memory_bytes",
            "Memory of a worker; memory that it shares counts in part (PSS).",
            labels=["slot"],
        )
        if self._clock() - self._measured_at > MEMORY_FRESH_S:
            self._measured_at, self._memory_of = self._clock(), self._measured()
        for slot, size in self._memory_of.items():
            memory.add_metric([str(slot)], size)
        return memory

    def _measured(self) -> dict[int, int]:
        """The bytes of the workers of each slot; a slot has two while one of them is replaced."""
        found: dict[int, int] = {}
        for row in self._board.rows():
            if row["state"] != WorkerState.GONE and (size := proportional_bytes(row["pid"])) is not None:
                found[row["slot"]] = found.get(row["slot"], 0) + size
        return found

    def _histogram(self, name: str, meaning: str, bucket: str, total: str) -> Metric:
        histogram = HistogramMetricFamily(name, meaning)
        running, buckets = 0, []
        for index, bound in enumerate([*map(str, BUCKETS_S), "+Inf"]):
            running += self._board.total(f"{bucket}_{index}")
            buckets.append((bound, running))
        histogram.add_metric([], buckets, self._board.total(total) * 1e-6)
        return histogram


def metrics_of(
    board: Board,
    queue: Queue,
    version: str,
    max_queue: int,
    max_memory: int,
    clock: Callable[[], float] = time.monotonic,
    *,
    master: int | None = None,
) -> Callable[[], bytes]:
    """Return a function that returns the metrics as Prometheus text.

    max_queue: largest number of jobs that may wait.  max_memory: the budget of memory in bytes.
    master: its process number; by default it is the parent of this process.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BoardCollector(board, queue, version, max_queue, max_memory, clock))
    registry.register(ProcessCollector(board, os.getppid() if master is None else master, clock))
    return lambda: generate_latest(registry)
