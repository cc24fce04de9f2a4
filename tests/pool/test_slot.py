"""The states of a slot as a table: every event in every state, and the delays between deaths."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from imgsrv.pool.slot import (
    BOOT_LIMIT_S,
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    MAX_BOOT_FAILURES,
    STABLE_S,
    Action,
    Slot,
    State,
)

NOW = 1000.0

Event = Callable[[Slot], Action | None]


class _NoDice(random.Random):
    """A random generator that never shortens a delay."""

    def uniform(self, _a: float, b: float) -> float:
        return b


def slot_in(state: State) -> Slot:
    """A slot that events have brought into this state."""
    slot = Slot(0, dice=_NoDice())
    if state is State.BACKOFF:
        return slot
    if state is State.FAILED:
        for _ in range(MAX_BOOT_FAILURES):
            slot.forked(7, NOW)
            slot.exited(7, NOW, "exit status 3")
        return slot
    slot.forked(7, NOW)
    if state is not State.STARTING:
        slot.became_ready(7, NOW)
    if state in (State.DRAINING, State.GONE):
        slot.stop()
    if state is State.GONE:
        slot.exited(7, NOW, "exit status 0")
    return slot


def tick(slot: Slot) -> Action:
    return slot.tick(NOW)


def tick_late(slot: Slot) -> Action:
    return slot.tick(NOW + BOOT_LIMIT_S + 1)


def ready(slot: Slot) -> None:
    slot.became_ready(7, NOW)


def stop(slot: Slot) -> None:
    slot.stop()


def exit_(slot: Slot) -> None:
    slot.exited(7, NOW, "killed by SIGKILL")


def refuse(slot: Slot) -> None:
    slot.fork_failed(NOW, "cannot fork")


@pytest.mark.parametrize(
    ("state", "event", "action", "after"),
    [
        (State.BACKOFF, tick, Action.FORK, State.BACKOFF),
        (State.BACKOFF, stop, None, State.GONE),
        (State.BACKOFF, ready, None, State.BACKOFF),
        (State.BACKOFF, refuse, None, State.BACKOFF),
        (State.STARTING, tick, Action.NONE, State.STARTING),
        (State.STARTING, tick_late, Action.KILL, State.STARTING),
        (State.STARTING, ready, None, State.READY),
        (State.STARTING, stop, None, State.DRAINING),
        (State.STARTING, exit_, None, State.BACKOFF),
        (State.READY, tick, Action.NONE, State.READY),
        (State.READY, tick_late, Action.NONE, State.READY),
        (State.READY, ready, None, State.READY),
        (State.READY, stop, None, State.DRAINING),
        (State.READY, exit_, None, State.BACKOFF),
        (State.DRAINING, tick, Action.NONE, State.DRAINING),
        (State.DRAINING, tick_late, Action.NONE, State.DRAINING),
        (State.DRAINING, ready, None, State.DRAINING),
        (State.DRAINING, stop, None, State.DRAINING),
        (State.DRAINING, exit_, None, State.GONE),
        (State.FAILED, tick_late, Action.NONE, State.FAILED),
        (State.FAILED, ready, None, State.FAILED),
        (State.FAILED, stop, None, State.GONE),
        (State.GONE, tick_late, Action.NONE, State.GONE),
        (State.GONE, ready, None, State.GONE),
        (State.GONE, stop, None, State.GONE),
    ],
    ids=lambda value: getattr(value, "value", None) or getattr(value, "__name__", "nothing"),
)
def test_an_event_leads_to_one_state_and_one_action(
    state: State, event: Event, action: Action | None, after: State
) -> None:
    slot = slot_in(state)
    assert event(slot) is action
    assert slot.state is after


# ---- a slot whose worker is replaced -----------------------------------------------------------------------


def replaced() -> Slot:
    """A slot in which worker 7 serves and its successor 8 boots."""
    slot = slot_in(State.READY)
    slot.forked(8, NOW)
    return slot


def test_a_successor_takes_the_slot_when_it_is_ready() -> None:
    slot = replaced()
    assert (slot.pid, slot.booting, slot.state) == (7, 8, State.READY)
    assert slot.became_ready(8, NOW) == 7
    assert (slot.pid, slot.booting, slot.state) == (8, None, State.READY)


def test_the_end_of_the_replaced_worker_does_not_touch_the_slot() -> None:
    slot = replaced()
    slot.became_ready(8, NOW)
    slot.exited(7, NOW, "exit status 4")
    assert (slot.pid, slot.state, slot.deaths) == (8, State.READY, 0)


def test_a_successor_that_cannot_boot_changes_nothing_and_delays_the_next() -> None:
    slot = replaced()
    slot.exited(8, NOW, "exit status 3")
    assert (slot.pid, slot.booting, slot.state) == (7, None, State.READY)
    assert not slot.may_be_replaced(NOW)
    assert slot.may_be_replaced(NOW + FIRST_DELAY_S)


def test_failed_successors_do_not_count_as_deaths_of_the_worker() -> None:
    slot = slot_in(State.READY)
    for _ in range(2 * MAX_BOOT_FAILURES):
        slot.forked(8, NOW)
        slot.exited(8, NOW, "exit status 3")
    slot.exited(7, NOW, "killed by SIGKILL")
    assert slot.tick(NOW) is Action.FORK


def test_only_the_successor_is_killed_if_it_hangs_at_boot() -> None:
    slot = replaced()
    assert tick_late(slot) is Action.KILL
    assert slot.booting == 8


def test_no_second_successor_is_forked_while_the_first_boots() -> None:
    assert slot_in(State.READY).may_be_replaced(NOW)
    assert not replaced().may_be_replaced(NOW + BOOT_LIMIT_S)


def test_if_the_old_worker_dies_its_booting_successor_becomes_the_worker() -> None:
    slot = replaced()
    slot.exited(7, NOW, "killed by SIGSEGV")
    assert (slot.pid, slot.booting, slot.state) == (8, 8, State.STARTING)
    slot.became_ready(8, NOW)
    assert slot.state is State.READY


def test_an_abandoned_worker_is_followed_by_another_at_once() -> None:
    slot = slot_in(State.READY)
    slot.abandon(NOW)
    assert slot.pid is None
    assert slot.tick(NOW) is Action.FORK


def test_an_abandoned_worker_is_followed_by_its_booting_successor() -> None:
    slot = replaced()
    slot.abandon(NOW)
    assert (slot.pid, slot.state) == (8, State.STARTING)
    assert slot.tick(NOW) is Action.NONE


def test_a_stop_during_a_replacement_waits_for_both() -> None:
    slot = replaced()
    slot.stop()
    states = []
    for pid in (7, 8):
        slot.exited(pid, NOW, "exit status 0")
        states.append(slot.state)
    assert states == [State.DRAINING, State.GONE]


def test_if_a_successor_cannot_be_forked_the_worker_keeps_its_slot() -> None:
    slot = slot_in(State.READY)
    slot.fork_failed(NOW, "cannot fork")
    assert (slot.pid, slot.state) == (7, State.READY)
    assert not slot.may_be_replaced(NOW)


# ---- deaths and delays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.STARTING, State.READY, State.DRAINING], ids=lambda state: state.value)
def test_after_an_exit_a_slot_has_no_pid(state: State) -> None:
    slot = slot_in(state)
    exit_(slot)
    assert slot.pid is None


def test_a_first_death_is_followed_by_a_fork_at_once() -> None:
    slot = slot_in(State.READY)
    slot.exited(7, NOW, "killed by SIGKILL")
    assert slot.tick(NOW) is Action.FORK


def test_nothing_is_forked_before_the_delay_ends() -> None:
    slot = slot_in(State.STARTING)
    exit_(slot)
    assert slot.tick(NOW + FIRST_DELAY_S - 0.01) is Action.NONE
    assert slot.tick(NOW + FIRST_DELAY_S) is Action.FORK


def test_deaths_after_being_ready_double_the_delay() -> None:
    slot, delays = slot_in(State.BACKOFF), []
    for _ in range(5):
        slot.forked(7, NOW)
        slot.became_ready(7, NOW)
        slot.exited(7, NOW, "killed by SIGSEGV")
        delays.append(slot.due - NOW)
    assert delays == pytest.approx([0.0, *(FIRST_DELAY_S * 2**doublings for doublings in (1, 2, 3, 4))])


def test_failed_boots_double_the_delay_from_the_first() -> None:
    slot, delays = slot_in(State.BACKOFF), []
    for _ in range(MAX_BOOT_FAILURES - 1):
        slot.forked(7, NOW)
        slot.exited(7, NOW, "exit status 3")
        delays.append(slot.due - NOW)
    assert delays == pytest.approx([FIRST_DELAY_S * 2**doublings for doublings in range(MAX_BOOT_FAILURES - 1)])


def test_the_delay_never_exceeds_its_maximum() -> None:
    slot = slot_in(State.BACKOFF)
    for _ in range(2000):
        slot.forked(7, NOW)
        slot.became_ready(7, NOW)
        slot.exited(7, NOW, "killed by SIGSEGV")
    assert slot.due - NOW == LONGEST_DELAY_S


def test_the_delay_is_shortened_at_random_by_up_to_half() -> None:
    delays = []
    for seed in range(200):
        slot = Slot(0, dice=random.Random(seed))  # noqa: S311  no secret
        slot.forked(7, NOW)
        exit_(slot)
        delays.append(slot.due - NOW)
    assert FIRST_DELAY_S / 2 <= min(delays) < 0.6 * FIRST_DELAY_S
    assert 0.9 * FIRST_DELAY_S < max(delays) <= FIRST_DELAY_S


def test_serving_long_enough_resets_the_count_of_deaths() -> None:
    slot, later = slot_in(State.BACKOFF), NOW + STABLE_S + 1
    for _ in range(5):
        slot.forked(7, NOW)
        slot.became_ready(7, NOW)
        slot.exited(7, NOW, "killed by SIGSEGV")
    slot.forked(7, NOW)
    slot.became_ready(7, NOW)
    slot.exited(7, later, "killed by SIGKILL")
    assert slot.tick(later) is Action.FORK


def test_a_successful_boot_resets_the_count_of_failed_boots() -> None:
    slot = slot_in(State.BACKOFF)
    for _ in range(3):
        for _ in range(MAX_BOOT_FAILURES - 1):
            slot.forked(7, NOW)
            slot.exited(7, NOW, "exit status 3")
        slot.forked(7, NOW)
        slot.became_ready(7, NOW)
        slot.exited(7, NOW, "killed by SIGKILL")
    assert slot.state is State.BACKOFF


def test_a_failed_boot_has_the_reason_that_the_worker_gave() -> None:
    slot = slot_in(State.STARTING)
    slot.boot_failed("no codec")
    slot.exited(7, NOW, "exit status 3")
    assert slot.reason == "no codec"


@pytest.mark.parametrize("is_ready", [True, False], ids=["after-a-good-boot", "after-a-boot-that-said-nothing"])
def test_a_new_death_does_not_have_an_old_reason(*, is_ready: bool) -> None:
    slot = slot_in(State.STARTING)
    slot.boot_failed("no codec")
    slot.exited(7, NOW, "exit status 3")
    slot.forked(7, NOW)
    if is_ready:
        slot.became_ready(7, NOW)
    slot.exited(7, NOW, "killed by SIGKILL")
    assert slot.reason == "killed by SIGKILL"


def test_the_reason_of_a_boot_that_hangs_is_that_it_hangs() -> None:
    slot = slot_in(State.STARTING)
    slot.tick(NOW + BOOT_LIMIT_S + 1)
    slot.exited(7, NOW, "killed by SIGKILL")
    assert slot.reason == f"not ready within {BOOT_LIMIT_S:g} s"


def test_failed_forks_never_make_a_slot_fail() -> None:
    slot = slot_in(State.BACKOFF)
    for _ in range(50):
        slot.fork_failed(NOW, "cannot fork: Cannot allocate memory")
    assert slot.state is State.BACKOFF
    assert slot.due - NOW == LONGEST_DELAY_S
