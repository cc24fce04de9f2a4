"""Single flight: what equal requests cost when all goes well, and when somebody dies, fails, leaves or waits long."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from imgsrv.errors import ImgsrvError, Undecodable, WorkerLost
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.flights import Computed, Flights, Landed
from imgsrv.web.cache.folder import FolderStore
from imgsrv.web.cache.locks import MachineLocks, make_lock_file

KEY, OTHER = bytes(32), bytes([255]) * 32
FORK = multiprocessing.get_context("fork")


def entry(text: bytes = b"result") -> Entry:
    return Entry("image/png", 1, 1, is_broken=False, made_at=1.0, body=text)


class Work:
    """Computes when it is told to, and counts how often it was asked."""

    def __init__(self, outcome: Entry | ImgsrvError | None = None, *, keeps: bool = True) -> None:
        self.asked, self.may_end = 0, asyncio.Event()
        self.outcome, self.keeps = outcome or entry(), keeps

    async def __call__(self) -> Computed:
        self.asked += 1
        await self.may_end.wait()
        if isinstance(self.outcome, ImgsrvError):
            raise self.outcome
        return Computed(self.outcome, "facts", keeps=self.keeps)


@pytest.fixture
def lock_file() -> Iterator[int]:
    file = make_lock_file()
    yield file
    os.close(file)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path, 10_000_000, 1_000_000)


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  it looks at another process, too
            await asyncio.sleep(0.002)


def flying(lock_file: int, store: FolderStore, scenario: Callable[[Flights], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Flights(MachineLocks(lock_file), store.get, store.put))

    asyncio.run(run())


def test_a_hundred_equal_requests_cost_one_job(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        work = Work()
        asked = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(100)]
        await until(lambda: work.asked == 1)
        work.may_end.set()
        landed = await asyncio.gather(*asked)
        assert {each.entry for each in landed} == {entry()}
        assert sorted(each.waited for each in landed) == [False] + [True] * 99
        assert work.asked == 1
        await until(lambda: store.get_now(KEY) is not None)

    flying(lock_file, store, scenario)


def test_different_requests_do_not_wait_for_each_other(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        stuck, work = Work(), Work()
        first = asyncio.create_task(flights.result(KEY, stuck, soon()))
        work.may_end.set()
        assert (await flights.result(OTHER, work, soon())).entry == entry()
        stuck.may_end.set()
        await first

    flying(lock_file, store, scenario)


def test_an_error_of_the_picture_is_shared(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        work = Work(Undecodable("PNG", "it ends early"))
        asked = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(10)]
        await until(lambda: work.asked == 1)
        work.may_end.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(error, Undecodable) and error.format == "PNG" for error in found)
        assert work.asked == 1
        assert store.get_now(KEY) is None
        # It was not stored: the next one asks again.
        with pytest.raises(Undecodable):
            await flights.result(KEY, work, soon())
        assert work.asked == 2

    flying(lock_file, store, scenario)


def test_after_an_error_of_the_server_the_next_one_computes(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        failing, work = Work(WorkerLost()), Work()
        first = asyncio.create_task(flights.result(KEY, failing, soon()))
        await until(lambda: failing.asked == 1)
        others = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(10)]
        failing.may_end.set()
        work.may_end.set()
        with pytest.raises(WorkerLost):
            await first
        assert {each.entry for each in await asyncio.gather(*others)} == {entry()}
        assert work.asked == 1

    flying(lock_file, store, scenario)


def test_when_the_client_of_the_first_leaves_the_next_one_computes(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        left, work = Work(), Work()
        first = asyncio.create_task(flights.result(KEY, left, soon()))
        await until(lambda: left.asked == 1)
        others = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(10)]
        await asyncio.sleep(0)
        first.cancel()
        work.may_end.set()
        await asyncio.gather(*others)
        assert work.asked == 1

    flying(lock_file, store, scenario)


def test_who_leaves_while_it_waits_disturbs_nobody(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        work = Work()
        asked = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(3)]
        await until(lambda: work.asked == 1)
        asked[1].cancel()
        work.may_end.set()
        assert (await asked[0]).entry == (await asked[2]).entry == entry()
        assert work.asked == 1

    flying(lock_file, store, scenario)


def test_nobody_waits_beyond_its_own_deadline(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        work = Work()
        first = asyncio.create_task(flights.result(KEY, work, soon()))
        await until(lambda: work.asked == 1)
        with pytest.raises(TimeoutError):
            await flights.result(KEY, work, time.monotonic() + 0.02)
        work.may_end.set()
        assert (await first).entry == entry()

    flying(lock_file, store, scenario)


def test_a_result_that_is_not_to_be_kept_is_shared_and_not_stored(lock_file: int, store: FolderStore) -> None:
    async def scenario(flights: Flights) -> None:
        work = Work(keeps=False)
        asked = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(3)]
        await until(lambda: work.asked == 1)
        work.may_end.set()
        await asyncio.gather(*asked)
        assert (work.asked, store.get_now(KEY)) == (1, None)

    flying(lock_file, store, scenario)


def test_a_store_that_keeps_nothing_changes_no_answer(lock_file: int) -> None:
    async def nothing(_key: bytes) -> None:
        return None

    async def keep(_key: bytes, _entry: Entry) -> bool:
        return False

    async def scenario() -> None:
        flights, work = Flights(MachineLocks(lock_file), nothing, keep), Work()
        work.may_end.set()
        assert (await flights.result(KEY, work, soon())).entry == entry()
        assert (await flights.result(KEY, work, soon())).entry == entry()

    asyncio.run(scenario())


# ---- over processes -----------------------------------------------------------------------------------


def hold(lock_file: int, store: FolderStore, line: int, *, computes: bool) -> None:
    """A process that takes the key, says so, and waits for a word before it computes; it may be killed first."""

    async def run() -> Landed:
        async def work() -> Computed:
            os.write(line, b"!")
            await asyncio.to_thread(time.sleep, 0.2 if computes else 60)
            return Computed(entry(b"of another process"))

        flights = Flights(MachineLocks(lock_file), store.get, store.put)
        landed = await flights.result(KEY, work, soon(60))
        await until(lambda: store.get_now(KEY) is not None)
        return landed

    asyncio.run(run())
    os._exit(0)


def started(lock_file: int, store: FolderStore, *, computes: bool) -> multiprocessing.process.BaseProcess:
    ours, theirs = os.pipe()
    process = FORK.Process(target=hold, args=(lock_file, store, theirs), kwargs={"computes": computes})
    process.start()
    os.read(ours, 1)
    os.close(ours)
    os.close(theirs)
    return process


def test_processes_compute_once_together(lock_file: int, store: FolderStore) -> None:
    process = started(lock_file, store, computes=True)

    async def scenario(flights: Flights) -> None:
        work = Work()
        landed = await asyncio.gather(*(flights.result(KEY, work, soon()) for _ in range(10)))
        assert {each.entry for each in landed} == {entry(b"of another process")}
        assert work.asked == 0

    flying(lock_file, store, scenario)
    process.join(20)


def test_when_the_owner_is_killed_another_process_computes(lock_file: int, store: FolderStore) -> None:
    process = started(lock_file, store, computes=False)

    async def scenario(flights: Flights) -> None:
        work = Work()
        asked = [asyncio.create_task(flights.result(KEY, work, soon())) for _ in range(10)]
        await asyncio.sleep(0.05)
        assert work.asked == 0
        os.kill(process.pid or 0, signal.SIGKILL)
        work.may_end.set()
        assert {each.entry for each in await asyncio.gather(*asked)} == {entry()}
        assert work.asked == 1

    flying(lock_file, store, scenario)
    process.join(20)


def test_nobody_waits_beyond_its_deadline_for_another_process(lock_file: int, store: FolderStore) -> None:
    process = started(lock_file, store, computes=False)

    async def scenario(flights: Flights) -> None:
        with pytest.raises(TimeoutError):
            await flights.result(KEY, Work(), time.monotonic() + 0.05)

    flying(lock_file, store, scenario)
    process.kill()
    process.join(20)
