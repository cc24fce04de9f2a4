"""Clients that stop sending or leave: those that still listen get the answer, the others cost nothing."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from pictures import opened
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, Wire, ask, chunked, head, is_flipped, metric, noise, post


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_sends_no_more_still_gets_its_answer(server: Server, version: str) -> None:
    with Wire(server) as wire:
        wire.send(post("/blur?sigma=5", noise(600), version=version))
        wire.half_close()
        answer = wire.answer()
        assert (answer.status, opened(answer.body).size) == (200, (600, 600))
        assert wire.ends()


def test_a_client_that_sends_no_more_gets_every_pipelined_answer(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG) * 3)
        wire.half_close()
        assert [is_flipped(wire.answer()) for _ in range(3)] == [True] * 3
        assert wire.ends()


def test_a_client_that_sends_no_more_in_mid_body_is_closed(server: Server) -> None:
    with Wire(server) as wire:
        wire.send(post("/flip", PNG)[:-10])
        wire.half_close()
        assert wire.ends()


def descriptors(server: Server) -> list[int]:
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.workers()]


def leave_in_mid_head(wire: Wire) -> None:
    wire.send(HEALTH[:10])


def leave_in_mid_body(wire: Wire) -> None:
    wire.send(post("/flip", noise(100))[:-10])


def leave_in_mid_chunk(wire: Wire) -> None:
    wire.send(head("/flip", "Transfer-Encoding: chunked") + chunked([PNG])[:-9])


def leave_in_mid_job(wire: Wire) -> None:
    wire.send(post("/blur?sigma=5", noise(100)))


def leave_in_mid_pipeline(wire: Wire) -> None:
    wire.send(post("/blur?sigma=5", noise(100)) * 3)


def leave_before_a_refusal(wire: Wire) -> None:
    wire.send(head("/flip", "Content-Length: 999999999999"))


def leave_with_a_reset(wire: Wire) -> None:
    wire.send(post("/blur?sigma=5", noise(100)))
    wire.socket.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER of no time: close() resets


@pytest.mark.parametrize(
    "leave",
    [
        leave_in_mid_head,
        leave_in_mid_body,
        leave_in_mid_chunk,
        leave_in_mid_job,
        leave_in_mid_pipeline,
        leave_before_a_refusal,
        leave_with_a_reset,
    ],
)
def test_clients_that_leave_cost_no_descriptor(leave: object) -> None:
    assert callable(leave)
    with serving("--workers", "1") as server:
        # The first picture opens what stays open: the memfds that are kept.
        assert is_flipped(ask(server, post("/flip", PNG)))
        wait_until(lambda: connections(server) == 0, "the first client is gone")
        before, pids = descriptors(server), server.workers()
        for _ in range(40):
            with Wire(server) as wire:
                leave(wire)
        assert is_flipped(ask(server, post("/flip", PNG)))
        wait_until(lambda: connections(server) == 0, "every client is gone")
        wait_until(lambda: descriptors(server)[0] <= before[0] + 3, f"{descriptors(server)} are {before} again")
        assert server.workers() == pids
        assert [event for event in server.events if event["level"] == "error"] == []
        assert server.other_lines == []


def connections(server: Server) -> int:
    return sum(
        connection.status == psutil.CONN_ESTABLISHED
        for pid in server.workers()
        for connection in psutil.Process(pid).net_connections("tcp")
    )


def test_the_job_of_a_client_that_left_is_skipped() -> None:
    with serving("--workers", "1") as server, Wire(server) as patient:
        # Long enough for all that follows to happen meanwhile.
        patient.send(post("/pipeline?ops=resize:width=2000,enlarge=true" + "/blur:sigma=3.9" * 25, PNG))
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 1, "the engine is busy")
        with Wire(server) as leaving:
            leaving.send(post("/flip", PNG))
            wait_until(lambda: metric(server, "imgsrv_jobs_submitted_total") == 2, "the job is queued")
        assert patient.answer().status == 200
        wait_until(lambda: metric(server, "imgsrv_jobs_skipped_total") == 1, "the job is skipped")
        assert metric(server, "imgsrv_jobs_begun_total") == 1
