"""The moment of a connection: it comes when it was set last, and a later one needs no new timer."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest

from imgsrv.web.http.deadline import Deadline


class Timer:
    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due, self.callback, self.is_cancelled = due, callback, False

    def cancel(self) -> None:
        self.is_cancelled = True


class Clock:
    """A loop whose time the test moves on."""

    def __init__(self) -> None:
        self.now, self.timers = 0.0, list[Timer]()

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, callback))
        return self.timers[-1]

    def until(self, now: float) -> None:
        while due := [timer for timer in self.timers if timer.due <= now and not timer.is_cancelled]:
            first = min(due, key=lambda timer: timer.due)
            first.is_cancelled, self.now = True, first.due
            first.callback()
        self.now = now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deadline(clock: Clock) -> Deadline:
    return Deadline(cast("Any", clock))


def test_it_comes_once_at_its_moment(clock: Clock, deadline: Deadline) -> None:
    called = list[float]()
    deadline.set(5, lambda: called.append(clock.now))
    clock.until(4.9)
    assert called == []
    clock.until(100)
    assert called == [5]


def test_what_is_set_last_counts(clock: Clock, deadline: Deadline) -> None:
    called = list[tuple[str, float]]()
    for name, seconds in (("a", 5), ("b", 60), ("c", 2), ("d", 30)):
        deadline.set(seconds, lambda name=name: called.append((name, clock.now)))  # type: ignore[misc]
    clock.until(100)
    assert called == [("d", 30)]


def test_a_later_moment_needs_no_new_timer(clock: Clock, deadline: Deadline) -> None:
    called = list[float]()
    for now in range(50):
        clock.until(now / 10)
        deadline.set(5, lambda: called.append(clock.now))
        deadline.clear()
        deadline.set(5, lambda: called.append(clock.now))
    assert len(clock.timers) == 1
    clock.until(100)
    assert called == [9.9]
    assert len(clock.timers) == 2


@pytest.mark.parametrize("end", ["clear", "close"])
def test_what_is_cleared_does_not_come(clock: Clock, deadline: Deadline, end: str) -> None:
    called = list[float]()
    deadline.set(5, lambda: called.append(clock.now))
    getattr(deadline, end)()
    clock.until(100)
    assert called == []
    deadline.set(5, lambda: called.append(clock.now))
    clock.until(200)
    assert called == [105]


def test_what_it_calls_may_set_it_again(clock: Clock, deadline: Deadline) -> None:
    called = list[float]()

    def again() -> None:
        called.append(clock.now)
        deadline.set(1, again)

    deadline.set(1, again)
    clock.until(3.5)
    assert called == [1, 2, 3]


def test_a_closed_one_holds_nothing() -> None:
    class Held:
        def call(self) -> None: ...

    async def run() -> bool:
        deadline, held = Deadline(asyncio.get_running_loop()), Held()
        there = weakref.ref(held)
        deadline.set(60, held.call)
        deadline.close()
        del held
        gc.collect()
        return there() is None

    assert asyncio.run(run())


def test_on_a_real_loop_it_never_comes_early() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        deadline, done = Deadline(loop), loop.create_future()
        deadline.set(0.01, lambda: done.set_result(time.monotonic()))
        began = time.monotonic()
        deadline.set(0.05, lambda: done.set_result(time.monotonic()))
        return float(await done) - began

    assert asyncio.run(run()) >= 0.045
