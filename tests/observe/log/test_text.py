"""Log records as text: the content of a line, and its width on a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from imgsrv.observe.log.text import HumanRenderer, size_text

REQUEST = {
    "request_id": "3f2a9c0011223344",
    "method": "POST",
    "path": "/resize",
    "query": "width=300",
    "status": 200,
    "code": None,
    "bytes_in": 84_123,
    "bytes_out": 12_345,
    "ms": 12.3,
    "decode_ms": 4.5,
    "encode_ms": 2.0,
    "client": "10.0.0.7",
    "event": "request",
    "level": "info",
    "timestamp": datetime.now(UTC).isoformat(),
}

LONG = {"event": "worker_replaced", "level": "warning", **{f"fact_{number}": "x" * 15 for number in range(9)}}


def text(record: Mapping[str, object], width: int = 1000, *, has_colours: bool = False) -> str:
    return HumanRenderer(width, has_colours=has_colours).render(record)


def test_a_record_has_time_event_and_facts() -> None:
    record = {"event": "worker_ready", "slot": 3, "pid": 4711, "level": "info", "timestamp": REQUEST["timestamp"]}
    assert re.fullmatch(r"\d\d:\d\d:\d\d worker_ready  slot=3  pid=4711", text(record))


def test_a_request_has_its_own_form() -> None:
    assert text(REQUEST)[9:] == (
        "200 POST /resize?width=300  12.3 ms  84.1 kB → 12.3 kB  (decode 4.5, encode 2)  id=3f2a9c0011223344  "
        "client=10.0.0.7"
    )


@pytest.mark.parametrize(
    ("count", "words"),
    [
        pytest.param(0, "0 B", id="none"),
        pytest.param(999, "999 B", id="the-largest-without-a-unit"),
        pytest.param(999_499, "999 kB", id="rounds-down"),
        pytest.param(999_600, "1 MB", id="rounds-up-to-the-next-unit"),
        pytest.param(12_345_678, "12.3 MB", id="three-digits"),
        pytest.param(1_234_000_000_000, "1.23 TB", id="the-largest-unit"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(count: int, words: str) -> None:
    assert size_text(count) == words


def test_facts_within_a_fact_are_shown_compactly() -> None:
    record = {"event": "slow_job", "output": {"format": "jpeg", "quality": 40}}
    assert text(record).endswith('output={"format":"jpeg","quality":40}')


def test_a_warning_or_error_shows_its_level() -> None:
    assert "warning: worker_replaced" in text(LONG)


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("record", [REQUEST, LONG], ids=["a-request", "many-facts"])
def test_no_line_is_longer_than_the_terminal_is_wide(record: Mapping[str, object], width: int) -> None:
    assert [line for line in text(record, width).splitlines() if len(line) > width] == []


def test_colours_do_not_change_the_text() -> None:
    coloured = text(LONG, 80, has_colours=True)
    assert re.sub(r"\033\[[\d;]*m", "", coloured) == text(LONG, 80)
    assert coloured != text(LONG, 80)


def test_a_record_of_another_day_has_its_date() -> None:
    assert text({"event": "x", "timestamp": "2020-02-03T12:00:00Z"}).startswith("2020-02-0")


def test_a_traceback_is_printed_below_unchanged() -> None:
    lines = text({"event": "job_failed", "level": "error", "exception": "Traceback\n  File x\nError"}).splitlines()
    assert [line.strip() for line in lines[1:]] == ["Traceback", "File x", "Error"]


def test_a_text_with_spaces_or_line_breaks_is_quoted() -> None:
    assert text({"event": "x", "reason": "no\nroom"}).endswith("reason='no\\nroom'")
