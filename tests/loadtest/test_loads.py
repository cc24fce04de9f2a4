"""The loads of `imgsrv bench` and of bench/ against a server that says exactly what a test wants."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from imgsrv.errors import LoadFailed
from imgsrv.loadtest.closed_loop import Asked, Slice, always, crowd, in_turn
from imgsrv.loadtest.conversation import Answer, Request, fetched, posted
from imgsrv.loadtest.open_loop import open_loop, percentile, planned, poisson_arrivals

FULL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nField: 1\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\nhello"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
REFUSAL = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
BAD_REFUSAL = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
WRONG = b"HTTP/1.1 400 Bad\r\nContent-Length: 4\r\n\r\noops"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"

SLICE_S = 0.3


@dataclass
class Scripted:
    """Answers every request with the same bytes; `closes` after each of them, in pieces of `step` bytes."""

    answer: bytes
    closes: bool = False
    step: int = 1000
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._converse, args=(listener.accept()[0],), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while (request := self._request(connection)) is not None:
                self.requests.append(request)
                for start in range(0, len(self.answer), self.step):
                    connection.sendall(self.answer[start : start + self.step])
                if self.closes:
                    return

    def _request(self, connection: socket.socket) -> bytes | None:
        request = b""
        while b"\r\n\r\n" not in request or (request.startswith(b"POST") and not request.endswith(b"BODY")):
            if not (piece := connection.recv(65_536)):
                return None
            request += piece
            if b"100-continue" in request and request.endswith(b"\r\n\r\n"):
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request


@contextlib.contextmanager
def answering(answer: bytes, *, closes: bool = False, step: int = 1000) -> Iterator[Scripted]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scripted = Scripted(answer, closes, step, port=listener.getsockname()[1])
        thread = threading.Thread(target=scripted.serve, args=(listener,), daemon=True)
        thread.start()
        yield scripted
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def loaded(scripted: Scripted, picture: Request | None = None) -> Slice:
    with crowd(scripted.port, 2) as both:
        return both.load(always(picture or posted("/", b"a BODY")), SLICE_S)


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        pytest.param(FULL, False, id="length"),
        pytest.param(CHUNKED, False, id="chunks"),
        pytest.param(UNTIL_CLOSED, True, id="until-closed"),
        pytest.param(CLOSING, True, id="closing"),
    ],
)
@pytest.mark.parametrize("step", [1000, 7])
def test_an_answer_in_any_framing_is_read(answer: bytes, *, closes: bool, step: int) -> None:
    with answering(answer, closes=closes, step=step) as scripted:
        picture = posted("/", b"a BODY")

        found = loaded(scripted, picture).checked()

    assert picture.expected == b"hello"
    # A busy machine may end a slice late, and the part of a request that lies within it counts as a part.
    assert found.rate == pytest.approx(len(found.answers) / SLICE_S, rel=0.3, abs=2 / SLICE_S)
    assert {answer.size for answer in found.answers} == {5}


def test_a_body_that_asks_first_is_sent_after_the_go_ahead() -> None:
    with answering(FULL) as scripted:
        loaded(scripted, posted("/there", b"a BODY", asks_first=True, host="example")).checked()

    assert scripted.requests[0].startswith(b"POST /there HTTP/1.1\r\nHost: example\r\n")
    assert scripted.requests[0].endswith(b"\r\n\r\na BODY")


def test_a_picture_can_be_fetched() -> None:
    with answering(FULL) as scripted:
        loaded(scripted, fetched("/there")).checked()

    assert scripted.requests[0].startswith(b"GET /there HTTP/1.1\r\n")


def test_a_long_answer_gets_room() -> None:
    body = bytes(1_000_000)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body, step=100_000) as scripted:
        picture = posted("/", b"a BODY")

        loaded(scripted, picture).checked()

    assert picture.expected == body


@pytest.mark.parametrize(
    ("answer", "closes", "fault"),
    [
        pytest.param(WRONG, False, "status 400: b'oops'", id="status"),
        pytest.param(CUT, True, f"closed after {len(CUT)} bytes", id="cut-off"),
        pytest.param(BAD_REFUSAL, False, "503 without Retry-After", id="refusal-without-a-time"),
    ],
)
def test_what_is_no_picture_is_a_fault_and_ends_the_load_early(answer: bytes, *, closes: bool, fault: str) -> None:
    with answering(answer, closes=closes) as scripted:
        found = loaded(scripted)

    assert found.rate == 0
    assert found.faults[0].startswith(fault)
    with pytest.raises(LoadFailed, match="faults"):
        found.checked()


def test_another_answer_than_the_first_is_a_fault() -> None:
    picture = posted("/", b"a BODY")
    picture.expected = b"HELLO"
    with answering(FULL) as scripted:
        found = loaded(scripted, picture)

    assert found.faults[0] == "another answer of 5 bytes"


def test_refusals_are_counted_apart() -> None:
    with answering(REFUSAL) as scripted:
        found = loaded(scripted)

    assert found.refused > 0
    assert found.faults == []
    assert found.latencies_s == []


def test_a_load_can_be_watched() -> None:
    seen: list[int] = []

    def watch(found: object) -> None:
        assert isinstance(found, list)
        seen.append(sum(isinstance(each, Asked) for each in found))

    with answering(FULL) as scripted, crowd(scripted.port, 1) as one:
        one.load(always(posted("/", b"a BODY")), 0.6, watch)

    assert seen
    assert seen == sorted(seen)


def test_a_slow_server_is_asked_until_enough_has_come() -> None:
    with answering(FULL) as scripted, crowd(scripted.port, 1) as one:
        found = one.load(always(posted("/", b"a BODY")), 0.0, least=20).checked()

    assert len(found.answers) >= 20
    assert found.rate > 20


@pytest.mark.parametrize(
    ("from_s", "until_s", "part"),
    [
        pytest.param(0.0, 9.0, 1.0, id="all-of-it"),
        pytest.param(2.5, 9.0, 0.75, id="its-end"),
        pytest.param(0.0, 2.5, 0.25, id="its-beginning"),
        pytest.param(5.0, 9.0, 0.0, id="before-the-window"),
    ],
)
def test_a_request_counts_for_the_part_of_it_that_lies_in_the_window(
    from_s: float, until_s: float, part: float
) -> None:
    assert Asked(2.0, 4.0, Answer(200)).within(from_s, until_s) == part


def test_a_slice_ends_with_a_whole_turn() -> None:
    with answering(FULL) as scripted, crowd(scripted.port, 1) as one:
        found = one.load(always(posted("/", b"a BODY")), 0.01, least=20, turn=7).checked()

    assert len(found.answers) % 7 == 0


def test_connections_are_dealt_to_all_ports_of_a_server() -> None:
    with answering(FULL) as first, answering(FULL) as second, crowd(first.port, 2, others=[second.port]) as both:
        both.load(always(posted("/", b"a BODY")), SLICE_S).checked()

    assert first.requests
    assert second.requests


def test_pictures_come_in_turn() -> None:
    first, second = posted("/1", b""), posted("/2", b"")
    choose = in_turn([first, second])

    assert [choose()[0] for _ in range(3)] == [first, second, first]


def test_an_open_loop_asks_at_the_planned_times() -> None:
    with answering(FULL) as scripted:
        storm = open_loop(scripted.port, planned([0.0, 0.05, 0.1], always(posted("/", b"a BODY"))))

    assert [outcome.answer.is_picture for outcome in storm.outcomes] == [True, True, True]
    assert all(outcome.sent_s >= outcome.plan.due_s for outcome in storm.outcomes)
    assert storm.seconds >= 0.1


def test_random_arrivals_have_the_rate_and_are_the_same_for_a_seed() -> None:
    arrivals = poisson_arrivals(100, 50, seed=1)

    assert arrivals == sorted(arrivals) == poisson_arrivals(100, 50, seed=1)
    assert len(arrivals) == pytest.approx(5000, rel=0.1)
    assert arrivals[-1] < 50


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (51, 3), (99, 4), (0, 1)])
def test_a_percentile_is_one_of_the_values(percent: float, value: int) -> None:
    assert percentile([4, 1, 3, 2], percent) == value
