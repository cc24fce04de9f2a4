"""The report of `pytest bench/`: its files keep what they should, and its documents are made of them."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import chart
import publish
import pytest
import report
import tables
from serving import serving
from wire import PNG, ask, post

ROOT = Path(__file__).parents[1]

SCALING = {
    "kind": "scaling",
    "workers": 2,
    "cores": 2,
    "rates": [100.0, 120.0, 110.0],
    "limits": [115.0, 120.0, 110.0],
    "shares": [0.87, 1.0, 1.0],
    "speed_ups": [1.8, 2.0, 1.9],
    "p50_ms": 61.0,
    "p99_ms": 80.0,
    "cpu": [1.9, 1.9, 1.9],
    "load_cpu": [0.05, 0.05, 0.05],
    "pss_mb": 120.0,
}


def row(value: float) -> report.Line:
    return {
        "kind": "row",
        "question": "how much",
        "value": value,
        "spread": [value, value],
        "unit": "ms",
        "wanted": "",
        "is_reached": True,
    }


def peer(server: str, rates: list[float], **more: object) -> report.Line:
    return {
        "kind": "peer",
        "work": "small",
        "server": server,
        "rates": rates,
        "ours_against": [2.0],
        "p99_ms": 5.0,
        "bytes": 1000.0,
        "ssim": 0.98,
        "wanted": 1.6,
        "version": "",
        **more,
    }


def values(file: Path, test: str) -> list[float]:
    return [line["value"] for line in report.read(file) if line["test"] == test]


def test_the_documents_hold_what_the_benches_found() -> None:
    done = subprocess.run(
        [sys.executable, "bench/support/publish.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_a_run_of_one_test_replaces_its_lines_only(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    report.keep(file, "test_one", [row(1)], ["test_one", "test_two"])
    report.keep(file, "test_two[a]", [row(2)], ["test_one", "test_two"])

    report.keep(file, "test_one", [row(3)], ["test_one", "test_two"])

    assert values(file, "test_one") == [3]
    assert values(file, "test_two[a]") == [2]
    assert [line["test"] for line in report.read(file)] == ["test_one", "test_two[a]"]


def test_the_lines_of_a_test_that_is_gone_go(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    report.keep(file, "test_gone[a]", [row(1)], ["test_gone"])

    report.keep(file, "test_one", [row(2)], ["test_one"])

    assert [line["test"] for line in report.read(file)] == ["test_one"]


@pytest.mark.parametrize(("outcome", "is_done"), [("passed", True), ("failed", False)])
def test_only_what_passed_is_left_out_when_a_run_is_resumed(tmp_path: Path, outcome: str, *, is_done: bool) -> None:
    file = tmp_path / "some.jsonl"
    report.keep(file, "test_one", [{"kind": "test", "outcome": outcome, "seconds": 1.0, "why": ""}], ["test_one"])

    assert report.is_done(file, "test_one") == is_done
    assert not report.is_done(file, "test_two")


def test_a_table_shows_the_median_and_the_spread() -> None:
    assert "| 2 | 110 (100 to 120) | 115 (110 to 120) | 1 (0.87 to 1) | 1.90 × | 95% |" in tables.scaling_table(
        [SCALING]
    )


def test_a_peer_that_is_missing_is_named_with_the_reason() -> None:
    lines = [peer("imgsrv", [200.0], ours_against=[], wanted=0), {**peer("other", []), "why": "not installed"}]

    table = tables.peers_table(lines)

    assert "| small | **imgsrv** | 200 (200 to 200) |" in table
    assert "| small | other | – (not installed) |" in table


def test_a_ratio_that_is_not_reached_is_said_to_be_missed() -> None:
    table = tables.peers_table([peer("slow", [100.0]), peer("fast", [200.0], ours_against=[1.1])])

    assert "| at least 1.6 × | reached |" in table
    assert "| at least 1.6 × | **missed** |" in table


def test_a_section_with_nothing_measured_stays_as_it_was() -> None:
    text = "<!-- measured: peers -->\nold\n<!-- end -->\n<!-- measured: scaling -->\nold\n<!-- end -->\n"

    assert publish.render(text, {"peers": "", "scaling": "new"}) == text.replace("scaling -->\nold", "scaling -->\nnew")


@pytest.mark.parametrize(
    "drawn",
    [tables.scaling_chart([SCALING]), tables.peers_chart([peer("imgsrv", [200.0]), peer("a < b & c", [100.0])])],
    ids=["columns", "bars"],
)
def test_a_chart_is_a_picture_for_light_and_dark_with_words_for_those_who_do_not_see_it(drawn: str) -> None:
    picture = ET.fromstring(drawn)  # noqa: S314  our own

    assert picture.attrib["role"] == "img"
    assert picture.attrib["aria-label"]
    assert "prefers-color-scheme: dark" in drawn
    boxes = [each for each in picture.iter("{http://www.w3.org/2000/svg}rect") if float(each.attrib["width"]) > 100]
    assert all(float(box.attrib.get("x", 0)) + float(box.attrib["width"]) <= chart.WIDTH for box in boxes)


def test_the_server_without_an_exchange_that_benches_compare_with_serves() -> None:
    with serving("--workers", "1", program=[sys.executable, str(ROOT / "bench" / "support" / "separate.py")]) as server:
        assert ask(server, post("/flip", PNG)).status == 200


@pytest.mark.parametrize(("value", "text"), [(0.0123, "0.0123"), (64.24, "64.2"), (999.7, "1,000"), (1163.4, "1,163")])
def test_a_figure_has_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert chart.figure(value) == text
