"""An open loop: requests are sent at planned times, independent of the answers to earlier ones.

No request waits for a connection: it takes an idle one or opens a new one.  Latency counts from the planned time of a
request, so that a load that is late does not make the server look faster.
"""

from __future__ import annotations

import math
import random
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imgsrv.loadtest.conversation import EDGES, Answer, Conversation, Request

LOST_AFTER_S = 40.0
"""Longest wait for answers at the end: longer than the time limit of the server for a job."""

WATCH_S = 0.25
"""Time between two calls of `watch`."""


@dataclass(frozen=True)
class Plan:
    """A planned request.  due_s: time from the start of the load.  whole: `request.whole`, prepared beforehand."""

    due_s: float
    request: Request
    whole: bytes


@dataclass
class Outcome:
    """A request with its answer.  sent_s, done_s: times from the start of the load.  connection: its number."""

    plan: Plan
    connection: int
    sent_s: float
    done_s: float
    answer: Answer

    @property
    def latency_s(self) -> float:
        """Seconds from the planned time to the end of the answer."""
        return self.done_s - self.plan.due_s


Watch = Callable[[Sequence[Outcome]], None]
"""Called every WATCH_S with all requests answered so far."""


@dataclass
class Storm:
    """Results of an open loop, in the order of the plan.  cpu_share: share of one core that the load itself used."""

    outcomes: list[Outcome] = field(default_factory=list)
    connections: int = 0
    cpu_share: float = 0.0
    seconds: float = 0.0

    @property
    def pictures(self) -> list[Outcome]:
        """Outcomes with the right picture."""
        return [outcome for outcome in self.outcomes if outcome.answer.is_picture]

    @property
    def refusals(self) -> list[Outcome]:
        """Outcomes with status 503."""
        return [outcome for outcome in self.outcomes if outcome.answer.is_refusal]

    @property
    def faults(self) -> list[str]:
        """Faults of all other answers, in words."""
        return [outcome.answer.fault for outcome in self.outcomes if outcome.answer.fault]


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the times of a Poisson process of `rate` per second, in seconds from its start."""
    generator = random.Random(seed)  # noqa: S311  not a secret
    arrivals: list[float] = []
    at = generator.expovariate(rate)
    while at < seconds:
        arrivals.append(at)
        at += generator.expovariate(rate)
    return arrivals


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the percentile of some values by the nearest-rank method."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def planned(arrivals: Sequence[float], choose: Callable[[], tuple[Request, bytes]]) -> list[Plan]:
    """Return a plan for each time of `arrivals`, in seconds from the start.  choose: returns the next request."""
    return [Plan(due_s, *choose()) for due_s in arrivals]


def open_loop(port: int, plans: Sequence[Plan], host: str = "127.0.0.1", watch: Watch | None = None) -> Storm:
    """Send every request at its time and wait for all answers; return the results."""
    generator = _Generator(port, host, watch)
    try:
        return generator.run(plans)
    finally:
        generator.close()


class _Generator:
    def __init__(self, port: int, host: str, watch: Watch | None) -> None:
        self._address = port, host
        self._watch = watch
        self._watched_s = 0.0
        self._poll = select.epoll()
        self._opened = 0
        self._idle: dict[int, tuple[Conversation, int]] = {}
        self._busy: dict[int, tuple[Conversation, int, Plan, float]] = {}
        self._found: list[Outcome] = []
        self._zero = 0.0

    def run(self, plans: Sequence[Plan]) -> Storm:
        cpu, self._zero = time.process_time(), time.monotonic()
        for plan in plans:
            while (wait_s := plan.due_s - self._now()) > 0:
                self._serve_until(wait_s)
            self._begin(plan)
        seconds, share = self._now(), (time.process_time() - cpu) / self._now()
        while self._busy and self._now() < seconds + LOST_AFTER_S:
            self._serve_until(1.0)
        for _member, number, plan, sent_s in self._busy.values():
            self._found.append(Outcome(plan, number, sent_s, self._now(), Answer(fault="lost")))
        self._found.sort(key=lambda outcome: outcome.plan.due_s)
        return Storm(self._found, self._opened, share, seconds)

    def close(self) -> None:
        self._poll.close()
        for member in (*(idle[0] for idle in self._idle.values()), *(busy[0] for busy in self._busy.values())):
            member.close()

    def _now(self) -> float:
        return time.monotonic() - self._zero

    def _serve_until(self, wait_s: float) -> None:
        """Wait for at most this time; continue the connections that are ready."""
        if self._watch is not None and self._now() - self._watched_s > WATCH_S:
            self._watched_s = self._now()
            self._watch(self._found)
        # epoll would round the wait up to a whole millisecond.
        if not select.select([self._poll], [], [], wait_s)[0]:
            return
        for descriptor, _event in self._poll.poll(0):
            if descriptor in self._busy:
                self._advance(descriptor)
            else:
                self._look_at_idle(descriptor)

    def _advance(self, descriptor: int) -> None:
        member, number, plan, sent_s = self._busy[descriptor]
        answer = member.advance()
        if answer is None:
            return
        del self._busy[descriptor]
        self._found.append(Outcome(plan, number, sent_s, self._now(), answer))
        if not member.is_over:
            self._idle[descriptor] = member, number

    def _look_at_idle(self, descriptor: int) -> None:
        member, _number = self._idle[descriptor]
        member.advance()
        if member.is_over:
            del self._idle[descriptor]

    def _begin(self, plan: Plan) -> None:
        # Take the connection that became idle last, so that as few connections as possible are in use.
        member, number = self._idle.popitem()[1] if self._idle else self._open()
        self._busy[member.fileno()] = member, number, plan, self._now()
        member.ask(plan.request, plan.whole)

    def _open(self) -> tuple[Conversation, int]:
        member = Conversation(*self._address)
        self._poll.register(member, EDGES)
        self._opened += 1
        return member, self._opened - 1
