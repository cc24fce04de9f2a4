"""A worker that gives no sign of life: noticed, shown, passed over and replaced."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from serving import Server, serving, wait_until
from wire import PNG, ask, is_flipped, post

from imgsrv.cli._control_client import ask as command
from imgsrv.pool.control.instances import Place
from imgsrv.pool.control.status import NOT_RESPONDING

pytestmark = pytest.mark.slow


def states(server: Server) -> dict[int, Any]:
    found = command(Place(server.folder, "default"), "status", patience_s=60)
    return {worker["pid"]: worker["state"] for worker in found["workers"]}


def test_the_status_shows_a_stopped_worker_and_every_new_connection_is_served() -> None:
    with serving("--workers=2") as server:
        stopped, other = server.workers()
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: states(server).get(stopped) == NOT_RESPONDING, "the status shows it")
        assert states(server)[other] == "ready"
        for _ in range(10):
            assert is_flipped(ask(server, post("/flip", PNG)))
        wait_until(
            lambda: set(states(server).values()) == {"ready"} and stopped not in states(server), "it is replaced"
        )
        assert [each["reason"] for each in server.named("worker_replaced")] == ["silent"]


def test_a_worker_that_goes_on_in_time_keeps_its_place() -> None:
    with serving("--workers=1", "--silence-s=600") as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: server.named("worker_not_responding") != [], "it is noticed")
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: server.named("worker_responds_again") != [], "that it goes on is noticed too")
        assert states(server) == {worker: "ready"}
        assert is_flipped(ask(server, post("/flip", PNG)))
