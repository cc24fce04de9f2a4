"""The order in which an engine looks into the queues of cheap and of dear jobs."""

from __future__ import annotations

import pytest

from imgsrv.observe.scoreboard import Board, WorkerState
from imgsrv.pool.worker.turns import CHEAP, DEAR, RECHECK_S, Turns


class Clock:
    """The one thing that is faked: time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def board(*states: WorkerState) -> Board:
    """A board whose slots have workers in these states."""
    made = Board(len(states))
    for slot, state in enumerate(states):
        made.row(slot).set("slot", slot)
        made.row(slot).set("state", state)
    return made


def test_the_engine_of_the_lowest_ready_slot_takes_no_dear_job() -> None:
    made = board(WorkerState.READY, WorkerState.READY, WorkerState.READY)

    assert [Turns(made, made.row(slot)).order() for slot in range(3)] == [(CHEAP,), (DEAR, CHEAP), (DEAR, CHEAP)]


def test_the_only_engine_takes_everything() -> None:
    made = board(WorkerState.READY)

    assert Turns(made, made.row(0)).order() == (DEAR, CHEAP)


@pytest.mark.parametrize("state", [WorkerState.GONE, WorkerState.STARTING, WorkerState.DRAINING])
def test_the_last_ready_engine_takes_everything_until_another_one_is_ready(state: WorkerState) -> None:
    made, clock = board(WorkerState.READY, WorkerState.READY), Clock()
    turns = Turns(made, made.row(0), clock)
    orders = []

    for now in (state, WorkerState.READY):
        orders.append(turns.order())
        made.row(1).set("state", now)
        clock.now += RECHECK_S

    assert [*orders, turns.order()] == [(CHEAP,), (DEAR, CHEAP), (CHEAP,)]


def test_where_the_lowest_slot_is_not_ready_the_next_one_is_kept_free() -> None:
    made = board(WorkerState.GONE, WorkerState.READY, WorkerState.READY)

    assert [Turns(made, made.row(slot)).is_kept_free() for slot in (1, 2)] == [True, False]


def test_an_engine_that_drains_takes_everything() -> None:
    made = board(WorkerState.DRAINING, WorkerState.READY)

    assert Turns(made, made.row(0)).order() == (DEAR, CHEAP)


def test_a_worker_beside_its_successor_counts_as_one_slot() -> None:
    made = board(WorkerState.READY, WorkerState.READY)
    made.row(1).set("slot", 0)

    assert not Turns(made, made.row(0)).is_kept_free()


@pytest.mark.parametrize(("field", "value"), [("generation", 2), ("is_silent", 1)])
def test_an_engine_of_other_code_or_one_that_gives_no_sign_of_life_is_neither_kept_nor_counted(
    field: str, value: int
) -> None:
    made = board(WorkerState.READY, WorkerState.READY)
    made.row(1).set(field, value)

    assert Turns(made, made.row(0)).order() == (DEAR, CHEAP)

    made = board(WorkerState.READY, WorkerState.READY, WorkerState.READY)
    made.row(0).set(field, value)

    assert [Turns(made, made.row(slot)).is_kept_free() for slot in (1, 2)] == [True, False]


def test_an_engine_that_a_dear_job_occupies_is_not_the_one_that_is_kept_free() -> None:
    # Slot 0 took a dear job while it was alone, for example while the worker of slot 1 was replaced.
    made = board(WorkerState.READY, WorkerState.READY, WorkerState.READY)
    made.row(0).set("job_is_dear", 1)
    made.row(0).set("job_began_us", 1)

    assert [Turns(made, made.row(slot)).is_kept_free() for slot in (1, 2)] == [True, False]

    made.row(0).set("job_began_us", 0)

    assert [Turns(made, made.row(slot)).is_kept_free() for slot in (0, 1)] == [True, False]


def test_an_engine_whose_job_makes_its_front_silent_still_counts() -> None:
    made = board(WorkerState.READY, WorkerState.READY)
    for field in ("is_silent", "job_is_dear", "job_began_us"):
        made.row(1).set(field, 1)

    assert Turns(made, made.row(0)).is_kept_free()


def test_before_a_dear_job_is_taken_an_engine_looks_at_the_others_anew() -> None:
    made, clock = board(WorkerState.READY, WorkerState.READY), Clock()
    turns = Turns(made, made.row(1), clock)
    before = turns.order()
    made.row(0).set("job_is_dear", 1)
    made.row(0).set("job_began_us", 1)

    assert (before, turns.may_take_dear()) == ((DEAR, CHEAP), False)


def test_after_a_dear_job_cheap_ones_come_first_for_the_same_time() -> None:
    made, clock = board(WorkerState.READY), Clock()
    turns = Turns(made, made.row(0), clock)

    turns.spent(CHEAP, 9)
    before = turns.order()
    turns.spent(DEAR, 3)
    clock.now += 2.9
    during = turns.order()
    clock.now += 0.2

    assert (before, during, turns.order()) == ((DEAR, CHEAP), (CHEAP, DEAR), (DEAR, CHEAP))
