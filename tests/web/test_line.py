"""The line: clients share the engines, and one that does not read what it got waits while others are there."""

from __future__ import annotations

import asyncio
import contextlib
import select
import signal
from collections.abc import Callable, Iterator

import pytest
from queueing import budgets
from serving import Server, serving, wait_until
from wire import PNG, Wire, ask, metric, post

from imgsrv.errors import OutOfMemoryBudget, Overloaded
from imgsrv.web.clients import HALVED_S, MOST_KNOWN, MOST_UNREAD, PRESENT_S, Clients, client_of
from imgsrv.web.line import AHEAD_S, ALONE_S, MOST_EXPRESS, Ahead, Line, Turn

LONG_S = 1.0
"""Of a job beside which the line lets no other into the queue unless an engine would be idle."""


class Room:
    """A queue of which a test says how long it is."""

    def __init__(self, engines: int = 1) -> None:
        self.length, self.told, self._engines = 0, 0, engines

    def waiting(self) -> int:
        return self.length

    def engines(self) -> int:
        return self._engines

    def tell(self, jobs: int) -> None:
        self.told = jobs


class Crowd:
    """Clients of which a test says what is known."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.mixed = True
        self.light: set[str] = set()
        self.uses: list[tuple[str, float]] = []

    def is_mixed(self) -> bool:
        return self.mixed

    def is_held(self, client: str) -> bool:
        return client in self.held

    def is_light(self, client: str) -> bool:
        return client in self.light

    def used(self, client: str, seconds: float) -> None:
        self.uses.append((client, seconds))


async def _order(line: Line, turns: dict[str, Turn]) -> list[str]:
    """The order in which these turns come, if each job is done before the next begins."""
    order: list[str] = []
    left = dict(turns)
    while left:
        await asyncio.sleep(0)
        name = next(name for name, turn in left.items() if turn.is_queued)
        order.append(name)
        line.leave(left.pop(name))
    return order


def _join(line: Line, jobs: str, cost_s: float = LONG_S) -> dict[str, Turn]:
    """Jobs such as `a1 a2 b1`, each of the client that its letter names."""
    return {job: line.join(job[0], cost_s) for job in jobs.split()}


def _run(check: Callable[[], object]) -> None:
    async def within() -> None:
        result = check()
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(within())


@pytest.mark.parametrize(
    ("jobs", "order"),
    [
        pytest.param("a1 a2 a3 a4", "a1 a2 a3 a4", id="one-client-in-its-order"),
        pytest.param("a1 a2 a3 a4 b1", "a1 a2 b1 a3 a4", id="a-newcomer-beside-the-second"),
        pytest.param("a1 a2 a3 a4 b1 b2", "a1 a2 b1 a3 b2 a4", id="in-turn"),
        pytest.param("a1 a2 a3 b1 c1", "a1 a2 b1 c1 a3", id="three-clients"),
    ],
)
def test_clients_take_turns(jobs: str, order: str) -> None:
    async def check() -> None:
        line = Line(full := Room(), Crowd())
        full.length = 1
        assert await _order(line, _join(line, jobs)) == order.split()
        assert (len(line), full.told) == (0, 0)

    _run(check)


def test_a_short_job_goes_before_long_ones_of_others_that_came_first() -> None:
    async def check() -> None:
        line = Line(full := Room(), Crowd())
        full.length = 1
        long = _join(line, "a1 b1 c1 d1")
        assert await _order(line, long | _join(line, "e1", 0.01)) == ["a1", "e1", "b1", "c1", "d1"]

    _run(check)


def test_clients_share_by_work_and_not_by_number() -> None:
    async def check() -> None:
        line = Line(full := Room(), Crowd())
        full.length = 1
        turns = _join(line, "a1 a2 a3") | _join(line, "b1 b2 b3 b4 b5", LONG_S / 4)
        assert await _order(line, turns) == ["a1", "b1", "b2", "b3", "a2", "b4", "b5", "a3"]

    _run(check)


def test_those_that_are_called_at_once_are_no_more_than_there_is_room_for() -> None:
    async def check() -> None:
        line = Line(room := Room(engines=2), Crowd())
        room.length = 2
        turns = _join(line, "a1 a2 a3 a4 a5 a6")
        room.length = 0
        line.leave(turns["a1"])
        assert [name for name, turn in turns.items() if turn.is_queued] == ["a2", "a3"]
        for name in ("a2", "a3"):
            line.enter(turns[name])
        room.length = 1
        line.leave(turns["a2"])
        assert [name for name, turn in turns.items() if turn.is_queued] == ["a3", "a4"]

    _run(check)


def test_short_jobs_do_not_wait_for_room() -> None:
    async def check() -> None:
        line = Line(full := Room(), Crowd())
        full.length = 100
        turns = _join(line, "a1 a2 a3 a4 a5", AHEAD_S / 4)
        assert [turn.is_queued for turn in turns.values()] == [True] * 4 + [False]

    _run(check)


def test_a_client_alone_has_more_in_the_queue_which_keeps_the_order_between_fronts() -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd())
        full.length, crowd.mixed = 100, False
        turns = _join(line, "a1 a2 a3 a4 a5", ALONE_S / 4)
        assert [turn.is_queued for turn in turns.values()] == [True] * 4 + [False]

    _run(check)


def test_the_line_looks_again_by_itself() -> None:
    async def check() -> None:
        line = Line(room := Room(), Crowd())
        room.length = 1
        second = _join(line, "a1 a2")["a2"]
        room.length = 0  # an engine has taken a job of another front
        assert second.future is not None
        await asyncio.wait_for(second.future, 10)

    _run(check)


def test_who_leaves_the_line_frees_its_place() -> None:
    async def check() -> None:
        line = Line(room := Room(), Crowd())
        room.length = 1
        turns = _join(line, "a1 a2 a3")
        given_up = turns.pop("a2")
        assert given_up.future is not None
        given_up.future.cancel()
        line.leave(given_up)
        assert len(line) == 1
        assert await _order(line, turns) == ["a1", "a3"]
        assert room.told == 0

    _run(check)


def test_who_leaves_between_its_call_and_the_queue_frees_its_place() -> None:
    async def check() -> None:
        line = Line(room := Room(), Crowd())
        room.length = 1
        turns = _join(line, "a1 a2 a3")
        line.leave(turns["a1"])
        line.leave(turns["a2"])
        assert turns["a3"].is_queued

    _run(check)


def test_what_is_ahead_of_a_client() -> None:
    async def check() -> None:
        line = Line(room := Room(), Crowd())
        room.length = 1
        _join(line, "a1 a2 a3 b1")
        assert line.ahead(None) == Ahead(3, 3 * LONG_S)
        assert line.ahead("a") == Ahead(3, 3 * LONG_S)
        assert line.ahead("b") == Ahead(2, 2 * LONG_S)
        assert line.ahead("c") == Ahead(0, 0.0)

    _run(check)


def test_the_newest_of_the_client_with_most_is_displaced() -> None:
    async def check() -> None:
        line = Line(room := Room(), Crowd())
        room.length = 1
        turns = _join(line, "a1 a2 a3 a4")
        assert not line.is_shorter("a")
        assert line.is_shorter("b")
        line.displace("b", Overloaded("full", 1))
        last = turns["a4"].future
        assert last is not None
        assert isinstance(last.exception(), Overloaded)
        line.leave(turns["a4"])
        assert len(line) == 2
        _join(line, "b1")
        assert not line.is_shorter("b")

    _run(check)


def test_a_client_that_is_held_waits_and_others_do_not() -> None:
    async def check() -> None:
        line = Line(Room(), crowd := Crowd())
        crowd.held = {"a"}
        turns = _join(line, "a1 a2 b1")
        assert [name for name, turn in turns.items() if turn.is_queued] == ["b1"]
        line.enter(turns["b1"])
        crowd.held = set()
        first = turns["a1"].future
        assert first is not None
        await asyncio.wait_for(first, 10)

    _run(check)


# ---- the express queue ---------------------------------------------------------------------------------


def _expressed(turns: dict[str, Turn]) -> list[str]:
    return [name for name, turn in turns.items() if turn.is_express]


def test_the_one_job_of_a_light_client_passes_the_line_and_its_second_does_not() -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd(), has_express=True)
        full.length, crowd.light = 1, {"b"}
        turns = _join(line, "a1 a2 a3 b1 b2")
        assert _expressed(turns) == ["b1"]
        assert [name for name, turn in turns.items() if turn.is_queued] == ["a1", "b1"]
        assert crowd.uses == [("a", LONG_S), ("b", LONG_S)]
        line.leave(turns.pop("b1"))
        assert not turns["b2"].is_queued
        assert _expressed(_join(line, "b3")) == []
        assert await _order(line, turns) == ["a1", "a2", "b2", "a3"]

    _run(check)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda crowd: crowd.light.clear(), id="it-has-used-much"),
        pytest.param(lambda crowd: crowd.held.add("b"), id="it-does-not-read"),
        pytest.param(lambda crowd: setattr(crowd, "mixed", False), id="nobody-else-is-there"),
    ],
)
def test_who_does_not_pass_the_line(change: Callable[[Crowd], None]) -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd(), has_express=True)
        full.length, crowd.light = 1, {"b"}
        change(crowd)
        assert _expressed(_join(line, "a1 a2 b1")) == []

    _run(check)


def test_dear_jobs_have_no_express_queue() -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd())
        full.length, crowd.light = 1, {"b"}
        assert _expressed(_join(line, "a1 a2 b1")) == []

    _run(check)


def test_of_many_light_clients_all_but_a_few_stand_in_line() -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd(), has_express=True)
        names = "bcdefghijkl"
        full.length, crowd.light = 1, set(names)
        turns = _join(line, "a1 a2 " + " ".join(f"{name}1" for name in names))
        assert len(_expressed(turns)) == MOST_EXPRESS
        line.leave(turns["b1"])
        assert _expressed(_join(line, "m1 b2")) == ["b2"]

    _run(check)


def test_an_express_job_takes_no_room_from_the_others() -> None:
    async def check() -> None:
        line = Line(full := Room(), crowd := Crowd(), has_express=True)
        full.length, crowd.light = 100, {"b"}
        turns = _join(line, "b1") | _join(line, "a1 a2 a3 a4 a5", AHEAD_S / 4)
        assert [turn.is_queued for turn in turns.values()] == [True] * 5 + [False]
        line.leave(turns["a1"])
        assert turns["a5"].is_queued

    _run(check)


def test_a_client_is_light_until_it_has_used_more_than_the_mean() -> None:
    clock = Clock()
    clients = Clients(clock)
    assert clients.is_light("a")
    clients.used("a", 3.0)
    clients.used("b", 1.0)
    assert not clients.is_light("a")
    assert clients.is_light("b")
    assert clients.is_light("new")
    clock.now += 2 * HALVED_S
    clients.used("b", 1.0)
    assert not clients.is_light("b")
    assert clients.is_light("a")


def test_what_was_used_is_forgotten_after_any_time_and_for_any_number_of_clients() -> None:
    clock = Clock()
    clients = Clients(clock)
    clients.used("a", 1e9)
    clock.now += 1e9
    clients.used("b", 1e-6)
    assert clients.is_light("a")
    assert clients.is_light("b")
    clients.used("greedy", 100.0)
    for number in range(3 * MOST_KNOWN):
        clients.used(str(number), 1e-3)
    assert len(clients._usage._used) <= MOST_KNOWN
    assert not clients.is_light("greedy")


# ---- clients ------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_client_is_held_while_much_is_unread_and_another_is_there() -> None:
    clock = Clock()
    clients = Clients(clock)
    clients.came("a")
    clients.owe("a", MOST_UNREAD + 1)
    assert not clients.is_held("a")
    assert not clients.is_mixed()
    clients.came("b")
    assert clients.is_mixed()
    assert clients.is_held("a")
    assert not clients.is_held("b")
    clients.came("a")
    assert clients.is_held("a")
    clients.owe("a", -1)
    assert not clients.is_held("a")
    clients.owe("a", 1)
    clock.now += PRESENT_S
    assert not clients.is_held("a")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param(("192.0.2.1", 1), ("192.0.2.1", 2), True, id="two-ports"),
        pytest.param(("192.0.2.1", 1), ("192.0.2.2", 1), False, id="two-addresses"),
        pytest.param(("2001:db8::1", 1), ("2001:db8::ffff:0:0:1", 1), True, id="one-network"),
        pytest.param(("2001:db8::1", 1), ("2001:db8:0:1::1", 1), False, id="two-networks"),
        pytest.param(("::ffff:192.0.2.1", 1), ("192.0.2.1", 1), True, id="mapped"),
        pytest.param(("::ffff:192.0.2.1", 1), ("::ffff:192.0.2.2", 1), False, id="two-mapped"),
        pytest.param(None, None, True, id="unix"),
        pytest.param(None, ("192.0.2.1", 1), False, id="unix-and-tcp"),
    ],
)
def test_who_is_one_client(one: tuple[str, int] | None, other: tuple[str, int] | None, *, is_same: bool) -> None:
    assert (client_of(one) == client_of(other)) is is_same


def test_one_client_leaves_a_part_of_a_short_budget_to_others() -> None:
    board, (budget,) = budgets(1000)
    budget.check_share(0, 390)
    budget.hold_answer(390)
    with pytest.raises(OutOfMemoryBudget, match="this client"):
        budget.check_share(390, 60)
    budget.check_share(0, 60)
    budget.check(60)
    assert board.total("memory_answers") == 390


# ---- a running server ----------------------------------------------------------------------------------

GREEDY, NEXT = "127.0.0.2", "127.0.0.3"
LONG = "/pipeline?ops=resize:width=2000,enlarge=true/blur:sigma=3/blur:sigma=3&format=jpeg"
"""A job of more than 20 ms and less than a second."""

LARGE = "/resize?width=3000&height=3000&fit=fill&enlarge=true&format=bmp"
"""A job with a result of 27 MB."""


@contextlib.contextmanager
def _asking(server: Server, target: str, number: int, *headers: str) -> Iterator[list[Wire]]:
    """Connections of the greedy client, which has sent one request on each and reads nothing."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, GREEDY)) for _ in range(number)]
        for wire in wires:
            wire.send(post(target, PNG, *headers))
        yield wires


