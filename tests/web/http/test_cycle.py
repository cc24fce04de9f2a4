"""A cycle: what an ASGI app sends, as bytes on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from queueing import unlimited

from imgsrv.errors import ImgsrvError
from imgsrv.observe.log.logger import get_logger
from imgsrv.web.http.body import Body, Files
from imgsrv.web.http.cycle import Cycle
from imgsrv.web.http.host import Message, Receive, Send

OK: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
HELLO: Message = {"type": "http.response.body", "body": b"hello"}


class FakeWire:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.blocked: asyncio.Event | None = None
        self.sent = b""
        self.is_closed = False

    def write(self, data: bytes | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def when_sent(self, callback: Callable[[], None]) -> None:
        callback()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def head_complete(self, body: Body) -> None: ...

    def answered(self) -> None: ...

    def refuse(self, error: ImgsrvError, request_id: str = "") -> None: ...

    def body_wanted(self) -> None: ...

    def body_ended(self) -> None: ...


def cycle_on(wire: FakeWire, method: str = "GET", *, keeps_alive: bool = True) -> Cycle:
    scope: dict[str, Any] = {"method": method, "path": "/", "headers": [(b"x-request-id", b"a1b2")]}
    body = Body(wire, Files(unlimited()), 0)
    return Cycle(wire, scope, body, lambda: None, keeps_alive=keeps_alive, awaits_continue=False)


def run(
    messages: Sequence[Message],
    *,
    method: str = "GET",
    keeps_alive: bool = True,
    fault: Exception | None = None,
    wire: FakeWire | None = None,
) -> FakeWire:
    """The wire after an app has sent these messages and then raised the fault, if there is one."""
    wire = wire or FakeWire()

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if fault is not None:
            raise fault

    asyncio.run(cycle_on(wire, method, keeps_alive=keeps_alive).run(app, get_logger()))
    return wire


def test_an_answer_of_known_length_is_written_as_it_is() -> None:
    wire = run([OK, HELLO])

    assert wire.sent == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    assert not wire.is_closed


def test_an_answer_of_unknown_length_is_chunked() -> None:
    pieces: list[Message] = [{"type": "http.response.body", "body": text, "more_body": True} for text in (b"ab", b"")]
    wire = run([{**OK, "headers": []}, *pieces, HELLO])

    assert wire.sent == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_ends_with_its_head(method: str, status: int) -> None:
    wire = run([{**OK, "status": status, "headers": []}, {"type": "http.response.body"}], method=method)

    assert wire.sent.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in wire.sent


def test_the_answer_to_head_has_the_length_of_the_body_that_it_leaves_out() -> None:
    assert run([OK, HELLO], method="HEAD").sent == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "keeps_alive"),
    [
        pytest.param([(b"connection", b"close")], True, id="because-the-app-says-so"),
        pytest.param([], False, id="because-the-client-wants-it"),
    ],
)
def test_the_last_answer_says_once_that_it_is_the_last_and_closes(
    headers: list[tuple[bytes, bytes]], *, keeps_alive: bool
) -> None:
    wire = run([{**OK, "headers": [*OK["headers"], *headers]}, HELLO], keeps_alive=keeps_alive)

    assert wire.sent.count(b"connection: close\r\n") == 1
    assert wire.is_closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
def test_a_header_with_the_end_of_a_line_in_it_is_never_written(value: bytes) -> None:
    wire = run([{**OK, "headers": [(b"x-name", value)]}, HELLO])

    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert b"x-name" not in wire.sent
    assert wire.is_closed


def test_a_fault_before_the_answer_is_answered_500_under_the_id_of_the_request() -> None:
    wire = run([], fault=ValueError("oops"))

    assert wire.sent.startswith(b"HTTP/1.1 500 ")
    assert b"x-request-id: a1b2\r\n" in wire.sent
    assert wire.is_closed


def test_a_fault_in_the_middle_of_an_answer_closes_the_connection() -> None:
    wire = run([OK], fault=ValueError("oops"))

    assert wire.sent.count(b"HTTP/1.1") == 1
    assert wire.is_closed


def test_an_app_that_does_not_answer_is_answered_500() -> None:
    assert run([]).sent.startswith(b"HTTP/1.1 500 ")


def test_a_client_that_has_left_gets_nothing() -> None:
    wire = FakeWire()
    wire.close()

    assert run([OK, HELLO], wire=wire).sent == b""


def test_an_answer_waits_until_a_slow_client_reads_on() -> None:
    wire = FakeWire()
    sent_while_blocked = []

    def read_on() -> None:
        sent_while_blocked.append(wire.sent)
        if wire.blocked is not None:
            wire.blocked.set()

    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        wire.blocked = asyncio.Event()
        asyncio.get_running_loop().call_soon(read_on)
        await send(OK)
        await send(HELLO)

    asyncio.run(cycle_on(wire).run(app, get_logger()))

    assert sent_while_blocked == [b""]
    assert wire.sent.endswith(b"hello")
