"""Dear jobs on a running server: they are refused or queued apart, and never take the last engine."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from pictures import encoded, picture
from PIL import Image
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, metric, noise, post

from imgsrv.imaging.formats import FORMATS

DEAR = "/pipeline?ops=resize:width=3000,height=3000,fit=fill,enlarge=true/median:radius=9/median:radius=9&format=jpeg"
"""Some seconds of work for a small picture; more than the second from which a job is dear."""

TOO_DEAR = "/pipeline?ops=resize:width=10000,height=10000,fit=fill,enlarge=true/morphology:kind=open,radius=50"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with two workers, and so with two engines."""
    with serving("--workers", "2", "--max-job-cost-s", "10") as made:
        yield made


def test_a_job_that_is_too_dear_is_refused_with_its_figures_before_it_is_queued(server: Server) -> None:
    before = metric(server, "imgsrv_jobs_submitted_total")

    answer = ask(server, post(TOO_DEAR, PNG))

    assert (answer.status, answer.code) == (422, "job_too_dear")
    assert "+ morphology " in answer.problem["detail"]
    assert "may take 10 s (--max-job-cost-s)" in answer.problem["detail"]
    assert metric(server, "imgsrv_jobs_submitted_total") == before


@pytest.mark.parametrize(
    ("form", "options"),
    [pytest.param("WEBP", {"lossless": True}, id="webp"), pytest.param("BMP", {}, id="bmp")],
)
def test_an_engine_refuses_what_no_header_check_has_opened(server: Server, form: str, options: dict[str, bool]) -> None:
    answer = ask(server, post(TOO_DEAR.replace("10000", "9000"), encoded(picture("RG/BY"), form, **options)))

    assert (answer.status, answer.code) == (422, "job_too_dear")
    assert "may take 10 s (--max-job-cost-s)" in answer.problem["detail"]


def test_a_job_that_needs_too_much_memory_is_refused() -> None:
    with serving("--workers", "1", "--max-job-memory", "1MB") as small:
        answer = ask(small, post("/flip", noise(600)))

    assert (answer.status, answer.code) == (422, "job_too_large")
    assert "--max-job-memory" in answer.problem["detail"]


def test_an_answer_has_the_predicted_time_beside_the_true_one(server: Server) -> None:
    answer = ask(server, post("/flip", PNG))

    timings = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    assert 0 < float(timings["predicted"]) < 1000
    # An engine counts a job when the answer has gone.
    wait_until(lambda: metric(server, 'imgsrv_job_time_ratio_count{class="cheap"}') >= 1, "it is counted")


def test_dear_jobs_never_take_the_last_engine(server: Server) -> None:
    """Three dear jobs wait or run, one after another, while cheap ones are answered."""
    begun = metric(server, "imgsrv_jobs_begun_total")
    with contextlib.ExitStack() as stack:
        dear = [stack.enter_context(Wire(server)) for _ in range(3)]
        for wire in dear:
            wire.send(post(DEAR, PNG))
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") == 2, "one dear job is at work and two wait")
        cheap = [ask(server, post("/flip", PNG)).status for _ in range(4)]
        still_waiting = metric(server, "imgsrv_jobs_waiting")
        answers = [wire.answer().status for wire in dear]

    assert cheap == [200] * 4
    assert still_waiting >= 1
    assert answers == [200] * 3
    assert metric(server, "imgsrv_jobs_begun_total") == begun + 4 + 3
    wait_until(lambda: metric(server, 'imgsrv_job_time_ratio_count{class="dear"}') == 3, "all three are counted")


@pytest.mark.skipif("webp" not in FORMATS, reason="no WebP")
def test_an_engine_that_finds_a_cheap_looking_job_dear_sends_it_to_the_dear_ones(server: Server) -> None:
    """No header check knows the size of a WebP; this one has far more pixels than its few bytes suggest."""
    before = metric(server, 'imgsrv_job_time_ratio_count{class="dear"}')
    flat = encoded(picture("R").resize((3000, 3000)), "WEBP")

    answer = ask(server, post("/median?radius=9&format=jpeg", flat))

    assert answer.status == 200
    assert metric(server, 'imgsrv_job_time_ratio_count{class="dear"}') == before + 1


def test_a_job_that_an_engine_finds_dear_and_large_is_given_back_for_each(server: Server) -> None:
    before = metric(server, "imgsrv_jobs_submitted_total")
    flat = encoded(picture("R").resize((3000, 3000)), "TIFF", compression="tiff_adobe_deflate")

    answer = ask(server, post("/median?radius=9&format=jpeg", flat))

    assert answer.status == 200
    assert metric(server, "imgsrv_jobs_submitted_total") == before + 3


def test_a_photograph_on_its_side_is_queued_once(server: Server) -> None:
    before = metric(server, "imgsrv_jobs_submitted_total")
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph = encoded(picture("R").resize((4000, 3000)), "JPEG", exif=exif)

    assert ask(server, post("/resize?width=1600", photograph)).status == 200
    assert metric(server, "imgsrv_jobs_submitted_total") == before + 1


def test_a_client_that_leaves_while_its_dear_job_waits_for_room_gets_no_job() -> None:
    gone = 'imgsrv_errors_total{code="client_gone"}'
    with serving("--workers", "1", "--max-wait-s", "0.1") as made, Wire(made) as first:
        first.send(post(DEAR, PNG))
        wait_until(lambda: metric(made, "imgsrv_jobs_begun_total") == 1, "the first is at work")
        with Wire(made) as second:
            second.send(post(DEAR, PNG))
            wait_until(lambda: metric(made, "imgsrv_connections") == 3, "the second is connected")
        assert first.answer().status == 200
        wait_until(lambda: metric(made, gone) == 1, "the second has left")
        assert metric(made, "imgsrv_jobs_submitted_total") == 1


def test_the_only_engine_does_dear_jobs_too() -> None:
    with serving("--workers", "1") as alone:
        assert ask(alone, post(DEAR, PNG)).status == 200


def test_an_engine_that_took_a_dear_job_while_it_was_alone_counts_as_taken_when_another_comes() -> None:
    long = DEAR.replace("&", "/median:radius=9/median:radius=9&")
    with serving("--workers", "1") as made, contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(Wire(made)) for _ in range(2))
        first.send(post(long, PNG))
        wait_until(lambda: metric(made, "imgsrv_jobs_begun_total") == 1, "the first is at work")
        made.signal(signal.SIGTTIN)
        wait_until(lambda: len(made.named("worker_ready")) == 2, "a second engine is there")
        second.send(post(DEAR, PNG))
        wait_until(lambda: metric(made, "imgsrv_jobs_submitted_total") == 2, "the second is in the queue")
        cheap = [ask(made, post("/flip", PNG)).status for _ in range(4)]
        waiting = metric(made, "imgsrv_jobs_waiting")
        answers = [wire.answer().status for wire in (first, second)]

    assert (cheap, waiting, answers) == ([200] * 4, 1, [200] * 2)


def test_the_death_of_a_worker_at_a_dear_job_loses_no_turn() -> None:
    with serving("--workers", "2") as made, contextlib.ExitStack() as stack:
        low = min(made.workers())
        wires = [wire for _ in range(12) if made.front_of((wire := stack.enter_context(Wire(made))).socket) == low]
        first, second = wires[:2]
        first.send(post(DEAR, PNG))
        wait_until(lambda: metric(made, "imgsrv_jobs_begun_total") == 1, "the dear job is at work")
        second.send(post(DEAR, PNG))
        os.kill(max(made.workers()), signal.SIGKILL)

        assert first.answer().code == "worker_lost"
        assert second.answer().status == 200
