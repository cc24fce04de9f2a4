"""The agent tells a balancer how much room a server has; HAProxy itself reads it."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path

import pytest
from queueing import Clock, Waiting
from servers.haproxy import PROGRAM, Behind, running_haproxy
from servers.ports import free_port
from serving import Server, serving, wait_until

from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.web.admission import FIRST_GUESS_S, Admission
from imgsrv.web.agent import Agent
from imgsrv.web.http.host import Drain


def told(port: int) -> str:
    """What the agent says; empty if nobody listens."""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=20) as asking:
        return b"".join(iter(lambda: asking.recv(100), b"")).decode()
    return ""


def agent(engines: int, queue: Waiting, drain: Drain) -> Agent:
    board = Board(8)
    for slot in range(engines):
        board.row(slot).set("state", WorkerState.READY)
    admission = Admission(board, queue, max_queue=100, max_wait_s=1.0, clock=Clock())
    return Agent(drain, admission, board)


@pytest.mark.parametrize(("engines", "line"), [(1, b"up 25%\n"), (2, b"up 50%\n"), (8, b"up 200%\n")])
def test_the_weight_of_a_server_is_that_of_its_engines(engines: int, line: bytes) -> None:
    assert agent(engines, Waiting(0), Drain()).line() == line


def test_what_waits_takes_its_part_of_the_weight() -> None:
    half_a_second_each = round(2 * 0.5 / FIRST_GUESS_S)
    assert agent(2, Waiting(half_a_second_each), Drain()).line() == b"up 25%\n"


def test_a_full_server_keeps_the_least_weight_because_a_balancer_without_servers_answers_503_itself() -> None:
    assert agent(2, Waiting(99), Drain()).line() == b"up 1%\n"


def test_a_server_that_stops_has_no_weight() -> None:
    assert agent(2, Waiting(0), Drain(has_begun=True)).line() == b"up 0%\n"


def test_the_agent_answers_through_a_reload_and_says_when_the_server_stops() -> None:
    port = free_port()
    with serving("--workers=2", f"--agent-listen=127.0.0.1:{port}", "--shutdown-delay-s=2") as server:
        wait_until(lambda: told(port) == "up 50%\n", "both engines are counted")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.named("reloaded") != [], "the reload is done", 60)
        wait_until(lambda: told(port) == "up 50%\n", "the new engines are counted")
        server.signal(signal.SIGTERM)
        wait_until(lambda: told(port) == "up 0%\n", "the agent says that the server stops")
        assert server.wait_exit(60) == 0
    assert told(port) == ""


def test_a_reload_moves_the_agent_to_another_address(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    configuration = tmp_path / "imgsrv.toml"
    configuration.write_text(f'agent_listen = "127.0.0.1:{first}"\n')
    with serving("--workers=1", f"--config={configuration}") as server:
        wait_until(lambda: told(first) != "", "the agent answers")
        configuration.write_text(f'agent_listen = "127.0.0.1:{second}"\n')
        server.signal(signal.SIGHUP)
        wait_until(lambda: told(second) != "", "the agent answers at its new address", 60)
        wait_until(lambda: told(first) == "", "the old address is free")


def test_an_address_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = Server("--workers=1", f"--agent-listen={address}")
        try:
            assert server.wait_exit(60) != 0
        finally:
            server.stop()
    assert server.other_lines == [
        f"imgsrv: cannot listen on {address}: another process already listens there; choose another --agent-listen\n"
    ]


@pytest.mark.skipif(not PROGRAM, reason="haproxy is not installed")
def test_haproxy_weighs_machines_by_their_engines_and_sends_nothing_to_one_that_stops(tmp_path: Path) -> None:
    agents = [free_port(), free_port()]
    with (
        serving("--workers=1", f"--agent-listen=127.0.0.1:{agents[0]}") as one,
        serving("--workers=2", f"--agent-listen=127.0.0.1:{agents[1]}", "--shutdown-delay-s=30") as two,
    ):
        behind = [
            Behind("one", "127.0.0.1", one.port, agents[0]),
            Behind("two", "127.0.0.1", two.port, agents[1]),
        ]
        with running_haproxy(tmp_path, behind) as balancer:
            weights = {"one": "4", "two": "8"}
            wait_until(
                lambda: {name: balancer.rows()[name]["weight"] for name in weights} == weights,
                "HAProxy has the weights",
            )
            two.signal(signal.SIGTERM)
            wait_until(lambda: balancer.rows()["two"]["weight"] == "0", "HAProxy knows that it stops")
            assert [balancer.rows()[each]["status"].split()[0] for each in weights] == ["UP", "UP"]
