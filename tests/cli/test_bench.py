from __future__ import annotations

import argparse
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pictures import SAMPLES, encoded, picture
from rich.console import Console
from serving import Server

from imgsrv.cli import bench
from imgsrv.cli._bench_table import View
from imgsrv.errors import BadArgument
from imgsrv.loadtest.phases import Phase
from imgsrv.loadtest.target import parse_target

pytestmark = pytest.mark.slow

SHORT = ("--seconds", "0.5", "--connections", "2")

Bench = Callable[..., int]


@pytest.fixture(name="imgsrv")
def _imgsrv() -> Bench:
    """`imgsrv bench` with the given arguments."""
    parser = argparse.ArgumentParser()
    bench.add_parser(parser.add_subparsers())

    def run(*arguments: str) -> int:
        parsed = parser.parse_args(["bench", *arguments])
        return int(parsed.run(parsed))

    return run


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_closed_loop_is_followed_by_open_loops_at_fractions_of_its_rate(
    imgsrv: Bench, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(SAMPLES / "coffee.jpg")

    assert imgsrv(server.url, "--path", "/resize?width=60", "--picture", photo, "--load", "40", "--json", *SHORT) == 0

    found = result(capsys)
    closed, opened = found["phases"]
    assert found["url"] == f"{server.url}/resize?width=60"
    assert found["answers"][0].startswith("60×40 jpeg, ")
    assert closed["pictures"] > 0
    assert closed["p50_ms"] <= closed["p99_ms"] <= closed["most_ms"]
    assert 0 < closed["cpu_share"] < 1.1
    assert opened["asked_rate"] == pytest.approx(0.4 * closed["rate"])
    assert opened["pictures"] > 0
    assert closed["faults"] == opened["faults"] == 0


def test_a_given_rate_replaces_the_closed_loop(
    imgsrv: Bench, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(SAMPLES / "coffee.jpg")

    assert imgsrv(f"{server.url}/resize?width=60", "--picture", photo, "--rate", "20", "--json", *SHORT) == 0

    (phase,) = result(capsys)["phases"]
    assert phase["asked_rate"] == 20


def test_any_page_can_be_fetched(imgsrv: Bench, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert imgsrv(f"{server.url}/healthz", "--get", "--load", "none", *SHORT) == 0

    shown = capsys.readouterr().out
    assert "not a known picture format" in shown
    assert "closed, 2 connections" in shown


def test_the_option_self_starts_and_ends_a_server() -> None:
    command = [sys.executable, "-m", "imgsrv", "bench", "--self", "--workers", "1", "--load", "none", "--json", *SHORT]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["phases"][0]["pictures"] > 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", parse_target(found["url"], "").port), 5)


def test_if_the_server_of_the_option_self_does_not_start_the_reason_is_shown(imgsrv: Bench) -> None:
    with pytest.raises(BadArgument, match="did not start: --workers=no: it must be"):
        imgsrv("--self", "--workers", "no")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["http://127.0.0.1:9"], "is the server running", id="nobody-listens"),
        pytest.param(["https://127.0.0.1"], "TLS is not supported", id="tls"),
        pytest.param(["127.0.0.1:8000"], "must be http://", id="no-scheme"),
        pytest.param(["http://127.0.0.1:99999"], "is not a URL", id="port"),
        pytest.param(["http://127.0.0.1/a", "--path", "/b"], "already has a path", id="two-paths"),
        pytest.param(["http://127.0.0.1", "--get", "--picture", "x.jpg"], "leave out --picture", id="get-and-picture"),
        pytest.param(["http://127.0.0.1", "--picture", "/nowhere/x.jpg"], "cannot be read", id="no-such-picture"),
    ],
)
def test_a_server_that_cannot_be_loaded_is_refused(imgsrv: Bench, arguments: list[str], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        imgsrv(*arguments)


def test_a_request_that_the_server_refuses_is_reported_at_once(imgsrv: Bench, server: Server) -> None:
    with pytest.raises(BadArgument, match="answers status 404"):
        imgsrv(server.url, "--path", "/nonsense", *SHORT)


@pytest.mark.parametrize("flag", [["--connections", "0"], ["--seconds", "1000"], ["--rate", "x"], ["--load", "50,x"]])
def test_a_number_out_of_bounds_is_refused(imgsrv: Bench, flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        imgsrv("http://127.0.0.1", *flag)

    assert "is not a " in capsys.readouterr().err


def shown(*, is_terminal: bool) -> str:
    """The output of a view of a phase that is updated twice, on a narrow console."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=80, color_system=None)
    phase = Phase("closed, 8 connections", 1.0, pictures=1, rate=1234.5, p50_ms=1234.5, p99_ms=1234.5, most_ms=1234.5)
    with View(console, "http://example", ["an answer"]) as view:
        view.show(phase)
        view.show(replace(phase, elapsed_s=1.0, faults=1, fault="[oops]"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_the_table_while_it_fills() -> None:
    assert shown(is_terminal=True).count("closed, 8 connections") > 2


def test_without_a_terminal_the_table_is_printed_once_and_fits_a_narrow_page() -> None:
    text = shown(is_terminal=False)

    assert text.count("closed, 8 connections") == 1
    assert "1234.5 " in text
    assert "own CPU" in text
    assert "fault: [oops]" in text
    assert "…" not in text


class Restarted(BaseHTTPRequestHandler):
    """Answers the first connection with pictures, and later ones with the status of its server or not at all."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Take the next status of the server; the last one is kept."""
        super().setup()
        answers: list[int] = self.server.answers  # type: ignore[attr-defined]  # of the test
        self.status = answers.pop(0) if len(answers) > 1 else answers[0]

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        status = self.status
        if not status:
            self.close_connection = True
            return
        body = encoded(picture("RG/BY"), "PNG") if status == HTTPStatus.OK else b"{}"
        self.send_response(status)
        self.send_header("Content-Type", "image/png" if status == HTTPStatus.OK else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_facts: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "the server refused all "), (0, "was the server restarted meanwhile?")],
    ids=["refused", "restarted"],
)
@pytest.mark.parametrize("load", [("--load", "none"), ("--rate", "20")], ids=["closed", "open"])
def test_a_bench_that_made_no_picture_fails_and_says_why(
    imgsrv: Bench, capsys: pytest.CaptureFixture[str], status: int, words: str, load: tuple[str, str]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Restarted) as server:
        server.answers = [200, status]  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert imgsrv(f"http://127.0.0.1:{server.server_port}", *load, *SHORT) == 1
        finally:
            server.shutdown()
            thread.join()
    said = capsys.readouterr().err
    assert "no picture was made" in said
    assert words in said
