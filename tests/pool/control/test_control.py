"""The control socket: one loop serves clients of every kind and waits for none of them."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgsrv.pool.caller import Caller
from imgsrv.pool.control.control_socket import LONGEST_REQUEST, MOST_CLIENTS, MOST_UNREAD, PATIENCE_S, Control
from imgsrv.pool.control.instances import Place, claim


class Loop:
    """The loop around a control socket.  The test turns it and sets its clock."""

    def __init__(self, place: Place) -> None:
        self.place, self.now = place, 0.0
        self.selector = selectors.DefaultSelector()
        self.claimed = claim(place)
        self.control = Control(self.claimed, clock=lambda: self.now)
        self.control.open(self.selector, self.obey)
        self.callers: list[Caller] = []
        self.clients: list[socket.socket] = []

    def obey(self, command: str, argument: str | None, caller: Caller) -> None:
        if command == "wait":
            self.callers.append(caller)
        elif command == "large":
            caller.done("x" * int(argument or 0))
        elif command == "refuse":
            caller.failed("no")
        else:
            caller.done([command, argument])

    def turn(self, times: int = 5) -> None:
        for _ in range(times):
            for key, _events in self.selector.select(0):
                key.data()
            self.control.turn()

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(2)
        client.connect(str(self.place.socket))
        self.clients.append(client)
        return client

    def sent(self, data: bytes) -> socket.socket:
        client = self.connect()
        client.sendall(data)
        self.turn()
        return client

    def close(self) -> None:
        self.control.close()
        self.claimed.close()
        self.selector.close()
        for client in self.clients:
            client.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with contextlib.closing(Loop(Place(tmp_path / "runtime", "default"))) as made:
        yield made


def request(command: str, argument: str | None = None) -> bytes:
    return json.dumps({"command": command, "argument": argument}).encode() + b"\n"


def answers(client: socket.socket) -> list[Any]:
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return [json.loads(line) for line in client.recv(1 << 20).splitlines()]
    return []


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        while client.recv(1 << 20):
            continue
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_a_request_is_answered_with_its_result(loop: Loop) -> None:
    assert answers(loop.sent(request("scale", "+1"))) == [{"ok": True, "result": ["scale", "+1"]}]


def test_a_refusal_has_its_reason(loop: Loop) -> None:
    assert answers(loop.sent(request("refuse"))) == [{"ok": False, "error": "no"}]


def test_several_requests_on_one_connection_are_answered_in_their_order(loop: Loop) -> None:
    client = loop.sent(request("one") + request("two") + request("three"))
    loop.turn()
    assert [answer["result"][0] for answer in answers(client)] == ["one", "two", "three"]


def test_one_request_of_a_client_is_answered_in_each_turn(loop: Loop) -> None:
    client = loop.connect()
    client.sendall(request("one") * 100)
    loop.turn(3)
    assert len(answers(client)) < 5
    assert loop.control.has_work()


def test_a_slow_command_reports_its_steps_and_delays_the_next_request(loop: Loop) -> None:
    client = loop.sent(request("wait") + request("next"))
    loop.callers[0].progress(slot=0, step="ready")
    loop.turn()
    assert answers(client) == [{"progress": {"slot": 0, "step": "ready"}}]
    loop.callers[0].done("all")
    loop.turn()
    assert answers(client) == [{"ok": True, "result": "all"}, {"ok": True, "result": ["next", None]}]


def test_a_client_that_shuts_down_its_sending_side_is_still_answered(loop: Loop) -> None:
    client = loop.sent(request("wait"))
    client.shutdown(socket.SHUT_WR)
    loop.turn()
    loop.callers[0].done("late")
    loop.turn()
    assert answers(client) == [{"ok": True, "result": "late"}]
    assert is_closed(client)


def test_a_client_that_leaves_before_its_answer_is_dropped(loop: Loop) -> None:
    client = loop.sent(request("wait"))
    client.close()
    loop.turn()
    loop.callers[0].progress(slot=0)
    loop.callers[0].done("late")
    loop.turn()
    assert answers(loop.sent(request("ping"))) == [{"ok": True, "result": ["ping", None]}]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\n", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n", id="http"),
        pytest.param(b"\xff\xfe\x00\n", id="bytes"),
        pytest.param(b"[" * 20_000 + b"\n", id="nesting-without-end"),
        pytest.param(b"9" * 20_000 + b"\n", id="a-number-without-end"),
        pytest.param(b"[]\n", id="a-list"),
        pytest.param(b"null\n", id="null"),
        pytest.param(b'{"verb": "ping"}\n', id="no-command"),
        pytest.param(b'{"command": 7}\n', id="a-command-that-is-a-number"),
        pytest.param(b'{"command": "ping", "argument": {}}\n', id="an-argument-that-is-no-text"),
    ],
)
def test_garbage_is_answered_with_an_example_of_a_request(loop: Loop, garbage: bytes) -> None:
    (answer,) = answers(loop.sent(garbage))
    assert answer["ok"] is False
    assert answer["error"].startswith('a request is a line such as {"command": "status"}; this is none: ')


def test_a_request_without_end_is_refused_and_its_client_dropped(loop: Loop) -> None:
    client = loop.connect()
    client.setblocking(False)
    for _ in range(10):
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            client.send(b"x" * LONGEST_REQUEST)
        loop.turn()
    assert json.loads(client.recv(1000))["error"] == f"a request may have {LONGEST_REQUEST} bytes"
    assert is_closed(client)


@pytest.mark.parametrize("sent", [b"", b'{"command": '], ids=["nothing", "half-a-request"])
def test_a_client_that_sends_no_request_is_dropped_after_a_while(loop: Loop, sent: bytes) -> None:
    client = loop.sent(sent)
    loop.now = PATIENCE_S - 1
    loop.turn()
    assert not is_closed(client)
    loop.now = PATIENCE_S + 1
    loop.turn()
    assert is_closed(client)


def test_a_client_may_wait_long_for_its_answer(loop: Loop) -> None:
    client = loop.sent(request("wait"))
    loop.now = 100 * PATIENCE_S
    loop.turn()
    loop.callers[0].done("at last")
    assert answers(client) == [{"ok": True, "result": "at last"}]


def test_a_client_that_reads_nothing_is_dropped_when_its_answers_exceed_a_limit(loop: Loop) -> None:
    client = loop.sent(request("large", str(2 * MOST_UNREAD)))
    assert is_closed(client)


def test_a_client_that_reads_slowly_gets_everything(loop: Loop) -> None:
    client = loop.sent(request("large", str(MOST_UNREAD // 2)))
    got = b""
    while not got.endswith(b"\n"):
        loop.turn(1)
        got += client.recv(50_000)
    assert len(json.loads(got)["result"]) == MOST_UNREAD // 2


def test_a_client_that_stops_reading_is_dropped_after_a_while(loop: Loop) -> None:
    client = loop.sent(request("large", str(MOST_UNREAD // 2)))
    loop.now = PATIENCE_S + 1
    loop.turn()
    assert is_closed(client)


def test_with_too_many_clients_the_longest_idle_is_dropped_and_none_that_waits(loop: Loop) -> None:
    waiting = loop.sent(request("wait"))
    crowd = []
    for number in range(MOST_CLIENTS + 5):
        loop.now = number * 0.01
        crowd.append(loop.sent(b""))
    assert answers(loop.sent(request("ping"))) == [{"ok": True, "result": ["ping", None]}]
    assert is_closed(crowd[0])
    assert not is_closed(crowd[-1])
    loop.callers[0].done("kept")
    assert answers(waiting) == [{"ok": True, "result": "kept"}]
