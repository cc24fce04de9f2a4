"""Clients that are slow to send or to read: refused in time, with an answer that arrives."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator

import pytest
from serving import Server, serving
from wire import HEALTH, PNG, Wire, ask, chunked, head, is_flipped, post

from imgsrv.web.http.body import UNREAD_KEPT

PATIENCE_S = 10.0
"""Longer than any deadline of the impatient server."""


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    """A server of one worker with short deadlines."""
    flags = ["--workers=1", "--header-timeout-s=1", "--body-timeout-s=1.5", "--keepalive-s=1", "--max-body=20MB"]
    with serving(*flags) as running:
        yield running


# ---- refused while it still comes ---------------------------------------------------------------------


def test_an_early_refusal_arrives_though_the_client_reads_late(impatient: Server) -> None:
    body = b"x" * 12_000_000
    with Wire(impatient) as wire:
        wire.send(head("/nothing", f"Content-Length: {len(body)}") + body)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.closes) == (404, "unknown_operation", True)
        wire.half_close()
        assert wire.ends()


def test_a_refusal_in_mid_stream_arrives_though_the_client_reads_late(impatient: Server) -> None:
    body = chunked([b"x" * 1_000_000] * 35)
    with Wire(impatient) as wire:
        wire.send(head("/flip", "Transfer-Encoding: chunked") + body)
        answer = wire.answer()
        assert (answer.code, answer.closes) == ("body_too_large", True)
        wire.half_close()
        assert wire.ends()


@pytest.mark.parametrize(
    ("size", "is_kept"),
    [pytest.param(UNREAD_KEPT, True, id="small-kept"), pytest.param(UNREAD_KEPT + 1, False, id="large-closed")],
)
def test_an_unread_body_is_dropped_if_small(server: Server, size: int, *, is_kept: bool) -> None:
    with Wire(server) as wire:
        wire.send(head("/nothing", f"Content-Length: {size}"))
        answer = wire.answer()
        wire.send(b"x" * size)
        assert answer.closes is not is_kept
        if is_kept:
            wire.send(HEALTH)
            assert wire.answer().status == 200
        else:
            wire.half_close()
            assert wire.ends()


# ---- slow clients -------------------------------------------------------------------------------------


@pytest.fixture
def other(impatient: Server) -> Iterator[list[float]]:
    """The seconds that each request of a well-behaved client took meanwhile."""
    seconds, is_over = list[float](), threading.Event()

    def go_on() -> None:
        while not is_over.wait(0.02):
            start = time.monotonic()
            assert is_flipped(ask(impatient, post("/flip", PNG)))
            seconds.append(time.monotonic() - start)

    thread = threading.Thread(target=go_on)
    thread.start()
    yield seconds
    is_over.set()
    thread.join()
    # The median: a machine that is busy elsewhere delays one or the other.  Held up, there would be one or two in all.
    assert len(seconds) >= 3
    assert statistics.median(seconds) < 0.3


def drip(wire: Wire, data: bytes, interval_s: float) -> None:
    """Send byte by byte until the server says something, or there is nothing left."""
    for at in range(len(data)):
        wire.send_until_refused(data[at : at + 1])
        if not wire.is_silent(interval_s):
            return


def test_a_head_that_drips_is_answered_408_while_others_are_served(impatient: Server, other: list[float]) -> None:
    with Wire(impatient) as wire:
        start = time.monotonic()
        drip(wire, head("/healthz", "X: " + "y" * 1000, method="GET"), 0.03)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.problem["setting"]) == (408, "request_timeout", "--header-timeout-s")
        assert time.monotonic() - start < PATIENCE_S
        wire.half_close()
        assert wire.ends()
    assert other


def test_a_body_that_drips_is_answered_408_while_others_are_served(impatient: Server, other: list[float]) -> None:
    with Wire(impatient) as wire:
        start = time.monotonic()
        wire.send(head("/flip", "Content-Length: 1000"))
        drip(wire, b"x" * 1000, 0.03)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.problem["setting"]) == (408, "request_timeout", "--body-timeout-s")
        assert time.monotonic() - start < PATIENCE_S
        wire.half_close()
        assert wire.ends()
    assert other


def test_many_silent_clients_are_closed_while_others_are_served(impatient: Server, other: list[float]) -> None:
    wires = [Wire(impatient) for _ in range(200)]
    for wire in wires:
        assert wire.ends(PATIENCE_S)
        wire.socket.close()
    assert other


def test_an_idle_connection_is_closed(impatient: Server) -> None:
    with Wire(impatient) as wire:
        wire.send(HEALTH)
        assert not wire.answer().closes
        assert wire.ends(PATIENCE_S)


def test_an_unread_body_that_never_comes_ends_with_the_idle_time(impatient: Server) -> None:
    with Wire(impatient) as wire:
        wire.send(head("/nothing", "Content-Length: 1000"))
        assert wire.answer().status == 404
        assert wire.ends(PATIENCE_S)
