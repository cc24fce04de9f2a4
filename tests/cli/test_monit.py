"""`imgsrv monit`: a real terminal of 80×24 shows a real server, and its keys work."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions
from serving import DEADLINE_S, Server, serving, wait_until

from imgsrv.cli._control_client import ask
from imgsrv.cli._monit_screen import Sample, View, draw
from imgsrv.cli.main import run
from imgsrv.pool.control.instances import Place

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 80, 24


def status(workers: int) -> dict[str, Any]:
    """The status of a busy server, with each value as long as possible."""
    worker = {
        "pid": 4_194_303, "state": "draining", "generation": 12, "uptime_s": 987_654, "starts": 3, "cpu_s": 5000.0,
        "memory_bytes": 98_700_000, "connections": 1234, "requests": 10**6, "jobs_done": 1_234_567,
        "job": {"age_s": 12.3, "deadline_in_s": 17.7},
    }  # fmt: skip
    return {
        "name": "default", "version": "0.1.0", "pid": 4_194_302, "url": "http://127.0.0.1:18431", "state": "serving",
        "uptime_s": 987_654, "generation": 12, "size": workers, "queue": {"waiting": 128, "max": 256},
        "totals": {"requests": 10**8, "jobs_done": 10**8, "errors": {"overloaded": 7}, "restarts": {"death": 2}},
        "latency_s": {"p50": 0.014, "p90": 0.026, "p99": None},
        "workers": [{**worker, "slot": slot} for slot in range(workers)],
        "events": [
            {"time": 0, "event": "worker_exit", "slot": 1, "reason": "a long reason [with brackets] " * 9}
        ] * 50,
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_everything_fits_a_small_terminal(workers: int) -> None:
    console = Console(width=WIDTH, height=HEIGHT, force_terminal=False)
    now, before = Sample(11.0, status(workers)), Sample(10.0, status(workers))
    with console.capture() as captured:
        console.print(draw(View(now, before, "reload: done", "r reload · q quit"), ConsoleDimensions(WIDTH, HEIGHT)))
    lines = captured.get().rstrip("\n").split("\n")
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    assert lines[-2:] == ["reload: done", "r reload · q quit"]
    worker = next(line for line in lines if "4194303" in line)
    assert " ".join(worker.split()) == "0 4194303 draining 12 0% 98.7 MB 1234 0.0 1234567 11 d 10 h for 12.3 s"
    assert ("more workers" in captured.get()) == (workers == 64)


def test_rates_are_those_between_two_updates() -> None:
    console = Console(width=WIDTH, height=HEIGHT)
    before, now = status(1), status(1)
    now["totals"] = {**now["totals"], "jobs_done": 10**8 + 90}
    now["workers"] = [{**now["workers"][0], "jobs_done": 1_234_567 + 90, "cpu_s": 5001.0}]
    with console.capture() as captured:
        console.print(draw(View(Sample(12.0, now), Sample(10.0, before), "", ""), ConsoleDimensions(WIDTH, HEIGHT)))
    assert "45.0 jobs/s" in captured.get()
    assert " 50% " in captured.get()


class Terminal:
    """`imgsrv monit` in a terminal of its own."""

    def __init__(self, server: Server) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", HEIGHT, WIDTH, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "imgsrv", "monit", "--period-s", "0.2", "--runtime-dir", str(server.folder)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self._text = ""

    def shows(self, text: str) -> bool:
        """True if it has shown the text since its start."""
        try:
            self._text += os.read(self._ours, 1 << 20).decode(errors="replace")
        except (BlockingIOError, OSError):
            time.sleep(0.01)
        return text in self._text

    def forget(self) -> None:
        """Forget what it has shown so far."""
        self.shows("")
        self._text = ""

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self._ours)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Server, Terminal]]:
    with serving("--workers", "2", log_file=tmp_path / "served.log") as server:
        terminal = Terminal(server)
        try:
            yield server, terminal
        finally:
            terminal.close()


def test_a_terminal_shows_every_worker_until_q(watched: tuple[Server, Terminal]) -> None:
    server, terminal = watched
    for pid in server.workers():
        wait_until(lambda pid=pid: terminal.shows(str(pid)), "the worker is shown")  # type: ignore[misc]
    terminal.press("q")
    wait_until(lambda: terminal.shows("\x1b[?1049l"), "the terminal's own screen comes back")
    assert terminal.process.wait(DEADLINE_S) == 0


KEY_DEADLINE_S = 60.0


@pytest.mark.timeout(300)
def test_keys_scale_reload_and_restart(watched: tuple[Server, Terminal]) -> None:
    server, terminal = watched
    wait_until(lambda: terminal.shows("q quit"), "it is drawn", KEY_DEADLINE_S)

    def press(key: str, done: str) -> dict[str, Any]:
        terminal.forget()
        terminal.press(key)
        wait_until(lambda: terminal.shows(done), f"{key} is done", KEY_DEADLINE_S)
        found: dict[str, Any] = ask(Place(server.folder, "default"), "status")
        return found

    assert press("+", "one worker more: done")["size"] == 3
    assert press("-", "one less: done")["size"] == 2
    before = press("r", "reload: done")
    assert before["generation"] == 2
    after = press("R", "restart: done")
    assert (after["pid"], after["generation"], after["state"]) == (before["pid"], 1, "serving")
    assert not {one["pid"] for one in after["workers"]} & {one["pid"] for one in before["workers"]}
    terminal.forget()
    for pid in server.workers():
        wait_until(lambda pid=pid: terminal.shows(str(pid)), "the new worker is shown")  # type: ignore[misc]
    terminal.press("q")
    assert terminal.process.wait(DEADLINE_S) == 0


def test_a_key_switches_between_log_and_events(watched: tuple[Server, Terminal]) -> None:
    server, terminal = watched
    wait_until(lambda: terminal.shows("latest events"), "the events are shown", KEY_DEADLINE_S)
    terminal.press("l")
    wait_until(lambda: terminal.shows("last lines of served.log"), "the log is shown", KEY_DEADLINE_S)
    with server.client() as client:
        client.get("/nothing-of-that-name")
    wait_until(lambda: terminal.shows("/nothing-of-that-name"), "what is logged now is shown", KEY_DEADLINE_S)
    terminal.forget()
    terminal.press("l")
    wait_until(lambda: terminal.shows("latest events"), "the events are shown again", KEY_DEADLINE_S)


def test_without_a_log_file_the_key_shows_a_message() -> None:
    with serving("--workers", "1") as server:
        terminal = Terminal(server)
        try:
            wait_until(lambda: terminal.shows("q quit"), "it is drawn", KEY_DEADLINE_S)
            terminal.press("l")
            wait_until(
                lambda: terminal.shows("default logs to standard error, not to a file"),
                "it says so",
                KEY_DEADLINE_S,
            )
        finally:
            terminal.close()


def test_it_ends_with_the_reason_when_the_server_goes(watched: tuple[Server, Terminal]) -> None:
    server, terminal = watched
    wait_until(lambda: terminal.shows("q quit"), "it is drawn")
    server.process.terminate()
    server.wait_exit()
    wait_until(lambda: terminal.shows("imgsrv: no instance named 'default' runs in"), "it says why it ends")
    assert terminal.process.wait(DEADLINE_S) == 1


def test_without_a_terminal_it_names_another_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["monit"]) == 2
    assert "monit needs a terminal; programs can use `imgsrv status --json`" in capsys.readouterr().err
