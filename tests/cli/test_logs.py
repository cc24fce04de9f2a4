"""`imgsrv logs`: the records that it shows, and their form."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Server, serving

from imgsrv.cli.main import run

LEVELS = ("debug", "info", "warning", "error")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 40 records with alternating requests and levels, and of one line that is no record."""
    path = tmp_path / "imgsrv.log"
    lines = [
        json.dumps({"event": f"event_{number}", "level": LEVELS[number % 4], "request_id": f"r{number % 10}"})
        for number in range(40)
    ]
    path.write_text("\n".join([*lines, "no record"]) + "\n")
    return path


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert run(["logs", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def events(lines: list[str]) -> list[str]:
    return [str(json.loads(line)["event"]) for line in lines]


def test_without_a_terminal_the_last_lines_are_shown_unchanged(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--file", log) == log.read_text().splitlines()[-20:]
    assert shown(capsys, "--file", log, "--lines", 3) == log.read_text().splitlines()[-3:]
    assert shown(capsys, "--file", log, "-n", 0) == []


def test_a_level_leaves_out_what_is_below_it(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "--file", log, "--level", "warning", "-n", 4)
    assert events(lines) == ["event_34", "event_35", "event_38", "event_39"]


def test_the_records_of_one_request_can_be_shown(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "--file", log, "--request", "r7")
    assert events(lines) == ["event_7", "event_17", "event_27", "event_37"]


def test_on_a_terminal_records_are_shown_as_text(log: Path) -> None:
    master, terminal = os.openpty()
    subprocess.run([sys.executable, "-m", "imgsrv", "logs", "--file", log, "-n", "2"], stdout=terminal, check=True)
    text = os.read(master, 4096).decode()
    os.close(terminal)
    os.close(master)
    assert "event_39" in text
    assert "\033[" in text
    assert text.splitlines()[-1] == "no record"


def test_following_shows_new_records_until_it_is_interrupted(log: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "imgsrv", "logs", "--file", log, "-n", "1", "-f"],
        stdout=subprocess.PIPE,
        text=True,
        # nohup, and a shell that runs the tests in its background, have them and their children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no thread is running yet
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        assert output.readline() == "no record\n"
        log.rename(log.with_name("moved"))
        log.write_text('{"event": "new"}\n')
        assert output.readline() == '{"event": "new"}\n'
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_a_closed_pipe_ends_the_command_quietly(log: Path) -> None:
    log.write_text('{"event": "x"}\n' * 50_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "imgsrv", "logs", "--file", log, "-n", "50000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(20) == 141
    process.stderr.close()


def test_a_missing_log_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "--file", str(tmp_path / "no.log")]) == 2
    assert "there is no log file" in capsys.readouterr().err


def test_a_running_instance_reports_the_path_of_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--workers=1", "--name=thumbs", log_file=tmp_path / "x.log") as server:
        folder = server.folder
        assert "serving" in events(shown(capsys, "--name", "thumbs", "--runtime-dir", folder))


def test_an_instance_without_a_log_file_gives_an_error(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "--runtime-dir", str(server.folder)]) == 2
    assert "logs to standard error" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "log"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    assert run(["logs", "--file", str(place)]) == 2
    assert "is no file" in capsys.readouterr().err
