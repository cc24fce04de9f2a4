"""Clients that read slowly get the whole answer, whatever the server does meanwhile; those that do not read are cut."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, Answer, Wire, metric, post

from imgsrv.cli._control_client import ask as command
from imgsrv.pool.control.instances import Place
from imgsrv.web.http.outflow import WINDOW_S, Outflow

SIDE = 2000
"""Of the large answer: three times what the kernel holds for a connection at most."""

LARGE = post(f"/resize?width={SIDE}&enlarge=true&format=bmp", PNG)

LARGE_BYTES = SIDE * SIDE * 3

PIECE = 1 << 20


class SlowReader(Wire):
    """A client that has asked for the large answer and has begun to read it."""

    def __init__(self, server: Server, pause_s: float = 0.15) -> None:
        super().__init__(server)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        self.pause_s = pause_s
        self.send(LARGE)
        self._more()

    def _more(self) -> None:
        """Read a piece and wait, so that all takes some seconds."""
        found = self.socket.recv(PIECE, socket.MSG_WAITALL if self._read else 0)
        assert found, "the server closed before the end of its answer"
        self._read += found
        time.sleep(self.pause_s)  # the rate is what is tested

    def answer(self, *, has_body: bool = True) -> Answer:
        self.socket.settimeout(60)
        return super().answer(has_body=has_body)


def is_whole(answer: Answer) -> bool:
    return answer.status == 200 and len(answer.body) >= LARGE_BYTES


def is_being_read(server: Server) -> bool:
    return metric(server, "imgsrv_unsent_bytes") > 0


def test_a_client_that_reads_longer_than_the_idle_time_gets_everything() -> None:
    with serving("--workers=1", "--keepalive-s=0.5") as server, SlowReader(server) as reader:
        assert is_whole(reader.answer())
        assert reader.ends()


def stop(server: Server) -> None:
    server.signal(signal.SIGTERM)


def reload(server: Server) -> None:
    server.signal(signal.SIGHUP)


def scale(server: Server) -> None:
    # The command is over when the worker has gone.
    threading.Thread(
        target=command, args=(Place(server.folder, "default"), "scale", "1"), kwargs={"patience_s": None}
    ).start()


def on_slot(server: Server, slot: int) -> SlowReader:
    """A slow reader whose worker has the slot."""
    pid = next(event["pid"] for event in server.named("worker_ready") if event["slot"] == slot)
    while True:
        reader = SlowReader(server)
        if server.front_of(reader.socket) == pid:
            return reader
        reader.socket.close()


@pytest.mark.parametrize(("act", "event"), [(stop, "stopping"), (reload, "reloaded"), (scale, "scaled")])
def test_a_slow_reader_gets_everything_in_spite_of(act: Callable[[Server], None], event: str) -> None:
    # The answer takes longer than all of it but --send-timeout-s.
    flags = ("--workers=2", "--drain-s=2.5", "--keepalive-s=0.5")
    with serving(*flags) as server, on_slot(server, 1) as reader:
        reader.pause_s = 0.6
        worker = server.front_of(reader.socket)
        act(server)
        if act is reload:
            wait_until(lambda: server.named(event) != [], event, deadline_s=60)
        assert is_whole(reader.answer())
        assert reader.ends()
        wait_until(lambda: server.named(event) != [], event)
        wait_until(lambda: any(exit_["pid"] == worker for exit_ in server.named("worker_exit")), "its worker goes")
        assert {exit_["reason"] for exit_ in server.named("worker_exit")} == {"exit status 0"}


def test_a_client_that_never_reads_is_cut_and_holds_nothing() -> None:
    with serving("--workers=1", "--send-timeout-s=1") as server, Wire(server) as wire:
        # The second request waits behind the first answer.
        wire.send(LARGE + HEALTH)
        wait_until(lambda: is_being_read(server), "the answer waits")
        wait_until(lambda: metric(server, "imgsrv_answers_cut_total") == 1, "it is cut")
        assert metric(server, "imgsrv_unsent_bytes") == 0
        assert metric(server, "imgsrv_connections") == 1


def test_a_client_that_never_reads_does_not_hold_a_stop_up() -> None:
    with serving("--workers=1", "--send-timeout-s=1") as server, Wire(server) as wire:
        wire.send(LARGE)
        wait_until(lambda: is_being_read(server), "the answer waits")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


# ---- the rate, with a clock of the test ---------------------------------------------------------------


class Clock:
    """A loop whose time is moved by the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay_s: float, callback: Callable[..., None], *arguments: object) -> Clock:
        self._due.append((self.now + delay_s, callback, arguments))
        return self

    def cancel(self) -> None:
        self._due.clear()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = self._due
        self._due = []
        for when, callback, arguments in due:
            assert when <= self.now
            callback(*arguments)


class Transport(asyncio.Transport):
    def __init__(self, waiting: int) -> None:
        self.waiting, self.is_aborted = waiting, False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_aborted = True


class Limits:
    send_rate, send_timeout_s = 1000, 100.0


class Report:
    def __init__(self) -> None:
        self.size, self.cut = 0, 0

    def unsent(self, _outflow: Outflow, size: int) -> None:
        self.size = size

    def unread(self, size: int) -> None:
        self.cut = size


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a socket on which nothing is sent."""
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


@pytest.mark.parametrize(
    ("rate", "windows", "is_cut"),
    [
        pytest.param(1000, 9, False, id="at-the-least-rate"),
        pytest.param(999, 1, True, id="below-it"),
        pytest.param(0, 1, True, id="no-byte"),
        pytest.param(1000, 10, True, id="at-the-least-rate-but-longer-than-allowed"),
    ],
)
def test_a_client_is_cut_that(
    ends: tuple[socket.socket, socket.socket], rate: int, windows: int, *, is_cut: bool
) -> None:
    clock, transport, report = Clock(), Transport(1_000_000), Report()
    outflow = Outflow(transport, ends[0].fileno(), clock, Limits(), report)  # type: ignore[arg-type]  # the part it uses
    outflow.watch()
    for _ in range(windows):
        transport.waiting -= round(rate * WINDOW_S)
        clock.advance(WINDOW_S)
    assert transport.is_aborted is is_cut
    assert (report.size, report.cut) == ((0, transport.waiting) if is_cut else (transport.waiting, 0))


def test_a_client_that_has_read_everything_is_no_longer_watched(ends: tuple[socket.socket, socket.socket]) -> None:
    clock, transport, report = Clock(), Transport(1_000_000), Report()
    outflow = Outflow(transport, ends[0].fileno(), clock, Limits(), report)  # type: ignore[arg-type]  # the part it uses
    outflow.watch()
    transport.waiting = 0
    clock.advance(WINDOW_S)
    assert (transport.is_aborted, report.size, report.cut) == (False, 0, 0)
