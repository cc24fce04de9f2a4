"""Longer runs of other tests, for minutes; they run only if they are named: `pytest -s tests/soak.py`."""

from __future__ import annotations

import dataclasses
import sys
import time

import pytest
from disturbing import Disturber, holdings, holdings_at_rest, place, put_in_order, settled, status
from load import loading
from pictures import opened
from serving import serving, wait_until
from wire import Answer

from imgsrv.cli._control_client import ask

RELOADS, SECONDS = 20, 180.0

DISTURBANCES = 1000


def note(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def decoded(answer: Answer) -> Answer:
    """The answer, proven to be the picture, without most of it: there are many."""
    if answer.status == 200:
        picture = opened(answer.body)
        picture.load()
        assert (picture.format, picture.width) == ("JPEG", 300)
    return dataclasses.replace(answer, body=answer.body[:2]) if answer.status == 200 else answer


@pytest.mark.timeout(900)
def test_twenty_reloads_in_three_minutes_lose_no_request_and_leave_nothing() -> None:
    with serving("--workers", "2") as server:
        settled(server, 2)
        before, generations = holdings_at_rest(server), {worker["pid"]: 1 for worker in status(server)["workers"]}
        began = time.monotonic()
        with loading(server, keep_alive=4, fresh=4, examine=decoded) as load:
            for number in range(1, 1 + RELOADS):
                load.wait_more(1)
                ask(place(server), "reload", patience_s=120)
                generations |= {worker["pid"]: worker["generation"] for worker in status(server)["workers"]}
                while time.monotonic() < began + number * SECONDS / RELOADS:
                    load.wait_more(1)
        seconds = time.monotonic() - began
        # A worker that has served keeps memory for the next picture; the new ones show what twenty masters have left.
        put_in_order(server, 2)
        served = {generations[event["pid"]] for event in server.named("request") if event["pid"] in generations}
        note(f"\n{RELOADS} reloads in {seconds:.0f} s: {len(load.outcomes)} pictures, {len(load.failures)} failures")
        note(f"generations that answered: {len(served)}; before and after: {before}, {holdings(server)}")
        assert load.failures == []
        assert len(served) >= RELOADS
        wait_until(lambda: holdings(server) == before, f"it has what it had: {before}", 60)


@pytest.mark.timeout(1800)
def test_a_thousand_disturbances_leave_the_server_as_it_was() -> None:
    with serving("--workers", "2") as server:
        settled(server, 2)
        before, began = holdings_at_rest(server), time.monotonic()
        with loading(server, keep_alive=4, fresh=4, examine=decoded) as load:
            disturber = Disturber(server, seed=20)
            disturber.disturb(DISTURBANCES, load)
            put_in_order(server, 2)
            load.wait_more(1)
        put_in_order(server, 2)
        answers = [failure.answer for failure in load.failures if failure.answer is not None]
        note(f"\n{dict(disturber.done)} in {time.monotonic() - began:.0f} s")
        note(f"{len(load.outcomes)} pictures; {len(load.failures)} of killed workers; {before}, {holdings(server)}")
        assert {(answer.status, answer.code) for answer in answers} <= {(500, "worker_lost")}
        assert len(load.failures) <= disturber.done["kill"] * len(load.clients)
        wait_until(lambda: holdings(server) == before, f"it has what it had: {before}", 60)
