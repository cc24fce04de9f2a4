"""A discrete-event model of several machines behind a balancer.

Requests arrive at random moments (a Poisson process).  Each machine has engines and one queue in front of them, first
come, first served, as imgsrv has.  The balancer sends each request to a machine at once, or keeps it until a machine
has room.  Times are in units of the mean service time, so that the figures hold for pictures of any size.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

CONTROL_INTERVAL = 20.0
"""Mean service times between two answers of an agent: one second for pictures of 50 ms."""


@dataclass(slots=True)
class Machine:
    """A machine at work.  busy: engines at work; waiting: (arrival, service) of the requests in its queue."""

    engines: int
    busy: int = 0
    waiting: deque[tuple[float, float]] = field(default_factory=deque)

    @property
    def present(self) -> int:
        """Requests that wait or are worked on."""
        return self.busy + len(self.waiting)


Policy = Callable[[float, Sequence[Machine]], int | None]
"""Chooses the machine of a request by the time and the machines; None keeps it in the balancer until one has room."""


def round_robin() -> Policy:
    """Each machine in turn, whatever it has."""
    turn = -1

    def choose(_now: float, machines: Sequence[Machine]) -> int:
        nonlocal turn
        turn = (turn + 1) % len(machines)
        return turn

    return choose


def weighted_round_robin(machines: Sequence[Machine]) -> Policy:
    """Each machine as often as it has engines, spread evenly (smooth weighted round robin, as nginx has it)."""
    total, current = sum(machine.engines for machine in machines), [0] * len(machines)

    def choose(_now: float, machines: Sequence[Machine]) -> int:
        for index, machine in enumerate(machines):
            current[index] += machine.engines
        best = max(range(len(machines)), key=current.__getitem__)
        current[best] -= total
        return best

    return choose


def at_random(dice: np.random.Generator, machines: Sequence[Machine]) -> Policy:
    """Any machine, as often as it has engines: what many balancers that know nothing of each other come to."""
    shares = np.cumsum([machine.engines for machine in machines], dtype=float)
    return lambda _now, _machines: int(np.searchsorted(shares, dice.random() * shares[-1], side="right"))


def least_connections(dice: np.random.Generator) -> Policy:
    """The machine with the fewest requests for each engine, with all that are open counted; a tie goes to chance."""

    def choose(_now: float, machines: Sequence[Machine]) -> int:
        loads = [machine.present / machine.engines for machine in machines]
        least = min(loads)
        return int(dice.choice([index for index, load in enumerate(loads) if load == least]))

    return choose


def two_choices(dice: np.random.Generator, machines: Sequence[Machine]) -> Policy:
    """The emptier of two machines that are drawn at random, by their engines (Mitzenmacher 2001)."""
    draw = at_random(dice, machines)

    def choose(now: float, machines: Sequence[Machine]) -> int:
        one, other = (int(draw(now, machines) or 0) for _ in range(2))
        return min(one, other, key=lambda index: machines[index].present / machines[index].engines)

    return choose


def by_agent(dice: np.random.Generator, longest_wait: float) -> Policy:
    """At random, by the room that agents have told at the last control interval: a balancer that counts nothing itself.

    longest_wait: `max_wait_s` in mean service times.
    """
    told_at, shares = -math.inf, np.zeros(0)

    def choose(now: float, machines: Sequence[Machine]) -> int:
        nonlocal told_at, shares
        if now - told_at >= CONTROL_INTERVAL:
            told_at = now
            waits = [len(machine.waiting) / machine.engines for machine in machines]
            room = [
                machine.engines * max(0.01, 1 - wait / longest_wait)
                for machine, wait in zip(machines, waits, strict=True)
            ]
            shares = np.cumsum(room)
        return int(np.searchsorted(shares, dice.random() * shares[-1], side="right"))

    return choose


def queue_in_the_balancer(spare: int) -> Policy:
    """The emptiest machine with room: each holds as many requests as it has engines, and `spare` more."""

    def choose(_now: float, machines: Sequence[Machine]) -> int | None:
        with_room = [index for index, machine in enumerate(machines) if machine.present < machine.engines + spare]
        return min(with_room, key=lambda index: machines[index].present / machines[index].engines, default=None)

    return choose


def times_in_system(machines: Sequence[Machine], policy: Policy, arrivals: Floats, services: Floats) -> Floats:
    """The time of each request from its arrival to its answer, in the order of the answers.

    arrivals: moments, ascending.  services: how long an engine works on each.  Both in the same unit of time.
    """
    ends: list[tuple[float, int, float]] = []
    kept: deque[tuple[float, float]] = deque()
    times: list[float] = []

    def begin(index: int, now: float, arrived: float, service: float) -> None:
        machine = machines[index]
        if machine.busy < machine.engines:
            machine.busy += 1
            heapq.heappush(ends, (now + service, index, arrived))
        else:
            machine.waiting.append((arrived, service))

    def finish() -> None:
        now, index, arrived = heapq.heappop(ends)
        times.append(now - arrived)
        machine = machines[index]
        machine.busy -= 1
        if machine.waiting:
            begin(index, now, *machine.waiting.popleft())
        while kept and (chosen := policy(now, machines)) is not None:
            begin(chosen, now, *kept.popleft())

    for now, service in zip(arrivals.tolist(), services.tolist(), strict=True):
        while ends and ends[0][0] <= now:
            finish()
        chosen = None if kept else policy(now, machines)
        if chosen is None:
            kept.append((now, service))
        else:
            begin(chosen, now, now, service)
    while ends:
        finish()
    return np.asarray(times)


def erlang_c(engines: int, load: float) -> float:
    """The probability that a request waits in M/M/c (Erlang 1917), by the recursion of Erlang's B formula.

    load: offered load in engines, below `engines`.
    """
    blocked = 1.0
    for count in range(1, engines + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / engines * (1 - blocked))
