"""Logs: each event with its facts is one write, as JSON or as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import sys
from imgsrv.observe.log.configure import configure_logs
from imgsrv.observe.log.logger import get_logger
sink = configure_logs(sys.argv[1], sys.argv[2])
log = get_logger()
exec(sys.argv[3])
"""


def logged(code: str, style: str = "json", level: str = "info") -> str:
    """The standard error of a separate process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, style, level, code], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_is_one_line_of_json_with_its_event_its_facts_its_level_and_its_time() -> None:
    (record,) = records(logged("log.info('worker_exit', slot=3, status=9)"))
    assert record.pop("timestamp").endswith("Z")
    assert record == {"event": "worker_exit", "slot": 3, "status": 9, "level": "info"}


def test_a_value_without_a_json_form_is_written_as_text() -> None:
    (record,) = records(logged("from pathlib import Path; log.info('x', file=Path('/a'), name='größer')"))
    assert (record["file"], record["name"]) == ("/a", "größer")


def test_a_line_break_in_a_fact_does_not_break_the_record() -> None:
    (record,) = records(logged("log.info('x', reason='one\\ntwo')"))
    assert record["reason"] == "one\ntwo"


def test_an_exception_is_one_record_with_its_traceback() -> None:
    (record,) = records(logged("try: 1/0\nexcept ZeroDivisionError: log.exception('job_failed')"))
    assert (record["event"], record["level"]) == ("job_failed", "error")
    assert record["exception"].splitlines()[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("level", "events"),
    [
        pytest.param("debug", ["debug", "info", "warning", "error"], id="debug"),
        pytest.param("info", ["info", "warning", "error"], id="info"),
        pytest.param("warning", ["warning", "error"], id="warning"),
        pytest.param("error", ["error"], id="error"),
    ],
)
def test_nothing_below_the_level_is_logged(level: str, events: list[str]) -> None:
    code = "for name in ('debug', 'info', 'warning', 'error'): getattr(log, name)(name)"
    assert [record["event"] for record in records(logged(code, level=level))] == events


def test_bound_facts_are_on_every_record() -> None:
    code = "log = log.bind(slot=1); log.info('a'); log.info('b')"
    assert [(record["event"], record["slot"]) for record in records(logged(code))] == [("a", 1), ("b", 1)]


def test_the_text_format_is_readable() -> None:
    text = logged("log.warning('worker_exit', slot=3)", style="text")
    assert "worker_exit" in text
    assert "slot=3" in text
    assert "\033" not in text  # no colours where nobody sees them


def test_auto_is_json_where_standard_error_is_no_terminal() -> None:
    assert records(logged("log.info('x')", style="auto"))[0]["event"] == "x"


def test_auto_is_text_on_a_terminal() -> None:
    master, terminal = os.openpty()
    subprocess.run(
        [sys.executable, "-c", PROGRAM, "auto", "info", "log.info('worker_ready', slot=3)"], stderr=terminal, check=True
    )
    text = os.read(master, 4096).decode()
    os.close(terminal)
    os.close(master)
    assert "worker_ready" in text
    assert not text.startswith("{")


def test_lines_of_many_processes_are_never_mixed() -> None:
    code = """
import os
for child in range(8):
    if os.fork() == 0:
        for number in range(200):
            log.info("line", child=child, number=number, filling="x" * 3000)
            sink.finish(60)  # the reader is slower than eight processes
        os._exit(0)
for _ in range(8):
    os.wait()
"""
    found = {(record["child"], record["number"]) for record in records(logged(code))}
    assert found == {(child, number) for child in range(8) for number in range(200)}


def test_records_that_cannot_be_written_are_lost_without_harm_and_counted() -> None:
    code = """
import os
kept = os.dup(2)
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
log.info("lost"), log.error("lost too")
os.dup2(kept, 2)
log.info("found")
"""
    lost, found = records(logged(code))
    assert (lost["event"], lost["count"], lost["level"]) == ("log_records_lost", 2, "warning")
    assert found["event"] == "found"


def test_a_closed_standard_error_does_no_harm() -> None:
    assert logged("import os; os.close(2); log.info('lost'); os._exit(0)") == ""


def test_a_warning_of_a_library_is_a_record_and_what_it_says_of_an_upload_is_none() -> None:
    code = """
import logging
logging.getLogger('asyncio').error('a task %s', '\\x1b[31m')
logging.getLogger('python_multipart.multipart').warning('Found invalid character 255')
logging.getLogger('PIL.TiffImagePlugin').error('More samples per pixel than can be decoded')
logging.getLogger('falcon').info('nothing')
configure_logs('json', 'info')
logging.getLogger('falcon').warning('once')
"""
    first, second = records(logged(code))

    assert (first["event"], first["level"], first["logger"]) == ("library", "error", "asyncio")
    assert (second["reason"], second["level"]) == ("once", "warning")
