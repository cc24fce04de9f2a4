"""Metrics: the scoreboard as Prometheus text, for the whole pool from any worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from imgsrv.errors import CODES
from imgsrv.observe.board import BUCKETS_S, REPLACED_FOR, Board, WorkerState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Queue(Protocol):
    """The one thing metrics asks of the exchange."""

    def waiting(self) -> int:
        """Jobs that no engine has taken yet."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """A counter that is one field of the board, times `unit`."""

    name: str
    help: str
    field: str
    unit: float = 1.0


COUNTERS = (
    Count("imgsrv_requests", "Requests answered.", "requests"),
    Count("imgsrv_request_body_bytes", "Bytes of request bodies received.", "bytes_in"),
    Count("imgsrv_response_body_bytes", "Bytes of response bodies sent.", "bytes_out"),
    Count("imgsrv_jobs_submitted", "Jobs put on the queue.", "jobs_submitted"),
    Count("imgsrv_jobs_begun", "Jobs an engine began.", "jobs_begun"),
    Count("imgsrv_jobs_done", "Jobs an engine finished, well or not.", "jobs_done"),
    Count("imgsrv_jobs_skipped", "Jobs dropped unbegun: their client had left or their time was over.", "jobs_skipped"),
    Count("imgsrv_engine_busy_seconds", "Seconds the engines worked on jobs.", "job_busy_us", 1e-6),
    Count("imgsrv_worker_starts", "Workers forked.", "starts"),
    Count("imgsrv_worker_deaths", "Workers that died without having been asked to.", "deaths"),
)


class BoardCollector(Collector):
    """Reads the board whenever it is asked."""

    def __init__(self, board: Board, queue: Queue, version: str) -> None:
        self._board, self._queue, self._version = board, queue, version

    def collect(self) -> Iterable[Metric]:
        """Every metric there is, with its help text."""
        for count in COUNTERS:
            yield CounterMetricFamily(count.name, count.help, value=self._board.total(count.field) * count.unit)
        lost = sum(map(self._board.total, ("log_records_lost", "master_log_records_lost")))
        yield CounterMetricFamily("imgsrv_log_records_lost", "Log records that could not be written.", value=lost)
        yield self._errors()
        yield self._replacements()
        yield self._latency()
        states = [row["state"] for row in self._board.rows()]
        yield GaugeMetricFamily("imgsrv_workers_ready", "Workers ready to take work.", states.count(WorkerState.READY))
        yield GaugeMetricFamily("imgsrv_jobs_waiting", "Jobs that no engine has taken yet.", self._queue.waiting())
        yield GaugeMetricFamily("imgsrv_connections", "Open client connections.", self._board.total("connections"))
        build = GaugeMetricFamily("imgsrv_build_info", "The version that runs.", labels=["version"])
        build.add_metric([self._version], 1)
        yield build

    def _errors(self) -> Metric:
        errors = CounterMetricFamily("imgsrv_errors", "Requests answered with a problem, by its code.", labels=["code"])
        for code in CODES:
            errors.add_metric([code], self._board.total(f"error_{code}"))
        return errors

    def _replacements(self) -> Metric:
        replacements = CounterMetricFamily("imgsrv_worker_replacements", "Workers replaced, by why.", labels=["reason"])
        for reason in REPLACED_FOR:
            replacements.add_metric([reason], self._board.total(f"replaced_{reason}"))
        return replacements

    def _latency(self) -> Metric:
        latency = HistogramMetricFamily("imgsrv_request_seconds", "Seconds from the head of a request to its answer.")
        running, buckets = 0, []
        for index, bound in enumerate([*map(str, BUCKETS_S), "+Inf"]):
            running += self._board.total(f"bucket_{index}")
            buckets.append((bound, running))
        latency.add_metric([], buckets, self._board.total("request_us") * 1e-6)
        return latency


def render_metrics(board: Board, queue: Queue, version: str) -> bytes:
    """The metrics as Prometheus text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BoardCollector(board, queue, version))
    return generate_latest(registry)
