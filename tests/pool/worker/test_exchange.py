"""The exchange keeps the order of jobs, notices the end of either side, and loses no descriptor."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from descriptors import open_descriptors
from queueing import SOON_S, memory, received, submit

from imgsrv.errors import InternalError, OutOfResources, WorkerLost
from imgsrv.pool.worker.exchange import MESSAGE, Exchange, Replies, Reply, UnreadableJob
from imgsrv.shortages import FOR_ENGINE


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    found = Exchange()
    yield found
    _close(found)


def _close(exchange: Exchange) -> None:
    exchange.close()


def in_use() -> int:
    """Descriptors beside polls: a front has one as long as it lives, and lives for a test here."""
    return open_descriptors(polls=False)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def fill(exchange: Exchange, replies: list[asyncio.Future[Reply]]) -> None:
    """Submit jobs until the queue refuses one."""
    while True:
        replies.append(submit(exchange, b"plan"))


def test_an_idle_engine_that_comes_too_late_receives_nothing(exchange: Exchange) -> None:
    assert exchange.receive() is None


def test_jobs_are_received_in_the_order_in_which_they_were_submitted(exchange: Exchange) -> None:
    async def scenario() -> list[bytes]:
        replies = [submit(exchange, b"plan %d" % number) for number in range(20)]
        parcels = [received(exchange) for _ in replies]
        for parcel in parcels:
            parcel.answer(b"done")
        await asyncio.gather(*replies)
        return [parcel.plan for parcel in parcels]

    assert asyncio.run(scenario()) == [b"plan %d" % number for number in range(20)]


def test_a_job_brings_its_body_its_plan_and_its_deadline(exchange: Exchange) -> None:
    async def scenario() -> None:
        with memory(b"the picturethe plan") as file:
            reply = exchange.submit(file, len(b"the picture"), len(b"the plan"), 1234.5)
            parcel = received(exchange)
            assert os.pread(parcel.body, 11, 0) == b"the picture"
            assert (parcel.plan, parcel.deadline) == (b"the plan", 1234.5)
            parcel.answer(b"")
            reply.cancel()

    asyncio.run(scenario())


def test_jobs_that_no_engine_has_taken_are_counted(exchange: Exchange) -> None:
    async def scenario() -> list[int]:
        counts = [exchange.waiting()]
        replies = [submit(exchange, b"plan") for _ in range(3)]
        counts.append(exchange.waiting())
        received(exchange).close()
        counts.append(exchange.waiting())
        for reply in replies:
            reply.cancel()
        return counts

    assert asyncio.run(scenario()) == [0, 3, 2]


def test_the_front_gets_the_message_and_the_result_of_the_engine(exchange: Exchange) -> None:
    async def scenario() -> tuple[bytes, bytes]:
        reply = submit(exchange, b"plan")
        received(exchange).answer(b"report", b"small picture")
        return await asyncio.wait_for(reply, SOON_S)

    assert asyncio.run(scenario()) == (b"report", b"small picture")


def test_a_job_whose_client_waits_is_not_abandoned(exchange: Exchange) -> None:
    async def scenario() -> bool:
        reply = submit(exchange, b"plan")
        parcel = received(exchange)
        is_abandoned = parcel.is_abandoned()
        parcel.answer(b"done")
        await reply
        return is_abandoned

    assert not asyncio.run(scenario())


def test_the_engine_sees_that_a_cancelled_job_is_abandoned(exchange: Exchange) -> None:
    async def scenario() -> bool:
        submit(exchange, b"plan").cancel()
        await asyncio.sleep(0)  # one turn of the loop, in which the reply is closed
        parcel = received(exchange)
        is_abandoned = parcel.is_abandoned()
        parcel.close()
        return is_abandoned

    assert asyncio.run(scenario())


def test_an_answer_to_a_client_that_left_is_no_fault(exchange: Exchange) -> None:
    async def scenario() -> None:
        reply = submit(exchange, b"plan")
        parcel = received(exchange)
        reply.cancel()
        await asyncio.sleep(0)
        parcel.answer(b"done")

    asyncio.run(scenario())


def test_an_engine_that_closes_without_an_answer_is_a_lost_worker(exchange: Exchange) -> None:
    async def scenario() -> None:
        reply = submit(exchange, b"plan")
        received(exchange).close()
        with pytest.raises(WorkerLost):
            await asyncio.wait_for(reply, SOON_S)

    asyncio.run(scenario())


def test_a_process_that_is_killed_with_a_job_is_a_lost_worker(exchange: Exchange) -> None:
    async def scenario() -> None:
        reply = submit(exchange, b"plan")
        pid = os.fork()
        if pid == 0:
            received(exchange)
            signal.pause()
        try:
            while exchange.waiting():  # noqa: ASYNC110  another process takes it, which no event tells
                await asyncio.sleep(0.001)
        finally:
            kill(pid)
        with pytest.raises(WorkerLost):
            await asyncio.wait_for(reply, SOON_S)

    asyncio.run(scenario())


def test_a_job_survives_the_death_of_a_process_that_has_not_taken_it(exchange: Exchange) -> None:
    async def scenario() -> bytes:
        reply = submit(exchange, b"plan")
        pid = os.fork()
        if pid == 0:
            signal.pause()
        kill(pid)
        received(exchange).answer(b"done by another")
        return (await asyncio.wait_for(reply, SOON_S))[0]

    assert asyncio.run(scenario()) == b"done by another"


def test_a_full_queue_refuses_at_once() -> None:
    async def scenario() -> None:
        exchange = Exchange()
        exchange._fronts.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        replies: list[asyncio.Future[Reply]] = []
        with pytest.raises(OutOfResources, match="no room for the job in the queue") as raised:
            fill(exchange, replies)
        assert raised.value.status_hint == 503
        assert exchange.waiting() == len(replies)
        for reply in replies:
            reply.cancel()
        await asyncio.sleep(0)
        _close(exchange)

    asyncio.run(scenario())


def test_a_refused_job_leaves_no_descriptor_behind() -> None:
    async def scenario() -> tuple[int, int]:
        exchange = Exchange()
        exchange._engines.close()
        before = in_use()
        for _ in range(10):
            with pytest.raises(BrokenPipeError):
                submit(exchange, b"plan")
        after = in_use()
        _close(exchange)
        return before, after

    before, after = asyncio.run(scenario())
    assert after == before


def test_a_job_whose_reply_cannot_be_watched_is_not_queued(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Replies, _reply: int) -> None:
        raise OSError(errno.ENOSPC, "no room for a watch")

    async def scenario() -> tuple[int, int]:
        submit(exchange, b"plan").cancel()
        await asyncio.sleep(0)
        received(exchange).close()
        before = in_use()
        monkeypatch.setattr(Replies, "watch", fail)
        for _ in range(10):
            with pytest.raises(OutOfResources, match="no room for the reply"):
                submit(exchange, b"plan")
        return before, in_use()

    before, after = asyncio.run(scenario())
    assert after == before
    assert exchange.waiting() == 0


def _send(message: bytes, descriptors: int) -> Callable[[Exchange], None]:
    def send(exchange: Exchange) -> None:
        with memory(b"picture") as file:
            socket.send_fds(exchange._fronts, [message], [file] * descriptors)

    return send


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(_send(b"short", 2), id="too-short"),
        pytest.param(_send(MESSAGE.pack(0, 1, 0.0, 0), 0), id="without-descriptors"),
        pytest.param(_send(MESSAGE.pack(0, 1, 0.0, 0), 1), id="with-one-descriptor"),
        pytest.param(_send(MESSAGE.pack(0, 1, 0.0, 0), 3), id="with-three-descriptors"),
        pytest.param(_send(MESSAGE.pack(0, 1 << 63, 0.0, 0), 2), id="a-plan-beyond-its-file"),
        pytest.param(_send(MESSAGE.pack(0, 1, 0.0, 0) + b"x", 2), id="too-long"),
        pytest.param(_send(MESSAGE.pack(0, 1, 0.0, 0), 2), id="a-reply-that-is-no-pipe"),
    ],
)
def test_an_invalid_message_is_refused_and_its_descriptors_are_closed(
    exchange: Exchange, send: Callable[[Exchange], None]
) -> None:
    before = in_use()
    send(exchange)
    with pytest.raises(ValueError, match="are no job"):
        exchange.receive()
    assert in_use() == before


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """A block in which only this many more descriptors can be opened; the limit leaves room for FOR_ENGINE."""
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    filling = [os.dup(0)]
    while filling[-1] < max(highest, 4 * FOR_ENGINE):
        filling.append(os.dup(0))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (filling[-1] + 1 + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in filling:
            os.close(descriptor)


@pytest.mark.parametrize("left", [0, 1])
def test_a_job_is_refused_if_the_engine_lacks_descriptors_for_it(exchange: Exchange, left: int) -> None:
    async def scenario() -> None:
        reply = submit(exchange, b"plan")
        with descriptors_left(left), pytest.raises(UnreadableJob, match="no more descriptors were free"):
            exchange.receive()
        with pytest.raises(InternalError if left else WorkerLost):
            await asyncio.wait_for(reply, SOON_S)

    before = in_use()
    asyncio.run(scenario())
    assert in_use() == before


def test_the_last_descriptors_are_reserved_for_the_engine(exchange: Exchange) -> None:
    async def scenario() -> None:
        with descriptors_left(FOR_ENGINE), pytest.raises(OutOfResources, match="no room for the reply"):
            submit(exchange, b"plan")
        assert exchange.waiting() == 0

    before = in_use()
    asyncio.run(scenario())
    assert in_use() == before


def test_a_thousand_jobs_answered_or_cancelled_leave_no_descriptor_behind(exchange: Exchange) -> None:
    async def answered() -> None:
        reply = submit(exchange, b"plan")
        received(exchange).answer(b"report", b"small picture")
        await reply

    async def cancelled_in_the_queue() -> None:
        submit(exchange, b"plan").cancel()
        await asyncio.sleep(0)
        received(exchange).close()

    async def cancelled_after_the_reply_had_arrived() -> None:
        reply = submit(exchange, b"plan")
        received(exchange).answer(b"report", b"small picture")
        reply.cancel()

    async def lost() -> None:
        reply = submit(exchange, b"plan")
        received(exchange).close()
        with pytest.raises(WorkerLost):
            await reply

    async def scenario() -> tuple[int, int]:
        ways = (answered, cancelled_in_the_queue, cancelled_after_the_reply_had_arrived, lost)
        for way in ways:
            await way()
        await asyncio.sleep(0)
        before = in_use()
        for _ in range(250):
            for way in ways:
                await way()
        await asyncio.sleep(0)
        return before, in_use()

    before, after = asyncio.run(scenario())
    assert after == before


def test_dear_jobs_wait_in_a_queue_of_their_own(exchange: Exchange) -> None:
    async def scenario() -> tuple[int, int, list[tuple[int, bool]]]:
        with memory(b"plan") as file:
            for cost_s, is_dear in ((2.0, True), (0.5, False), (3.0, True)):
                exchange.submit(file, 0, 4, 1234.5, cost_s=cost_s, is_dear=is_dear).cancel()
            counts = exchange.waiting(), exchange.waiting_dear()
            parcels = [exchange.receive(is_dear=is_dear) for is_dear in (True, False, True, True)]
            await asyncio.sleep(0)
        found = [(parcel.cost_us, parcel.is_dear) for parcel in parcels if parcel is not None]
        for parcel in parcels:
            if parcel is not None:
                parcel.close()
        return *counts, found

    waiting, dear, found = asyncio.run(scenario())

    assert (waiting, dear) == (3, 2)
    assert found == [(2_000_000, True), (500_000, False), (3_000_000, True)]


def test_an_express_job_is_received_before_cheap_ones_that_came_first(exchange: Exchange) -> None:
    async def scenario() -> tuple[int, bool, list[int]]:
        stop = os.eventfd(0)
        with memory(b"plan") as file, exchange.watch(stop) as poll:
            exchange.submit(file, 0, 4, 1234.5, cost_s=3.0, is_express=True).cancel()
            is_woken = bool(poll.poll(0))
            for cost_s in (1.0, 2.0):
                exchange.submit(file, 0, 4, 1234.5, cost_s=cost_s).cancel()
            waiting = exchange.waiting()
            parcels = [received(exchange) for _ in range(waiting)]
            await asyncio.sleep(0)
        os.close(stop)
        for parcel in parcels:
            parcel.close()
        return waiting, is_woken, [parcel.cost_us for parcel in parcels]

    assert asyncio.run(scenario()) == (3, True, [3_000_000, 1_000_000, 2_000_000])


def test_a_poll_wakes_for_a_dear_job_only_where_that_is_wanted(exchange: Exchange) -> None:
    async def scenario() -> list[bool]:
        stop = os.eventfd(0)
        with memory(b"plan") as file, exchange.watch(stop) as poll:
            exchange.submit(file, 0, 4, 1234.5, is_dear=True).cancel()
            found = [bool(poll.poll(0))]
            for is_wanted in (True, False):
                exchange.watch_dear(poll, is_wanted=is_wanted)
                found.append(bool(poll.poll(0)))
            received(exchange, is_dear=True).close()
            await asyncio.sleep(0)
        os.close(stop)
        return found

    assert asyncio.run(scenario()) == [False, True, False]
