"""Allowances in memory that processes share: exact, bounded, and right after the death of any of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from serving import wait_until

from imgsrv.web.access.rates import Limit, parse_limit
from imgsrv.web.access.stores import memory
from imgsrv.web.access.stores.memory import STRIPES, WAYS, MemoryStore, SharedTable
from imgsrv.web.access.stores.store import Charge, StoreDown

HUNDRED = parse_limit("100/day")
ONE = Limit(1, 86_400, 1)


def take(store: MemoryStore, *holders: str, limit: Limit = HUNDRED, cost: float = 1.0) -> bool:
    charges = [Charge("client", holder, limit, cost) for holder in holders]
    return all(found.is_admitted for found in asyncio.run(store.take(charges)))


def forked(run: Callable[[], int]) -> int:
    """A child that exits with what `run` returns."""
    if pid := os.fork():
        return pid
    status = 255
    try:
        status = run()
    finally:
        os._exit(status)


def hold_everything(table: SharedTable) -> MemoryStore:
    store = MemoryStore(table)
    asyncio.run(store._hold(set(range(STRIPES))))
    return store


def test_several_processes_let_exactly_the_limit_through() -> None:
    table = SharedTable(1024)

    def ask() -> int:
        store = MemoryStore(table)
        return sum(take(store, "same") for _ in range(60))

    children = [forked(ask) for _ in range(4)]
    passed = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert sum(passed) == 100, passed


def test_processes_killed_within_the_table_leave_nothing_locked() -> None:
    table, limit = SharedTable(64), parse_limit("1000/day")
    for _ in range(12):
        readable, writable = os.pipe()

        def ask(to: int = writable) -> int:
            store = MemoryStore(table)
            while True:
                take(store, *(f"c{index}" for index in range(8)), limit=limit)
                os.write(to, b"1")

        child = forked(ask)
        os.close(writable)
        os.read(readable, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(readable)
    assert take(MemoryStore(table), "new", limit=limit)


def test_a_mutex_whose_owner_was_killed_goes_to_the_next_one() -> None:
    table = SharedTable(64)

    def hold() -> int:
        _held = hold_everything(table)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    os.waitpid(forked(hold), 0)
    store = MemoryStore(table)
    assert [take(store, f"c{index}") for index in range(20)] == [True] * 20


def test_a_process_that_is_stopped_within_the_table_makes_others_give_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "PATIENCE_S", 0.1)
    table = SharedTable(64)
    readable, writable = os.pipe()

    def hold() -> int:
        _held = hold_everything(table)
        os.write(writable, b"1")
        signal.pause()
        return 0

    child = forked(hold)
    os.read(readable, 1)
    store = MemoryStore(table)
    with pytest.raises(StoreDown, match="held the table"):
        take(store, "anybody")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until(lambda: take(store, "anybody"), "the table is free again")
    os.close(readable)
    os.close(writable)


def test_a_process_killed_between_two_writes_leaves_no_client_with_the_time_of_another() -> None:
    table = SharedTable(64)
    store = MemoryStore(table)
    written = list[tuple[int, int]]()

    class Cells:
        """The cells of the table; it notes what is written, in its order."""

        def __getitem__(self, index: int | slice) -> int | memoryview:
            return MemoryStore(table)._cells[index]

        def __setitem__(self, index: int, value: int) -> None:
            written.append((index, value))

    store._cells = Cells()  # type: ignore[assignment]  # it stands for the memory
    assert take(store, "a", limit=ONE)
    first = written[0][0]
    assert [index for index, _value in written] == [first, first + WAYS, first]
    assert written[0][1] == 0


def test_of_two_allowances_neither_is_charged_if_one_is_used_up() -> None:
    store = MemoryStore(SharedTable(64))
    assert take(store, "a", limit=ONE)
    assert not take(store, "a", "b", limit=ONE)
    assert take(store, "b", limit=ONE)


def test_holders_policies_and_limits_have_allowances_of_their_own() -> None:
    store = MemoryStore(SharedTable(64))
    for charge in (Charge("a", "x", HUNDRED), Charge("b", "x", HUNDRED), Charge("a", "x", Limit(9, 60, 9))):
        [found] = asyncio.run(store.take([charge]))
        assert found.left == charge.limit.amount - 1


def test_a_correction_gives_back_what_was_not_used_and_takes_what_was() -> None:
    store, limit = MemoryStore(SharedTable(64)), parse_limit("10/day")
    assert take(store, "a", limit=limit, cost=8)
    asyncio.run(store.correct([Charge("client", "a", limit, -6)]))
    assert take(store, "a", limit=limit, cost=8)
    asyncio.run(store.correct([Charge("client", "b", limit, 9.5)]))
    assert not take(store, "b", limit=limit)


def test_the_table_never_grows_and_those_who_are_full_first_go() -> None:
    evicted, now = list[int](), [1]
    store = MemoryStore(SharedTable(64), lambda: evicted.append(1), lambda: now[0])
    size = len(store._map)
    for index in range(2000):
        assert take(store, f"c{index}", limit=ONE)
    assert len(store._map) == size
    assert len(evicted) >= 2000 - 64
    # A way whose allowance is full again is taken without a loss.
    now[0], count = 2 * 86_400 * 10**9, len(evicted)
    for index in range(WAYS):
        assert take(store, f"d{index}", limit=ONE)
    assert len(evicted) == count


def test_whatever_stands_in_the_table_no_reader_fails() -> None:
    """A worker that a picture has taken over can write to it."""
    store = MemoryStore(SharedTable(64))
    store._cells[:] = memoryview(b"\xff" * len(store._cells) * 8).cast("Q")
    assert take(store, "anybody")
    asyncio.run(store.correct([Charge("client", "anybody", HUNDRED, -1)]))


def test_the_next_image_goes_on_with_the_table_and_another_size_begins_anew() -> None:
    table = SharedTable(64)
    assert take(MemoryStore(table), "a", limit=ONE)
    passed = {**table.dump(), "file": os.dup(table.file)}
    assert not take(MemoryStore(SharedTable(64, passed)), "a", limit=ONE)
    assert take(MemoryStore(SharedTable(128, passed)), "a", limit=ONE)
    assert take(MemoryStore(SharedTable(64, {**passed, "version": 0})), "a", limit=ONE)
    os.close(passed["file"])
