"""The engine does one job at a time and none without a client, and no job ends it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from queueing import SOON_S, message, submit
from serving import wait_until

from imgsrv.errors import Undecodable, from_wire
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.scoreboard import Board, Row
from imgsrv.pool.worker import engine
from imgsrv.pool.worker.engine import BELOW_THE_FRONT, Engine
from imgsrv.pool.worker.exchange import MESSAGE, Exchange, Reply


@dataclass
class Bench:
    """An exchange with one engine; it records each plan before `perform` gets it."""

    perform: Callable[[int, bytes], Reply]
    exchange: Exchange = field(default_factory=Exchange)
    row: Row = field(default_factory=lambda: Board(1).row(0))
    plans: list[bytes] = field(default_factory=list)
    has_crashed: threading.Event = field(default_factory=threading.Event)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.exchange, self._perform, self.row, get_logger(), self.has_crashed.set)

    def _perform(self, body: int, plan: bytes) -> Reply:
        self.plans.append(plan)
        return self.perform(body, plan)


@contextlib.contextmanager
def bench(perform: Callable[[int, bytes], Reply]) -> Iterator[Bench]:
    """A bench whose engine is stopped at the end; the test starts it."""
    made = Bench(perform)
    yield made
    if made.engine.is_alive():
        made.engine.stop()
        made.engine.join(SOON_S)
        assert not made.engine.is_alive()
    made.exchange.close()
    os.close(made.engine._stop_signal)


def echo(body: int, plan: bytes) -> Reply:
    """The plan as the message and the body as the result."""
    return plan, os.pread(body, 100, 0)


async def error_of(reply: asyncio.Future[Reply]) -> Any:
    message, result = await asyncio.wait_for(reply, SOON_S)
    assert not result
    return from_wire(json.loads(message)["error"])


def test_a_job_is_performed_and_answered() -> None:
    async def scenario(made: Bench) -> tuple[bytes, bytes]:
        made.engine.start()
        return await asyncio.wait_for(submit(made.exchange, b"plan"), SOON_S)

    with bench(echo) as made:
        assert asyncio.run(scenario(made)) == (b"plan", b"pictureplan")


def test_an_engine_stands_back_behind_the_front_of_its_worker() -> None:
    def nice(_body: int, _plan: bytes) -> Reply:
        return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).encode(), b""

    async def check() -> None:
        with bench(nice) as made:
            made.engine.start()
            message, _result = await asyncio.wait_for(submit(made.exchange, b"plan"), SOON_S)
            front = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            assert int(message) == min(19, front + BELOW_THE_FRONT)

    asyncio.run(check())


def test_an_engine_without_a_job_lets_go_of_memory_once_after_each_time_of_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "REST_AFTER_S", 0.0)
    rests: list[float] = []

    async def scenario(made: Bench) -> None:
        made.engine._helpers = engine.Helpers(rest=lambda: rests.append(made.row["engine_beats"]))
        made.engine.start()
        for done in (1, 2):
            await asyncio.wait_for(submit(made.exchange, b"plan"), SOON_S)
            await asyncio.to_thread(wait_until, lambda: len(rests) == done, "the engine rests")  # noqa: B023  awaited here
            beats = made.row["engine_beats"]
            await asyncio.to_thread(wait_until, lambda: made.row["engine_beats"] > beats + 1, "it beats on")  # noqa: B023
            assert len(rests) == done

    with bench(echo) as made:
        asyncio.run(asyncio.wait_for(scenario(made), 3 * SOON_S))


def test_a_job_past_its_deadline_is_answered_503_without_being_begun() -> None:
    async def scenario(made: Bench) -> None:
        reply = submit(made.exchange, b"late", within_s=-0.001)
        made.engine.start()
        error = await error_of(reply)
        assert (error.code, error.status_hint) == ("overloaded", 503)

    with bench(echo) as made:
        asyncio.run(scenario(made))
        assert (made.plans, made.row["jobs_begun"], made.row["jobs_skipped"]) == ([], 0, 1)


def test_a_job_whose_client_left_is_skipped() -> None:
    async def scenario(made: Bench) -> None:
        submit(made.exchange, b"abandoned").cancel()
        await asyncio.sleep(0)  # one turn of the loop, in which the reply socket is closed
        reply = submit(made.exchange, b"wanted")
        made.engine.start()
        await asyncio.wait_for(reply, SOON_S)

    with bench(echo) as made:
        asyncio.run(scenario(made))
        assert (made.plans, made.row["jobs_skipped"]) == ([b"wanted"], 1)


def raising(error: BaseException) -> Callable[[int, bytes], Reply]:
    def perform(_body: int, plan: bytes) -> Reply:
        if plan == b"bad":
            raise error
        return plan, b""

    return perform


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ZeroDivisionError("in a codec"), "internal_error", id="a-fault-of-ours"),
        pytest.param(MemoryError(), "out_of_resources", id="out-of-memory"),
        pytest.param(OSError(errno.EMFILE, "open"), "out_of_resources", id="out-of-descriptors"),
        pytest.param(Undecodable("png", "cut short"), "undecodable", id="an-error-with-a-code-of-its-own"),
    ],
)
def test_an_exception_of_a_job_is_answered_and_the_engine_goes_on(error: Exception, code: str) -> None:
    async def scenario(made: Bench) -> None:
        made.engine.start()
        assert (await error_of(submit(made.exchange, b"bad"))).code == code
        assert await asyncio.wait_for(submit(made.exchange, b"good"), SOON_S) == (b"good", b"")

    with bench(raising(error)) as made:
        asyncio.run(scenario(made))
        assert made.row["jobs_done"] == 2


def test_a_long_reply_arrives_complete() -> None:
    async def scenario(made: Bench) -> Reply:
        made.engine.start()
        return await asyncio.wait_for(submit(made.exchange, b"plan"), SOON_S)

    with bench(lambda _body, plan: (plan * 100_000, plan * 200_000)) as made:
        assert asyncio.run(scenario(made)) == (b"plan" * 100_000, b"plan" * 200_000)


def test_without_memory_for_a_reply_the_client_gets_an_error_and_the_engine_goes_on() -> None:
    async def scenario(made: Bench) -> None:
        made.engine.start()
        for _ in range(2):
            with file_size_limit(100_000):
                assert (await error_of(submit(made.exchange, b"plan"))).code == "out_of_resources"

    with bench(lambda _body, plan: (plan, plan * 100_000)) as made:
        asyncio.run(scenario(made))


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A block in which no file of this process can grow beyond the limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"nonsense", id="nonsense"),
        pytest.param(MESSAGE.pack(0, 4, 0.0, 0) + b"x", id="too-long"),
        pytest.param(MESSAGE.pack(5, 4, 0.0, 0), id="a-plan-beyond-its-file"),
    ],
)
def test_the_sender_of_an_invalid_job_gets_an_error_and_the_engine_goes_on(head: bytes) -> None:
    async def goes_on(made: Bench) -> None:
        assert await asyncio.wait_for(submit(made.exchange, b"good"), SOON_S) == (b"good", b"")

    with bench(lambda _body, plan: (plan, b"")) as made:
        made.engine.start()
        with message(made.exchange._fronts, head, b"plan") as reply:
            assert reply() == b""
            assert reply() is None
        asyncio.run(goes_on(made))


def test_many_invalid_messages_neither_end_the_engine_nor_keep_it_busy() -> None:
    async def goes_on(made: Bench) -> None:
        assert await asyncio.wait_for(submit(made.exchange, b"good"), SOON_S) == (b"good", b"")

    with bench(lambda _body, plan: (plan, b"")) as made:
        made.engine.start()
        before = time.process_time()
        for _ in range(5):
            made.exchange._fronts.send(b"nonsense")
        wait_until(lambda: not made.exchange.waiting(), "all are taken")
        asyncio.run(goes_on(made))
        assert time.process_time() - before < 0.3


@dataclass
class Gate:
    """Holds a job until it is opened."""

    is_reached: threading.Event = field(default_factory=threading.Event)
    is_open: threading.Event = field(default_factory=threading.Event)

    def perform(self, _body: int, plan: bytes) -> Reply:
        self.is_reached.set()
        assert self.is_open.wait(SOON_S)
        return plan, b""


def test_a_stopped_engine_finishes_its_job_and_takes_no_other() -> None:
    gate = Gate()

    async def scenario(made: Bench) -> None:
        made.engine.start()
        at_hand, waiting = submit(made.exchange, b"at hand"), submit(made.exchange, b"waiting")
        assert gate.is_reached.wait(SOON_S)
        made.engine.stop()
        gate.is_open.set()
        assert await asyncio.wait_for(at_hand, SOON_S) == (b"at hand", b"")
        wait_until(lambda: not made.engine.is_alive(), "the engine ends")
        assert made.exchange.waiting() == 1
        waiting.cancel()

    with bench(gate.perform) as made:
        asyncio.run(scenario(made))


def test_an_idle_engine_stops_at_once() -> None:
    with bench(echo) as made:
        made.engine.start()
        made.engine.stop()
        wait_until(lambda: not made.engine.is_alive(), "the engine ends")
        assert not made.has_crashed.is_set()


def test_the_scoreboard_has_the_current_job_and_its_deadline_until_it_is_done() -> None:
    gate = Gate()

    async def scenario(made: Bench) -> None:
        made.engine.start()
        reply = submit(made.exchange, b"plan", within_s=60)
        assert gate.is_reached.wait(SOON_S)
        assert 59e6 < made.row["job_deadline_us"] - made.row["job_began_us"] < 60e6
        gate.is_open.set()
        await asyncio.wait_for(reply, SOON_S)
        assert (made.row["job_began_us"], made.row["jobs_begun"], made.row["jobs_done"]) == (0, 1, 1)

    with bench(gate.perform) as made:
        asyncio.run(scenario(made))


def test_an_engine_that_ends_by_a_fault_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_stop: int) -> None:
        raise OSError(errno.EMFILE, "no descriptor for a poll")

    with bench(echo) as made:
        monkeypatch.setattr(made.exchange, "watch", fail)
        made.engine.start()
        assert made.has_crashed.wait(SOON_S)


def test_a_thousand_jobs_leave_no_descriptor_behind() -> None:
    async def scenario(made: Bench) -> None:
        made.engine.start()
        await submit(made.exchange, b"plan")
        before = psutil.Process().num_fds()
        for _ in range(1000):
            await submit(made.exchange, b"plan")
        await asyncio.sleep(0)
        # The engine lets go of a job only when it has answered it.
        wait_until(lambda: psutil.Process().num_fds() <= before, "all are closed")

    with bench(echo) as made:
        asyncio.run(scenario(made))
