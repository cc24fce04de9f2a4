"""Admission: the queue is limited in its length and in the expected wait."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from queueing import Clock, Waiting
from serving import Server, serving, wait_until
from wire import HEALTH, PNG, Wire, ask, chunked, head, metric, post

from imgsrv.errors import Overloaded
from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.web.admission import FIRST_GUESS_S, WINDOW_S, Admission
from imgsrv.web.http.body import UNREAD_KEPT

SAMPLE = (Path(__file__).parents[2] / "samples" / "coffee.jpg").read_bytes()
HEAVY = "/pipeline?ops=resize:width=3200,enlarge=true/blur:sigma=3&format=webp"

VERY_HEAVY = "/pipeline?ops=resize:width=9000,enlarge=true/blur:sigma=90/blur:sigma=90&format=webp&quality=100"


def _board(ready: int) -> Board:
    board = Board(2)
    for slot in range(ready):
        board.row(slot).set("state", WorkerState.READY)
    return board


def test_an_empty_queue_admits() -> None:
    Admission(_board(2), Waiting(0), max_queue=1, max_wait_s=0.001).check()


def test_a_full_queue_refuses_and_names_the_setting() -> None:
    admission = Admission(_board(2), Waiting(3), max_queue=3, max_wait_s=100)

    with pytest.raises(Overloaded, match=r"3 pictures wait already and 3 may \(--max-queue\)"):
        admission.check()


def test_a_queue_that_is_full_of_one_kind_does_not_close_the_other() -> None:
    admission = Admission(_board(2), Waiting(8, dear=8), max_queue=8, max_wait_s=100)

    admission.check()
    with pytest.raises(Overloaded, match=r"8 pictures wait already and 8 may"):
        admission.check(is_dear=True)


def test_what_a_dead_worker_did_not_count_is_forgotten_while_no_job_waits() -> None:
    board, clock, queue = _board(2), Clock(), Waiting(0)
    admission = Admission(board, queue, max_queue=1000, max_wait_s=100, clock=clock)
    board.row(0).add("cheap_queued_us", 50_000_000)

    admission.check()
    queue.length = 1
    board.row(0).add("cheap_queued_us", 2_000_000)

    assert admission.expected_wait_s(1) == pytest.approx(1.0)


def test_a_long_wait_refuses_and_says_when_to_come_back() -> None:
    admission = Admission(_board(2), Waiting(200), max_queue=1000, max_wait_s=4)

    with pytest.raises(Overloaded, match=r"about 5\.0 s and may be 4 s \(--max-wait-s\)") as refused:
        admission.check()

    assert refused.value.retry_after_s == 5


@pytest.mark.parametrize(
    ("ready", "expected_s"), [pytest.param(1, 8.0, id="one-engine"), pytest.param(2, 4.0, id="two-engines")]
)
def test_the_expected_wait_is_divided_among_the_living_engines(ready: int, expected_s: float) -> None:
    board, clock = _board(ready), Clock()
    admission = Admission(board, Waiting(4), max_queue=1000, max_wait_s=100, clock=clock)
    admission.expected_wait_s(1)

    board.row(0).add("jobs_done", 3)
    board.row(0).add("job_busy_us", 6_000_000)
    clock.now += WINDOW_S

    assert admission.expected_wait_s(4) == pytest.approx(expected_s)


def _at_work(board: Board, row: int, clock: Clock, since_s: float) -> None:
    board.row(row).set("job_began_us", round((clock.now - since_s) * 1e6))
    board.row(row).set("job_deadline_us", round((clock.now + 30) * 1e6))


def test_the_time_of_a_job_is_learned_from_those_that_are_done() -> None:
    board, clock = _board(1), Clock()
    admission = Admission(board, Waiting(1), max_queue=1000, max_wait_s=100, clock=clock)
    admission.expected_wait_s(1)

    board.row(0).add("jobs_done", 4)
    board.row(0).add("job_busy_us", 8_000_000)
    clock.now += WINDOW_S

    assert admission.expected_wait_s(1) == pytest.approx(2.0)


def test_a_job_that_takes_long_counts_before_it_is_done() -> None:
    board, clock = _board(1), Clock()
    admission = Admission(board, Waiting(1), max_queue=1000, max_wait_s=100, clock=clock)

    _at_work(board, 0, clock, since_s=7)

    assert admission.expected_wait_s(1) == pytest.approx(7.0)


def test_one_long_job_does_not_make_the_others_look_long() -> None:
    board, clock = _board(2), Clock()
    admission = Admission(board, Waiting(1), max_queue=1000, max_wait_s=100, clock=clock)

    _at_work(board, 0, clock, since_s=7)

    assert admission.expected_wait_s(10) == pytest.approx(10 * FIRST_GUESS_S)


def test_a_hanging_engine_is_not_counted() -> None:
    board, clock = _board(2), Clock()
    admission = Admission(board, Waiting(1), max_queue=1000, max_wait_s=100, clock=clock)

    for row in (0, 1):
        _at_work(board, row, clock, since_s=7)
    board.row(0).set("job_deadline_us", round((clock.now - 1) * 1e6))

    assert admission.expected_wait_s(10) == pytest.approx(10 * 7.0)


def test_a_job_that_no_engine_has_begun_is_overdue_and_one_at_work_is_not() -> None:
    board, clock = _board(2), Clock()
    admission = Admission(board, Waiting(30), max_queue=1000, max_wait_s=100, clock=clock)
    _at_work(board, 1, clock, since_s=1)

    waiting = admission.overdue(clock.now + 30.5)
    assert waiting is not None
    assert (waiting.retry_after_s, "--job-timeout-s" in str(waiting)) == (2, True)
    assert admission.overdue(clock.now + 30) is None


def test_the_predicted_cost_of_what_waits_counts_and_not_its_number() -> None:
    board = _board(2)
    admission = Admission(board, Waiting(3), max_queue=1000, max_wait_s=5)
    board.row(0).add("cheap_queued_us", 9_000_000)
    board.row(1).add("cheap_queued_us", 3_000_000)
    board.row(1).add("cheap_taken_us", 1_000_000)

    with pytest.raises(Overloaded, match=r"about 5\.5 s"):
        admission.check()


def test_dear_jobs_wait_for_all_engines_but_one() -> None:
    board, clock = _board(2), Clock()
    admission = Admission(board, Waiting(2, dear=2), max_queue=1000, max_wait_s=10, clock=clock)
    board.row(0).add("dear_queued_us", 14_000_000)
    board.row(1).add("dear_taken_us", 6_000_000)
    _at_work(board, 1, clock, since_s=2)
    board.row(1).set("job_is_dear", 1)
    board.row(1).set("job_cost_us", 6_000_000)

    assert admission.expected_wait_s(2, is_dear=True) == pytest.approx(8 + 4)
    with pytest.raises(Overloaded, match=r"about 12\.0 s and may be 10 s"):
        admission.check(is_dear=True)


def test_dear_jobs_do_not_count_for_cheap_ones() -> None:
    board = _board(2)
    admission = Admission(board, Waiting(9, dear=9), max_queue=1000, max_wait_s=1)
    board.row(0).add("dear_queued_us", 90_000_000)

    admission.check()


def test_what_a_dead_worker_has_not_counted_is_forgotten_when_the_queue_is_empty() -> None:
    board, queue = _board(1), Waiting(0)
    admission = Admission(board, queue, max_queue=1000, max_wait_s=100)
    board.row(0).add("cheap_queued_us", 50_000_000)

    admission.expected_wait_s(0)
    queue.length = 1
    board.row(0).add("cheap_queued_us", 2_000_000)

    assert admission.expected_wait_s(1) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("worked_us", "least", "most"),
    [pytest.param(3_000_000, 2, 3, id="a-slow-machine"), pytest.param(900_000_000, 7, 8, id="within-bounds")],
)
def test_the_seconds_of_a_predicted_second_are_learned(worked_us: int, least: float, most: float) -> None:
    board, clock = _board(1), Clock()
    admission = Admission(board, Waiting(1), max_queue=1000, max_wait_s=100, clock=clock)

    for _ in range(8):
        board.row(0).add("cheap_predicted_us", 1_000_000)
        board.row(0).add("cheap_worked_us", worked_us)
        clock.now += WINDOW_S
        admission.expected_wait_s(1)
    board.row(0).add("cheap_queued_us", 1_000_000)

    assert least < admission.expected_wait_s(1) <= most


def test_a_job_that_waits_past_its_deadline_is_answered_503_while_the_one_at_work_is_answered_504() -> None:
    with serving("--workers", "1", "--job-timeout-s", "1") as server, Wire(server) as first, Wire(server) as second:
        first.send(post(VERY_HEAVY, SAMPLE))
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 1, "the engine is busy")
        second.send(post("/flip", PNG))
        answers = first.answer(), second.answer()
        assert [(answer.status, answer.code) for answer in answers] == [(504, "job_timeout"), (503, "overloaded")]
        assert int(answers[1].headers["retry-after"]) >= 1


def test_more_than_the_queue_holds_is_refused_at_once_and_the_rest_is_served() -> None:
    with serving("--workers", "1", "--max-queue", "2") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(8)]
        wires[0].send(post(HEAVY, SAMPLE))
        wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 1, "the engine is busy")
        for wire in wires[1:]:
            wire.send(post(HEAVY, SAMPLE))
        assert sorted(wire.answer().status for wire in wires) == [200] * 3 + [503] * 5
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready"}


@pytest.fixture
def full_server() -> Iterator[Server]:
    """A server whose queue is full for longer than any test takes."""
    with (
        serving("--workers", "1", "--max-queue", "1", "--job-timeout-s", "600") as server,
        contextlib.ExitStack() as stack,
    ):
        # A cheap job waits behind a dear one; dear jobs that wait would fill another queue.
        for place, target in (("begun_total", VERY_HEAVY), ("waiting", "/flip")):
            stack.enter_context(Wire(server)).send(post(target, SAMPLE))
            wait_until(lambda: metric(server, f"imgsrv_jobs_{place}") == 1, f"a job is {place}")  # noqa: B023
        yield server


LARGE_BODY = b"x" * (UNREAD_KEPT + 1)


@pytest.mark.parametrize(
    ("request_", "keeps"),
    [
        pytest.param(post("/flip", PNG, "X-Request-Id: mine"), True, id="a-small-body"),
        pytest.param(post("/flip", LARGE_BODY, "X-Request-Id: mine"), False, id="a-large-body"),
        pytest.param(
            head("/flip", "Content-Length: 9", "Expect: 100-continue", "X-Request-Id: mine"), False, id="asks-first"
        ),
        pytest.param(
            head("/flip", "Transfer-Encoding: chunked", "X-Request-Id: mine") + chunked([PNG]), None, id="chunked"
        ),
    ],
)
def test_a_refusal_says_when_to_come_back(full_server: Server, request_: bytes, *, keeps: bool | None) -> None:
    with Wire(full_server) as wire:
        wire.send_until_refused(request_)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.interims) == (503, "overloaded", ())
        assert int(answer.headers["retry-after"]) == answer.problem["retry_after_s"] >= 1
        assert answer.headers["x-request-id"] == answer.problem["request_id"] == "mine"
        assert keeps is None or answer.closes is not keeps
        assert not answer.closes or wire.ends()


def test_readyz_reports_a_full_queue_while_healthz_stays_ok(full_server: Server) -> None:
    readiness = ask(full_server, head("/readyz", method="GET"))
    assert (readiness.status, json.loads(readiness.body)) == (503, {"status": "saturated"})
    assert ask(full_server, HEALTH).status == 200


def test_refused_requests_are_counted(full_server: Server) -> None:
    before = metric(full_server, "imgsrv_requests_total")
    for _ in range(3):
        assert ask(full_server, head("/flip", "Content-Length: 9", "Expect: 100-continue")).status == 503
    assert metric(full_server, "imgsrv_requests_total") >= before + 3 + 1


def test_requests_without_a_body_are_served_however_full_the_queue_is(full_server: Server) -> None:
    assert ask(full_server, head("/operations", method="GET")).status == 200
