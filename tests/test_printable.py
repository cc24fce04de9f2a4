"""Text of clients in logs and on terminals: no character of it steers a terminal or begins a line."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from serving import wait_until

from imgsrv.cli._render import event_line
from imgsrv.observe.log.text import HumanRenderer
from imgsrv.printable import printable, printable_data, printable_json, printable_lines

HOSTILE = "\x1b]0;owned\x07\r\nfake \x85\x9b2J\x7f\u202eexe\u2066x\u200f\u2028y"
"""Renames a window, begins a line, clears the screen in C1, turns the reading direction."""

STEERING = {"Cc", "Cs", "Zl", "Zp"}

BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def steers(text: str, allowed: str = "") -> list[str]:
    """The characters of a text that steer, by their properties in the Unicode database."""
    return [mark for mark in text if mark not in allowed and _steers(mark)]


def _steers(mark: str) -> bool:
    is_direction = unicodedata.bidirectional(mark) in BIDIRECTIONAL or mark in "\u061c\u200e\u200f"
    return unicodedata.category(mark) in STEERING or is_direction


def test_every_character_that_steers_is_escaped_and_no_other_one() -> None:
    everything = "".join(map(chr, range(0x11_0000)))
    assert steers(printable(everything)) == []
    kept = {mark for mark in everything if printable(mark) == mark}
    assert set(everything) - kept == set(steers(everything))


def test_the_escapes_say_what_was_there() -> None:
    assert printable("a\x1b[2J\r\n\x9b\u202eb") == r"a\x1b[2J\r\n\x9b\u202eb"
    assert printable_lines("a\n\tb\x1b") == "a\n\tb\\x1b"


def test_json_means_the_same_after_its_controls_are_escaped() -> None:
    record = {"path": HOSTILE, HOSTILE: 1}
    text = printable_json(json.dumps(record, ensure_ascii=False))
    assert (steers(text), json.loads(text)) == ([], record)


def test_data_is_escaped_in_every_depth() -> None:
    assert printable_data({"a\x1b": ["\x9b", {"b": "\r"}, 1, None]}) == {"a\\x1b": ["\\x9b", {"b": "\\r"}, 1, None]}


@pytest.mark.parametrize("event", ["request", "worker_exit"])
def test_a_record_as_text_is_one_line_whatever_its_facts_hold(event: str) -> None:
    record = {"event": event, "level": "info", "path": HOSTILE, "method": HOSTILE, "code": HOSTILE, HOSTILE: HOSTILE}
    assert steers(HumanRenderer().render(record)) == []
    assert steers(HumanRenderer().render({**record, "exception": f"first\n{HOSTILE}"}), "\n") == []


def test_an_event_in_a_status_is_one_line() -> None:
    assert steers(event_line({"time": 0.0, "event": "worker_replaced", "pipeline": HOSTILE})) == []


# ---- a server -------------------------------------------------------------------------------------------

PATH = "/%1b%5d0;owned%07%0d%0afake%c2%9b2J%7f%e2%80%aeexe"


@pytest.mark.slow
@pytest.mark.parametrize("style", ["text", "json"])
def test_a_path_that_would_steer_a_terminal_is_harmless_in_the_log_and_in_what_shows_it(
    tmp_path: Path, style: str
) -> None:
    log, place = tmp_path / "imgsrv.log", tmp_path / "s"
    environment = {**os.environ, "IMGSRV_RUNTIME_DIR": str(tmp_path / "run")}
    command = [sys.executable, "-m", "imgsrv"]
    flags = ["--workers=1", f"--host=unix:{place}", f"--log-file={log}", f"--log-format={style}"]
    process = subprocess.Popen([*command, "serve", *flags], stdout=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: log.exists() and "serving" in log.read_text(), "it serves")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))
            client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 404"
        wait_until(lambda: "owned" in log.read_text(), "it is logged")
        shown = subprocess.run([*command, "logs", f"--file={log}"], capture_output=True, check=True, env=environment)
    finally:
        process.kill()
        process.wait()
    for text in (log.read_bytes().decode(), shown.stdout.decode()):
        (line,) = [line for line in text.split("\n") if "owned" in line]
        assert steers(line) == []
        assert "fake" in line
