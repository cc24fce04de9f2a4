"""Metrics: text for Prometheus that its own parser reads, with the figures of the whole pool."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from pictures import encoded, picture
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from imgsrv.errors import CODES
from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import WRITTEN
from imgsrv.observe import answers
from imgsrv.observe.fields import BUCKETS_S, STAGES
from imgsrv.observe.metrics import CONTENT_TYPE, COUNTERS, MEMORY_FRESH_S, Count, metrics_of
from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.web.counting import count_answer


@dataclass
class Queue:
    """A queue with this many jobs."""

    jobs: int = 0

    def waiting(self) -> int:
        return self.jobs


def parsed(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def rendered(board: Board, queue: Queue | None = None) -> dict[str, Metric]:
    return parsed(metrics_of(board, queue or Queue(), "1.2.3", 256, 10**9, master=os.getpid())().decode())


def value(metric: Metric) -> float:
    (sample,) = metric.samples
    return float(sample.value)


def test_every_metric_has_a_help_text() -> None:
    assert [name for name, metric in rendered(Board(1)).items() if not metric.documentation.endswith(".")] == []


def test_every_metric_has_the_prefix_and_a_base_unit() -> None:
    names = rendered(Board(1))
    assert [name for name in names if not name.startswith(("imgsrv_", "process_"))] == []
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


def test_answers_are_counted_by_route_and_status_and_those_that_never_were_have_no_sample() -> None:
    board = Board(2)
    for row in board.rows():
        count_answer(row, "/resize", 200, ("webp",))
        count_answer(row, "//resize", 200, ("webp", "none such"))
        count_answer(row, "/uploads/" + "a" * 32, 204)
        count_answer(row, "/uploads/a/b", 404)
        count_answer(row, "/nowhere", 404)
        count_answer(row, "other", 599)
    found = rendered(board)
    by_route = {tuple(sample.labels.values()): sample.value for sample in found["imgsrv_answers"].samples}
    assert by_route == {
        ("/{operation}", "200"): 4,
        ("/uploads/{upload}", "204"): 2,
        ("other", "404"): 4,
        ("other", "other"): 2,
    }
    pictures = {sample.labels["format"]: sample.value for sample in found["imgsrv_pictures"].samples}
    assert {name: count for name, count in pictures.items() if count} == {"webp": 4, "other": 2}


def test_strangers_cannot_make_new_time_series() -> None:
    board = Board(1)
    for number in range(1000):
        count_answer(board.row(0), f"/{number}", 100 + number, (str(number),))
    found = rendered(board)
    samples = [sample for name in ("imgsrv_answers", "imgsrv_pictures") for sample in found[name].samples]
    assert len(samples) <= len(answers.STATUSES) + len(answers.FORMATS)


def test_every_format_of_a_result_has_a_counter() -> None:
    assert {*answers.FORMATS} == {*WRITTEN, *PLACEHOLDERS, answers.OTHER}


def test_a_server_counts_its_answers_whichever_way_they_go(client: httpx.Client) -> None:
    body = encoded(picture("RG/BY"))
    asked = [
        client.post("/flip?format=webp", content=body),
        client.post("/pipeline?format=blurhash", content=body),
        client.post("/batch?widths=1,2&format=gif", content=body),
        client.post("/resize?widht=1", content=body),
        client.get("/no-such"),
    ]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 400, 404]
    found = parsed(client.get("/metrics").text)
    counted = {tuple(sample.labels.values()) for sample in found["imgsrv_answers"].samples}
    assert counted >= {
        *(("/{operation}", "200"), ("/pipeline", "200"), ("/batch", "200"), ("/{operation}", "400"), ("other", "404")),
    }
    formats = {sample.labels["format"]: sample.value for sample in found["imgsrv_pictures"].samples}
    assert (formats["webp"] >= 1, formats["blurhash"] >= 1, formats["gif"] >= 2) == (True, True, True)


def test_each_process_is_told_by_the_names_that_client_libraries_use(client: httpx.Client) -> None:
    found = parsed(client.get("/metrics").text)
    processes = {"master", "worker-0", "worker-1"}
    for name in ("process_cpu_seconds", "process_resident_memory_bytes", "process_virtual_memory_bytes"):
        assert {sample.labels["process"] for sample in found[name].samples} == processes
        assert all(sample.value > 0 for sample in found[name].samples)
    (master,) = (
        sample.value for sample in found["process_start_time_seconds"].samples if sample.labels["process"] == "master"
    )
    assert 0 < time.time() - master < 86_400
    for name in ("process_open_fds", "process_max_fds"):
        assert {sample.labels["process"] for sample in found[name].samples} == processes


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


def test_the_stages_of_pictures_are_summed_and_their_waits_counted() -> None:
    board = Board(2)
    for row in board.rows():
        row.observe_stages({"receive": 0.5, "queue": 0.02, "decode": 1.0, "operations": 2.0, "encode": 3.0})
    found = rendered(board)
    sums = {sample.labels["stage"]: sample.value for sample in found["imgsrv_stage_seconds"].samples}
    assert sums == pytest.approx({"receive": 1.0, "queue": 0.04, "decode": 2.0, "operations": 4.0, "encode": 6.0})
    assert tuple(sums) == STAGES
    waits = {
        sample.labels.get("le", sample.name): sample.value for sample in found["imgsrv_queue_wait_seconds"].samples
    }
    assert (waits["0.01"], waits["0.02"], waits["imgsrv_queue_wait_seconds_count"]) == (0, 2, 2)


def test_the_memory_of_each_living_worker_is_a_metric() -> None:
    board = Board(2)
    board.row(0).set("pid", os.getpid())
    board.row(0).set("state", WorkerState.READY)
    (sample,) = rendered(board)["imgsrv_worker_memory_bytes"].samples
    # Not its process number, which is nobody's business outside.
    assert sample.labels == {"slot": "0"}
    assert sample.value > 1e6


def test_a_slot_whose_worker_is_replaced_has_the_memory_of_both() -> None:
    board = Board(2)
    for row in board.rows():
        row.set("pid", os.getpid())
        row.set("state", WorkerState.READY)
    assert len(rendered(board)["imgsrv_worker_memory_bytes"].samples) == 1


def test_the_memory_of_the_workers_is_measured_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, now = list[int](), [0.0]

    def measure(pid: int) -> int:
        measured.append(pid)
        return 5

    monkeypatch.setattr("imgsrv.observe.metrics.proportional_bytes", measure)
    board = Board(1)
    board.row(0).set("state", WorkerState.READY)
    render = metrics_of(board, Queue(), "1.2.3", 256, 10**9, clock=lambda: now[0])
    for now[0] in (0.0, 0.1, MEMORY_FRESH_S, MEMORY_FRESH_S + 0.1):
        assert b'imgsrv_worker_memory_bytes{slot="0"} 5.0' in render()
    assert len(measured) == 2


# ---- deploy/ ----------------------------------------------------------------------------------------------

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "prometheus-alerts.yml"])
def test_every_metric_in_deploy_exists(file: str) -> None:
    known = {sample.name for metric in rendered(Board(1)).values() for sample in metric.samples}
    known |= {"imgsrv_worker_memory_bytes", "imgsrv_answers_total"}  # without a worker or an answer: no sample
    used = set(re.findall(r"\bimgsrv_[a-z_]+", (DEPLOY / file).read_text(encoding="utf-8")))
    assert used - known == set()
    assert len(used) > 5


def test_every_alert_has_an_expression_a_severity_and_a_text() -> None:
    groups = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 5
    for rule in alerts:
        assert "imgsrv" in rule["expr"], rule
        assert rule["expr"].count("(") == rule["expr"].count(")"), rule
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert rule["annotations"]["summary"], rule


def test_the_dashboard_is_json_with_panels_that_do_not_overlap() -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) > 5
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
