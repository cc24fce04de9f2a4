"""Bytes that are not a request, or that hide a second one: they are refused, and nothing else happens."""

from __future__ import annotations

import contextlib

import psutil
import pytest
from serving import Server, wait_until
from wire import HEALTH, PNG, Wire, chunked, head, metric, noise, post

from imgsrv.web.http.protocol import FREE_PIECES, LEAST_PIECE, MOST_WAITING

MOST_TAKEN = 100 << 20
"""More than the kernel keeps of one connection in all its buffers."""

POST = b"POST /flip HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="a-TLS-hello"),
        pytest.param(b"\x00\x00\x00\x00\r\n\r\n", id="zeros"),
        pytest.param(b"hello\r\n\r\n", id="a-word"),
        pytest.param(b"GET\r\n\r\n", id="a-method-alone"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="an-unknown-version"),
        pytest.param(b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", id="HTTP/2.0-in-the-form-of-1.1"),
        pytest.param(b"GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no-Host"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", id="the-same-Host-twice"),
        pytest.param(b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", id="two-Hosts-with-HTTP/1.0"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x y\r\n\r\n", id="a-Host-of-two-words"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n", id="a-path-as-Host"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="the-HTTP/2-preface"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", id="a-path-that-is-no-text"),
        pytest.param(b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", id="a-broken-address"),
        pytest.param(b"CONNECT test:443 HTTP/1.1\r\nHost: x\r\n\r\n", id="CONNECT"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", id="a-header-without-a-colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", id="a-zero-in-a-name"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", id="a-folded-header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", id="a-space-before-the-colon"),
        pytest.param(POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", id="length-and-chunks"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", id="chunks-and-length"),
        pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two-lengths"),
        pytest.param(POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", id="the-same-length-twice"),
        pytest.param(POST + b"Content-Length: 1, 1\r\n\r\n", id="a-list-of-lengths"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", id="a-negative-length"),
        pytest.param(POST + b"Content-Length: +1\r\n\r\n", id="a-length-with-a-sign"),
        pytest.param(POST + b"Content-Length: 0x1\r\n\r\n", id="a-hexadecimal-length"),
        pytest.param(POST + b"Content-Length: 99999999999999999999999\r\n\r\n", id="a-length-past-64-bits"),
        pytest.param(POST + b"Content-Length:\r\n\r\n", id="an-empty-length"),
        pytest.param(POST + b"Transfer-Encoding: gzip\r\n\r\n", id="an-encoding-that-does-not-end"),
        pytest.param(POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", id="chunks-inside"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n", id="almost-chunked"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_a_request_are_answered_400_and_closed(server: Server, garbage: bytes) -> None:
    def counted() -> float:
        return metric(server, 'imgsrv_errors_total{code="bad_http"}')

    before = counted()
    with Wire(server) as wire:
        wire.send(garbage)
        answer = wire.answer()
        wait_until(lambda: counted() == before + 1, "it is counted")
        assert (answer.status, answer.code, answer.closes) == (400, "bad_http", True)
        assert answer.problem["request_id"] == answer.headers["x-request-id"]
        wire.half_close()
        assert wire.ends()


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(b"xyz\r\n", id="no-number"),
        pytest.param(b"-1\r\n", id="a-negative-size"),
        pytest.param(b"ffffffffffffffffff\r\n", id="a-size-past-64-bits"),
        pytest.param(b"2\r\nabcd\r\n", id="more-than-announced"),
    ],
)
def test_broken_chunks_are_answered_400_and_closed(server: Server, chunks: bytes) -> None:
    with Wire(server) as wire:
        wire.send(head("/flip", "Transfer-Encoding: chunked") + chunks)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.closes) == (400, "bad_http", True)
        wire.half_close()
        assert wire.ends()


@pytest.mark.parametrize(
    "beginning",
    [pytest.param(b"0\r\nX: ", id="trailer"), pytest.param(b"5;", id="extension")],
)
def test_extensions_and_trailers_of_chunks_have_the_limit_of_a_head(server: Server, beginning: bytes) -> None:
    with Wire(server) as wire:
        wire.send_until_refused(head("/flip", "Transfer-Encoding: chunked") + beginning + b"y" * 1_000_000)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.closes) == (431, "headers_too_large", True)
        wire.half_close()
        assert wire.ends()


def test_a_body_in_very_many_tiny_chunks_is_refused(server: Server) -> None:
    with Wire(server) as wire:
        wire.send_until_refused(head("/flip", "Transfer-Encoding: chunked") + b"1\r\nx\r\n" * (4 * FREE_PIECES))
        answer = wire.answer()
        assert (answer.status, answer.code, answer.closes) == (400, "bad_http", True)
        assert "chunks" in answer.problem["detail"]
        wire.half_close()
        assert wire.ends()


@pytest.mark.parametrize("size", [pytest.param(1, id="tiny"), pytest.param(LEAST_PIECE, id="small")])
def test_a_picture_in_many_small_chunks_is_understood(server: Server, size: int) -> None:
    picture = PNG if size == 1 else noise(700)
    pieces = [picture[at : at + size] for at in range(0, len(picture), size)]
    assert len(pieces) > 2 * FREE_PIECES or size == 1
    with Wire(server) as wire:
        wire.send(head("/resize?width=2", "Transfer-Encoding: chunked") + chunked(pieces))
        assert wire.answer().status == 200


def test_the_number_of_requests_that_wait_on_a_connection_is_limited(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG) + HEALTH * 1000)
        for _ in range(1 + MOST_WAITING):
            assert wire.answer().status == 200
        answer = wire.answer()
        assert (answer.code, answer.closes) == ("bad_http", True)
        assert str(MOST_WAITING) in answer.problem["detail"]
        wire.half_close()
        assert wire.ends()


def test_a_client_that_sends_and_never_reads_is_not_read_forever(server: Server) -> None:
    requests = post("/resize?width=300&enlarge=true&format=bmp", PNG, "X: " + "y" * 20_000)
    with Wire(server) as wire:
        wire.socket.settimeout(1)
        taken = 0
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            while taken < MOST_TAKEN:
                taken += wire.socket.send(requests)
        assert taken < MOST_TAKEN


def test_a_request_hidden_in_a_body_is_not_served(server: Server) -> None:
    hidden = post("/flip", PNG)
    with Wire(server) as wire:
        wire.send(post("/nothing", hidden) + HEALTH)
        assert wire.answer().status == 404
        assert wire.answer().status == 200
        assert wire.is_silent(0.1)


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(head("/healthz", "X: " + "y" * 40_000, method="GET"), id="one-long-header"),
        pytest.param(head("/healthz", *["X: y"] * 10_000, method="GET"), id="many-headers"),
        pytest.param(head("/healthz?" + "x" * 40_000, method="GET"), id="a-long-address"),
        pytest.param(b"X" * 40_000, id="a-long-method"),
        pytest.param(head("/healthz", "X: " + "y" * 2_000_000, method="GET"), id="two-megabytes"),
    ],
)
def test_a_large_head_is_refused(server: Server, request_head: bytes) -> None:
    with Wire(server) as wire:
        wire.send_until_refused(request_head)
        answer = wire.answer()
        assert answer.closes
        assert answer.code in ("headers_too_large", "bad_http")
        wire.half_close()
        assert wire.ends()


def test_refused_requests_leave_no_memory_behind(server: Server) -> None:
    refused = head("/flip", "Content-Length: 250000", "Host: another") + bytes(250_000)

    def memory() -> int:
        return sum(psutil.Process(pid).memory_full_info().uss for pid in server.workers())

    def refuse(times: int) -> None:
        # All at once: what lives for longer is looked at by the collector less often.
        with contextlib.ExitStack() as stack:
            for wire in [stack.enter_context(Wire(server)) for _ in range(times)]:
                wire.send_until_refused(refused)
                assert wire.answer().status == 400

    refuse(20)
    before = memory()
    refuse(200)
    refuse(200)
    # Kept, what came with each would be 100 MB.
    assert memory() - before < 10e6


def test_the_workers_survive_all_hostile_requests(server: Server) -> None:
    started = [event["pid"] for event in server.named("worker_ready")]
    assert sorted(started) == server.workers()
    assert [event for event in server.events if event["level"] == "error"] == []
