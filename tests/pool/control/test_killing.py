"""`kill-job`: one client gets an error, one worker is replaced, and no other client notices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from load import loading
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, is_flipped, post

from imgsrv.cli._control_client import ask as command
from imgsrv.errors import CommandFailed
from imgsrv.pool.control.instances import Place

pytestmark = pytest.mark.slow

ENDLESS = "/pipeline?ops=resize:width=6000,enlarge=true&format=avif&effort=9"

WITHOUT_BOUND = "--max-job-cost-s=86400"
"""The server accepts such a job."""


def kill(server: Server, which: str) -> Any:
    return command(Place(server.folder, "default"), "kill-job", which)


def jobs(server: Server) -> dict[int, int]:
    """The slots that work on a job, with their workers."""
    workers = command(Place(server.folder, "default"), "status")["workers"]
    return {worker["slot"]: worker["pid"] for worker in workers if worker["job"] is not None}


@contextlib.contextmanager
def at_work(server: Server, name: str) -> Iterator[Wire]:
    """A client with a long job of that request id, on which an engine works."""
    with Wire(server) as wire:
        wire.send(post(ENDLESS, PNG, f"X-Request-Id: {name}"))
        wait_until(lambda: jobs(server) != {}, "an engine works on it")
        yield wire


@pytest.mark.parametrize("by", ["slot", "request"])
def test_the_client_of_a_killed_job_gets_an_error_and_the_worker_is_replaced(by: str) -> None:
    with serving("--workers", "2", WITHOUT_BOUND) as server, at_work(server, "a1b2") as wire:
        ((slot, pid),) = jobs(server).items()
        began = time.monotonic()
        assert kill(server, str(slot) if by == "slot" else "a1b2") == {"slot": slot, "pid": pid, "request_id": "a1b2"}
        answer = wire.answer()
        assert (answer.status, answer.code) == (500, "job_killed")
        # Long before the deadline of the job or of its worker.
        assert time.monotonic() - began < 10
        wait_until(lambda: len(server.named("worker_ready")) == 3, "another worker is there")
        wait_until(lambda: pid not in server.workers(), "the old one goes")
        assert [(each["pid"], each["reason"]) for each in server.named("worker_replaced")] == [(pid, "kill")]
        wait_until(lambda: server.named("worker_exit") != [], "its end is logged")
        assert [each["reason"] for each in server.named("worker_exit")] == ["exit status 0"]
        (event,) = server.named("job_killed")
        assert (event["request_id"], event["slot"]) == ("a1b2", slot)
        assert is_flipped(ask(server, post("/flip", PNG)))


def test_no_other_client_notices_that_a_job_is_killed() -> None:
    with serving("--workers", "2", WITHOUT_BOUND) as server, at_work(server, "a1b2") as wire:
        with loading(server, keep_alive=2, fresh=2) as load:
            load.wait_more(1)
            kill(server, "a1b2")
            assert wire.answer().code == "job_killed"
            load.wait_more(2)
        assert load.failures == []


def test_a_job_can_be_killed_while_the_server_stops(tmp_path: Path) -> None:
    with serving("--workers", "1", WITHOUT_BOUND, f"--crash-dir={tmp_path}") as server, at_work(server, "a1b2") as wire:
        server.process.terminate()
        wait_until(lambda: server.named("stopping") != [], "it stops")
        kill(server, "a1b2")
        assert wire.answer().code == "job_killed"
        assert server.wait_exit() == 0
        assert list(tmp_path.iterdir()) == []


def test_killing_a_job_that_does_not_exist_lists_those_that_do() -> None:
    with serving("--workers", "1", WITHOUT_BOUND) as server:
        for which, fault in (("0", "slot 0 has no job"), ("7", "no slot works on a request '7'")):
            with pytest.raises(CommandFailed, match=f"{fault}; at work now: none"):
                kill(server, which)
        with at_work(server, "a1b2") as wire:
            wait_until(lambda: jobs(server) != {}, "an engine works on it")
            with pytest.raises(
                CommandFailed, match=r"no slot works on a request 'c3'; at work now: slot 0 \(request a1b2\)"
            ):
                kill(server, "c3")
            assert kill(server, "0")["request_id"] == "a1b2"
            assert wire.answer().code == "job_killed"
            wait_until(lambda: server.named("worker_replaced") != [], "its worker is replaced")
            logged = [*server.named("job_killed"), *server.named("worker_replaced")]
            assert [each["request_id"] for each in logged] == ["a1b2", "a1b2"]
        with pytest.raises(CommandFailed, match="kill-job needs JOB"):
            kill(server, "")
