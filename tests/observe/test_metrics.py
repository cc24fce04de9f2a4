"""Metrics: Prometheus text that its own parser reads, with the whole pool in it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from imgsrv.errors import CODES
from imgsrv.observe.board import BUCKETS_S, Board, WorkerState
from imgsrv.observe.metrics import CONTENT_TYPE, COUNTERS, Count, render_metrics


@dataclass
class Queue:
    """A queue with so many jobs in it."""

    jobs: int = 0

    def waiting(self) -> int:
        return self.jobs


def parsed(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def rendered(board: Board, queue: Queue | None = None) -> dict[str, Metric]:
    return parsed(render_metrics(board, queue or Queue(), "1.2.3").decode())


def value(metric: Metric) -> float:
    (sample,) = metric.samples
    return float(sample.value)


def test_every_metric_says_what_it_is() -> None:
    assert [name for name, metric in rendered(Board(1)).items() if not metric.documentation.endswith(".")] == []


def test_every_metric_has_the_prefix_and_a_base_unit() -> None:
    names = rendered(Board(1))
    assert [name for name in names if not name.startswith("imgsrv_")] == []
    assert [name for name in names if name.endswith(("_us", "_ms", "_kb", "_mb"))] == []


@pytest.mark.parametrize("count", COUNTERS, ids=lambda count: count.name)
def test_a_counter_is_the_total_of_its_field_over_all_slots(count: Count) -> None:
    board = Board(2)
    for row in board.rows():
        row.set(count.field, 2_000_000)
    (sample,) = rendered(board)[count.name].samples
    assert sample.name == f"{count.name}_total"
    assert sample.value == pytest.approx(4_000_000 * count.unit)


def test_ready_workers_and_waiting_jobs_are_gauges() -> None:
    board = Board(4)
    for row, state in zip(board.rows(), WorkerState, strict=True):
        row.set("state", state)
        row.set("connections", 2)
    found = rendered(board, Queue(7))
    assert value(found["imgsrv_workers_ready"]) == 1
    assert value(found["imgsrv_jobs_waiting"]) == 7
    assert value(found["imgsrv_connections"]) == 8


def test_errors_are_counted_by_their_code() -> None:
    board = Board(2)
    for row in board.rows():
        row.add("error_too_many_pixels")
    samples = {sample.labels["code"]: sample.value for sample in rendered(board)["imgsrv_errors"].samples}
    assert samples == {code: 2 if code == "too_many_pixels" else 0 for code in CODES}


def test_the_histogram_counts_upwards_to_all_requests_and_sums_their_seconds() -> None:
    board = Board(2)
    for row, seconds in zip(board.rows(), (0.004, 40.0), strict=True):
        row.observe_request(seconds)
    samples = rendered(board)["imgsrv_request_seconds"].samples
    buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
    assert buckets == [1] * len(BUCKETS_S) + [2]
    assert {sample.name: sample.value for sample in samples if "le" not in sample.labels} == {
        "imgsrv_request_seconds_count": 2,
        "imgsrv_request_seconds_sum": pytest.approx(40.004),
    }


def test_the_version_is_a_label() -> None:
    (sample,) = rendered(Board(1))["imgsrv_build_info"].samples
    assert sample.labels == {"version": "1.2.3"}


def test_a_server_answers_with_the_metrics_of_its_whole_pool(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    found = parsed(answer.text)
    assert value(found["imgsrv_workers_ready"]) == 2
    assert value(found["imgsrv_worker_starts"]) == 2
