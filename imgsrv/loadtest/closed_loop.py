"""A closed loop with low overhead: every connection sends its next request as soon as it has the answer.

One thread serves all connections, so the gap between an answer and the next request is as short as a client can make
it.  Only a window of each slice counts: at the start and the end of a slice some engines are idle.  A request that lies
partly in the window counts for that part.  Whole requests would make the rate of a slice of 30 pictures wrong by 3 %.
"""

from __future__ import annotations

import contextlib
import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from imgsrv.errors import LoadFailed
from imgsrv.loadtest.conversation import EDGES, Answer, Conversation, Request

Choose = Callable[[], tuple[Request, bytes]]
"""Returns the next request, and its `whole`."""

WARM_UP_S = 0.1

LOST_AFTER_S = 30.0
"""The rest of the answers are lost if nothing comes for this time."""

WATCH_S = 0.25
"""Time between two calls of `watch`."""

SHORTEST_S = 1e-9

MOST_FAULTS = 100
"""A slice with this many faults ends: the server is gone, or refuses every request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was answered.  began_s, done_s: times of `time.monotonic`."""

    began_s: float
    done_s: float
    answer: Answer

    @property
    def latency_s(self) -> float:
        """Seconds from the request to the end of the answer."""
        return self.done_s - self.began_s

    def within(self, from_s: float, until_s: float) -> float:
        """Return the share of the request, 0 to 1, that lies between two times."""
        return max(0.0, min(self.done_s, until_s) - max(self.began_s, from_s)) / max(self.latency_s, SHORTEST_S)


Watch = Callable[[Sequence[Asked]], None]
"""Called every WATCH_S with all requests answered so far."""


@dataclass
class Slice:
    """Results of a slice of load.  rate: pictures per second.  cpu_share: share of one core that the load itself used.

    answers, latencies_s: of the pictures.  refused: answers with 503.  faults: all other answers of the whole slice.
    """

    rate: float
    cpu_share: float
    answers: list[Answer] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def checked(self) -> Slice:
        """Return this slice.  Raises LoadFailed if it has other answers than pictures, or none."""
        if self.faults or self.refused or not self.answers:
            raise LoadFailed(len(self.faults), self.refused, self.faults[0] if self.faults else "")
        return self


class Crowd:
    """Keep-alive connections that stay open between slices; a connection that the server closes is opened again.

    others: more ports of the same server; the connections are shared among all ports in turn.
    """

    def __init__(self, port: int, connections: int, host: str = "127.0.0.1", others: Sequence[int] = ()) -> None:
        self._ports, self._host = cycle([port, *others]), host
        self._poll = select.epoll()
        self._members: dict[int, Conversation] = {}
        for _ in range(connections):
            self._open()

    def close(self) -> None:
        """Close all connections."""
        self._poll.close()
        for member in self._members.values():
            member.close()

    def load(
        self, choose: Choose, seconds: float, watch: Watch | None = None, least: int = 0, *, turn: int = 1
    ) -> Slice:
        """Send requests for `seconds` after WARM_UP_S, and until `least` answers have come.

        turn: number of requests that belong together.  A slice ends after a whole turn, so that each of several
        pictures of different sizes comes equally often.
        """
        self._renew()
        found: list[Asked] = []
        cpu, began_s = time.process_time(), time.monotonic()
        from_s, to_s = began_s + WARM_UP_S, began_s + WARM_UP_S + seconds
        until_s = 0.0

        def goes_on(now: float) -> bool:
            nonlocal until_s
            if now < to_s:
                return True
            until_s, count = now, sum(asked.done_s >= from_s for asked in found)
            return count < least or count % turn > 0

        lost = self._keep_asking(choose, goes_on, found, watch)
        share = (time.process_time() - cpu) / (time.monotonic() - began_s)
        counted = [asked for asked in found if from_s <= asked.done_s <= until_s]
        pictures = [asked for asked in counted if asked.answer.is_picture]
        done = sum(asked.within(from_s, until_s) for asked in found if asked.answer.is_picture)
        return Slice(
            done / max(until_s - from_s, SHORTEST_S),
            share,
            [asked.answer for asked in pictures],
            [asked.latency_s for asked in pictures],
            sum(asked.answer.is_refusal for asked in counted),
            [*(asked.answer.fault for asked in found if asked.answer.fault), *["lost"] * lost],
        )

    def _keep_asking(
        self, choose: Choose, goes_on: Callable[[float], bool], found: list[Asked], watch: Watch | None
    ) -> int:
        """Send requests while `goes_on` is true, then wait for the answers; return the number of lost ones."""
        asked_at = dict.fromkeys(self._members, time.monotonic())
        for member in self._members.values():
            member.ask(*choose())
        watched_s = lost_s = time.monotonic()
        is_over, faults = False, 0
        while asked_at:
            events = self._poll.poll(LOST_AFTER_S if watch is None else WATCH_S)
            now = time.monotonic()
            if events:
                lost_s = now
            elif now - lost_s > LOST_AFTER_S:
                break
            for number, _event in events:
                answer = self._members[number].advance()
                # An idle connection was closed, or the answer is not complete yet.
                if answer is None or number not in asked_at:
                    continue
                now = time.monotonic()
                found.append(Asked(asked_at.pop(number), now, answer))
                faults += bool(answer.fault)
                is_over = is_over or faults == MOST_FAULTS or not goes_on(now)
                if not is_over and (again := self._again(number)) is not None:
                    asked_at[again.fileno()] = now
                    again.ask(*choose())
            if watch is not None and now - watched_s > WATCH_S:
                watched_s = now
                watch(found)
        return len(asked_at)

    def _again(self, number: int) -> Conversation | None:
        """Return the connection, or a new one if it was closed; None if the server cannot be reached."""
        if not self._members[number].is_over:
            return self._members[number]
        del self._members[number]
        with contextlib.suppress(OSError):
            return self._open()
        return None

    def _renew(self) -> None:
        """Open the connections again that were closed since the last slice."""
        for number, member in list(self._members.items()):
            if not member.is_over:
                member.advance()
            if member.is_over:
                del self._members[number]
                self._open()

    def _open(self) -> Conversation:
        member = Conversation(next(self._ports), self._host)
        self._members[member.fileno()] = member
        self._poll.register(member, EDGES)
        return member


@contextlib.contextmanager
def crowd(port: int, connections: int, host: str = "127.0.0.1", others: Sequence[int] = ()) -> Iterator[Crowd]:
    """Yield a crowd; close its connections after the block."""
    members = Crowd(port, connections, host, others)
    try:
        yield members
    finally:
        members.close()


def always(request: Request) -> Choose:
    """Choose the same request every time."""
    chosen = request, request.whole
    return lambda: chosen


def mixed(requests: Sequence[Request], seed: int) -> Choose:
    """Choose one of the requests at random, all with the same probability."""
    chosen = [(request, request.whole) for request in requests]
    generator = random.Random(seed)  # noqa: S311  not a secret
    return lambda: generator.choice(chosen)


def in_turn(requests: Sequence[Request]) -> Choose:
    """Choose one request after another, then begin again."""
    chosen = [(request, request.whole) for request in requests]
    number = -1

    def choose() -> tuple[Request, bytes]:
        nonlocal number
        number = (number + 1) % len(chosen)
        return chosen[number]

    return choose