def _answered(wires: list[Wire]) -> int:
    """How many of them have an answer now."""
    return sum(bool(select.select([wire.socket], [], [], 0)[0]) for wire in wires)


def test_the_first_job_of_a_client_is_done_before_the_tenth_of_another() -> None:
    with serving("--workers", "1") as server, _asking(server, LONG, 12) as greedy:
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") >= 10, "the greedy client waits")
        assert ask(server, post(LONG, PNG)).status == 200
        assert _answered(greedy) < 10
        assert [wire.answer().status for wire in greedy] == [200] * 12


@pytest.mark.parametrize(
    ("flags", "is_shared"),
    [
        pytest.param(("--trusted-proxies", "127.0.0.0/8"), True, id="a-trusted-proxy"),
        pytest.param((), False, id="another-proxy"),
    ],
)
def test_behind_a_proxy_its_clients_count_if_it_is_trusted(flags: tuple[str, ...], *, is_shared: bool) -> None:
    with (
        serving("--workers", "1", *flags) as server,
        _asking(server, LONG, 12, "X-Forwarded-For: 192.0.2.1") as greedy,
        Wire(server, GREEDY) as other,
    ):
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") >= 10, "the greedy client waits")
        other.send(post(LONG, PNG, "X-Forwarded-For: 192.0.2.2"))
        assert other.answer().status == 200
        assert (_answered(greedy) < 10) is is_shared
        assert [wire.answer().status for wire in greedy] == [200] * 12


