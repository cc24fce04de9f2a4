"""A closed loop that costs little: every connection asks again in the moment in which it is answered.

One thread serves all connections, so that with two of them on two engines the gap between an answer and the next
request is as short as a client can make it.  Only a window of each slice counts: neither its start nor its end, where
some engines have nothing to do, is part of its rate.  A request that lies in the window in part counts for that part,
or a slice of 30 pictures would be right to one picture, which is 3 %.
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
from imgsrv.loadtest.conversation import EDGES, Answer, Conversation, Picture

Choose = Callable[[], tuple[Picture, bytes]]
"""Gives each next request, and its `whole`."""

WARM_UP_S = 0.1

LOST_AFTER_S = 30.0

WATCH_S = 0.25

SHORTEST_S = 1e-9

MOST_FAULTS = 100
"""A slice with more is given up: the server is gone, or refuses the request as it is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its answer.  began_s, done_s: by the clock `time.monotonic`."""

    began_s: float
    done_s: float
    answer: Answer

    @property
    def latency_s(self) -> float:
        """From the request to the end of the answer."""
        return self.done_s - self.began_s

    def within(self, from_s: float, until_s: float) -> float:
        """What part of it lies between two moments."""
        return max(0.0, min(self.done_s, until_s) - max(self.began_s, from_s)) / max(self.latency_s, SHORTEST_S)


Watch = Callable[[Sequence[Asked]], None]
"""Is shown all that has been answered so far, every WATCH_S."""


@dataclass
class Slice:
    """What a slice of load found.  rate: pictures per second.  cpu_share: of one core, spent by the load itself.

    answers, latencies_s: of the pictures.  refused: answers of 503.  faults: what was neither, of the whole slice.
    """

    rate: float
    cpu_share: float
    answers: list[Answer] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def checked(self) -> Slice:
        """The same.  Raises LoadFailed if anything but pictures came."""
        if self.faults or self.refused or not self.answers:
            raise LoadFailed(len(self.faults), self.refused, self.faults[0] if self.faults else "")
        return self


class Crowd:
    """Keep-alive connections that stay open from slice to slice; one that the server closes is opened again.

    others: further ports of the same server; connections are dealt to all of them in turn.
    """

    def __init__(self, port: int, connections: int, host: str = "127.0.0.1", others: Sequence[int] = ()) -> None:
        self._ports, self._host = cycle([port, *others]), host
        self._poll = select.epoll()
        self._members: dict[int, Conversation] = {}
        for _ in range(connections):
            self._open()

    def close(self) -> None:
        """End all connections."""
        self._poll.close()
        for member in self._members.values():
            member.close()

    def load(
        self, choose: Choose, seconds: float, watch: Watch | None = None, least: int = 0, *, turn: int = 1
    ) -> Slice:
        """Ask without a pause for `seconds` after a moment of warming up, and until `least` answers have come.

        turn: how many requests belong together; the answers of a slice are whole turns, so that of pictures of
        unequal sizes each comes as often.
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
        """Ask as long as it goes on, and wait for the answers; the number of those that never came."""
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
                # An idle one that has ended, or an answer that is not complete yet.
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
        """The connection, or another in its place if it is over; None if there is nobody to connect to."""
        if not self._members[number].is_over:
            return self._members[number]
        del self._members[number]
        with contextlib.suppress(OSError):
            return self._open()
        return None

    def _renew(self) -> None:
        """Open those again that have ended since the last slice."""
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
    """Connections for the length of the block."""
    members = Crowd(port, connections, host, others)
    try:
        yield members
    finally:
        members.close()


def always(picture: Picture) -> Choose:
    """The same request every time."""
    chosen = picture, picture.whole
    return lambda: chosen


def mixed(pictures: Sequence[Picture], seed: int) -> Choose:
    """One of the requests at random, each as likely."""
    chosen = [(picture, picture.whole) for picture in pictures]
    generator = random.Random(seed)  # noqa: S311  no secret
    return lambda: generator.choice(chosen)


def in_turn(pictures: Sequence[Picture]) -> Choose:
    """One request after another, and from the beginning again."""
    chosen = [(picture, picture.whole) for picture in pictures]
    number = -1

    def choose() -> tuple[Picture, bytes]:
        nonlocal number
        number = (number + 1) % len(chosen)
        return chosen[number]

    return choose
