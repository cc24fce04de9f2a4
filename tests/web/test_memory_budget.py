"""The budget of memory: what fills it, who is refused, and that all of it comes back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest
from pictures import animation, encoded, picture, run, sample
from queueing import budgets, memory
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, head, is_flipped, metric, post

from imgsrv.errors import JobTooLarge, OutOfMemoryBudget
from imgsrv.imaging.codecs.decode import read_header
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.formats import FORMATS
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.cost import estimate
from imgsrv.imaging.pipelines.facts import facts_of
from imgsrv.imaging.pipelines.pipeline import Pipeline, parse_pipeline
from imgsrv.jobs.job import Input, ProcessJob, perform, read_answer
from imgsrv.observe.memory import KINDS, memory_by_kind
from imgsrv.observe.scoreboard import WorkerState


def test_what_one_worker_holds_is_missing_for_the_others() -> None:
    _board, (first, second) = budgets(100, workers=2, base=10)
    first.grow_body(50)
    with pytest.raises(OutOfMemoryBudget) as refused:
        second.grow_body(31)
    assert refused.value.status_hint == 503
    assert refused.value.retry_after_s > 0
    second.grow_body(30)
    first.release_body(50)
    second.grow_body(50)


def test_a_worker_that_is_gone_holds_nothing() -> None:
    board, (first, second) = budgets(100, workers=2)
    first.grow_body(100)
    board.row(0).set("state", WorkerState.GONE)
    second.grow_body(100)


@pytest.mark.parametrize("room", range(-3, 4))
@pytest.mark.parametrize("limit", [100, 10_000])
def test_a_glance_at_the_budget_decides_as_a_close_look_does(limit: int, room: int) -> None:
    """Around the half of the budget, where the glance is no longer enough, and around all of it."""
    for part in (2, 1):
        board, (first, second) = budgets(limit, workers=2, base=limit // 20)
        with contextlib.ExitStack() as stack:
            for size in (limit // 10, limit // 20, limit // 20):
                stack.enter_context(first.job(size))
            stack.enter_context(second.job(limit // 20, result=limit // 50))
            size = limit // part - sum(memory_by_kind(board).values()) + room
            is_refused = size > limit - sum(memory_by_kind(board).values())
            for deed in (second.check, second.grow_body):
                with pytest.raises(OutOfMemoryBudget) if is_refused else contextlib.nullcontext():
                    deed(size)


def test_no_more_jobs_count_than_there_are_engines() -> None:
    board, (first, second) = budgets(100, workers=2)
    with contextlib.ExitStack() as stack:
        for size in (40, 10, 20, 30, 5, 5, 5):
            stack.enter_context(first.job(size))
        assert memory_by_kind(board)["jobs"] == 70
        stack.enter_context(second.job(40))
        assert memory_by_kind(board)["jobs"] == 80
    assert memory_by_kind(board) == dict.fromkeys(KINDS, 0)


def test_a_job_that_never_fits_beside_the_workers_is_refused_for_good() -> None:
    _board, (first, _second) = budgets(100, workers=2, base=10)
    first.check_job(80)
    with pytest.raises(JobTooLarge, match="--max-memory") as refused:
        first.check_job(81)
    assert refused.value.status_hint == 422


def test_results_count_before_they_are_made() -> None:
    board, (first, second) = budgets(100, workers=2)
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(first.job(0, 20))
        assert memory_by_kind(board)["answers"] == 80
        with pytest.raises(OutOfMemoryBudget), second.job(0, 21):
            pytest.fail("it was admitted")
        stack.enter_context(second.job(0, 20))
    assert memory_by_kind(board) == dict.fromkeys(KINDS, 0)


@pytest.mark.parametrize("name", ["bmp", "png", "tiff", "jpeg", "webp"])
def test_the_estimate_of_a_result_is_at_least_that_of_a_photograph(name: str) -> None:
    data = encoded(sample("coffee.jpg"))
    result = estimate(
        facts_of(read_header(data, Limits()), len(data), Limits()), [(Output(format=name), Pipeline())], Limits()
    )
    made = len(run(data, format=name))
    assert made <= result.result <= 8 * made


def test_only_the_newest_job_is_refused() -> None:
    board, (first, second) = budgets(100, workers=2)
    with first.job(60):
        with pytest.raises(OutOfMemoryBudget), second.job(60):
            pytest.fail("it was admitted")
        with second.job(40), second.job(40):
            assert memory_by_kind(board)["jobs"] == 100
    with second.job(60):
        pass


def test_small_jobs_beyond_the_largest_count_at_most_as_the_smallest_of_these() -> None:
    board, (one, *_others) = budgets(1000, workers=8)
    with contextlib.ExitStack() as stack:
        for size in (100, 50, 50, 50, 20, 20):
            stack.enter_context(one.job(size))
        assert 250 + 40 <= memory_by_kind(board)["jobs"] <= 250 + 50


def test_a_full_budget_takes_no_further_job_and_gives_an_answer_back() -> None:
    board, (budget,) = budgets(100)
    budget.hold_answer(60)
    with pytest.raises(OutOfMemoryBudget), budget.job(1):
        pytest.fail("it was admitted")
    budget.release_answer(60)
    board.row(0).set("unsent_bytes", 51)
    with pytest.raises(OutOfMemoryBudget, match="have still to read"), budget.job(1):
        pytest.fail("it was admitted")


@pytest.fixture(scope="module")
def base() -> int:
    """The bytes of a server of one worker without requests."""
    with serving("--workers=1") as server:
        return int(metric(server, 'imgsrv_memory_budget_used_bytes{kind="base"}'))


def used(server: Server, kind: str) -> float:
    return metric(server, f'imgsrv_memory_budget_used_bytes{{kind="{kind}"}}')


def test_an_announced_body_without_room_is_refused_before_it_comes(base: int) -> None:
    with serving("--workers=1", "--max-body=1GB", f"--max-memory={base + 100_000_000}") as server:
        assert metric(server, "imgsrv_memory_budget_bytes") == base + 100_000_000
        with Wire(server) as wire:
            wire.send(head("/flip", "Content-Length: 500000000"))
            answer = wire.answer()
            assert (answer.status, answer.code, answer.closes) == (503, "out_of_memory_budget", True)
            assert int(answer.headers["retry-after"]) > 0
        assert is_flipped(ask(server, post("/flip", PNG)))
        assert metric(server, 'imgsrv_errors_total{code="out_of_memory_budget"}') == 1


def test_idle_uploads_hold_no_more_than_the_budget(base: int) -> None:
    flags = ("--workers=1", "--body-rate=0", f"--max-memory={base + 60_000_000}")
    with serving(*flags) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server)) for _ in range(6)]
        for wire in wires:
            wire.send_until_refused(head("/flip", "Content-Length: 30000000") + bytes(20_000_000))
        wait_until(lambda: metric(server, 'imgsrv_errors_total{code="out_of_memory_budget"}') == 4, "four are refused")
        assert 40_000_000 <= used(server, "bodies") <= 60_000_000
        stack.close()
        wait_until(lambda: used(server, "bodies") == 0, "all of it comes back")
        assert is_flipped(ask(server, post("/flip", PNG)))


def test_the_answer_that_a_client_does_not_read_is_in_the_metrics(base: int) -> None:
    with serving("--workers=1", f"--max-memory={base + 500_000_000}") as server:
        with Wire(server) as wire:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            wire.send(post("/resize?width=2000&enlarge=true&format=bmp", PNG))
            # The result counts before it is made, too.
            wait_until(lambda: used(server, "jobs") == used(server, "bodies") == 0 < used(server, "answers"), "done")
            assert used(server, "answers") > 1_000_000
        wait_until(lambda: used(server, "answers") == 0, "it comes back with the connection")


def flat_avif() -> bytes:
    """A picture of 9 megapixels in a file of some hundred bytes, whose size only an engine reads."""
    return encoded(picture("R").resize((3000, 3000)), "AVIF", speed=10)


def long_gif() -> bytes:
    """An animation of 40 frames, which a header check does not count."""
    frames = [picture("RG/BY").resize((500, 500)).rotate(90 * number) for number in range(40)]
    return animation(frames, "GIF")


def needed_for(data: bytes) -> int:
    """The memory by the estimate of an engine that has opened the file; the result is a picture of ten pixels."""
    job = ProcessJob(Input(0, len(data)), parse_pipeline("resize:width=10"), Output())
    with memory(data) as file:
        message, _result = perform(file, job.to_bytes(most_memory=1), Limits())
    with pytest.raises(JobTooLarge) as refused:
        read_answer(job, message)
    return refused.value.needed


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(flat_avif, marks=pytest.mark.skipif("avif" not in FORMATS, reason="no AVIF"), id="avif"),
        pytest.param(long_gif, id="gif"),
    ],
)
def test_a_job_counts_with_the_memory_that_its_engine_finds(base: int, make: Callable[[], bytes]) -> None:
    data = make()
    needed = needed_for(data)
    assert needed > 70_000_000

    # What a server of one worker holds without requests differs by some megabytes from start to start.
    with serving("--workers=1", f"--max-memory={base + needed - 15_000_000}") as small:
        refused = ask(small, post("/resize?width=10", data))
        other = ask(small, post("/flip", PNG))
    with serving("--workers=1", f"--max-memory={base + needed + 30_000_000}") as large:
        answer = ask(large, post("/resize?width=10", data))
        wait_until(lambda: used(large, "jobs") == 0, "all of it comes back")

    # It would not fit later either.
    assert (refused.status, refused.code) == (422, "job_too_large")
    assert f"about {needed / 1e6:.0f} MB of memory" in refused.problem["detail"]
    assert is_flipped(other)
    assert answer.status == 200