def test_in_a_full_queue_the_newest_job_of_the_greediest_client_is_refused() -> None:
    with serving("--workers", "1", "--max-queue", "6") as server, _asking(server, LONG, 7) as greedy:
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") == 6, "the queue is full")
        assert ask(server, post(LONG, PNG)).status == 200
        answers = [wire.answer() for wire in greedy]
        assert sorted(answer.status for answer in answers) == [200] * 6 + [503]
        assert answers[-1].code == "overloaded"
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_client_that_does_not_read_gets_no_further_job_until_it_reads_while_others_are_there() -> None:
    with serving("--workers", "1") as server, _asking(server, LARGE, 3) as greedy, Wire(server, GREEDY) as further:
        wait_until(lambda: metric(server, "imgsrv_unsent_bytes") > 40e6, "three answers are not read")
        wait_until(lambda: metric(server, "imgsrv_jobs_done_total") == 3, "three are done")
        assert ask(server, post("/flip", PNG)).status == 200
        further.send(post(LARGE, PNG))
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") == 1, "the fourth waits")
        assert [ask(server, post("/flip", PNG)).status for _ in range(5)] == [200] * 5
        assert metric(server, "imgsrv_jobs_waiting") == 1
        assert [wire.answer().status for wire in greedy] == [200] * 3
        assert further.answer().status == 200


def test_a_client_that_is_alone_need_not_read() -> None:
    with serving("--workers", "1") as server, _asking(server, LARGE, 5):
        wait_until(lambda: metric(server, "imgsrv_jobs_done_total") == 5, "all are done")


def test_a_client_that_leaves_the_line_takes_its_jobs_with_it() -> None:
    with serving("--workers", "1") as server:
        with _asking(server, LONG, 12):
            wait_until(lambda: metric(server, "imgsrv_jobs_waiting") >= 10, "it waits")
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") == 0, "nobody waits")
        assert metric(server, "imgsrv_jobs_submitted_total") < 12


def test_a_stop_answers_those_who_stand_in_line() -> None:
    with serving("--workers", "1") as server, _asking(server, LONG, 12) as greedy:
        wait_until(lambda: metric(server, "imgsrv_jobs_waiting") >= 10, "the greedy client waits")
        server.signal(signal.SIGTERM)
        assert [wire.answer().status for wire in greedy] == [200] * 12
