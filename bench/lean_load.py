"""A closed loop that costs little: every connection asks again in the moment in which it is answered.

One thread serves all connections, so that with two of them on two engines the gap between an answer and the next
request is as short as a client can make it.  Only what is answered within a window is counted: neither the start nor
the end of a slice, where some engines have nothing to do, is part of its rate.
"""

from __future__ import annotations

import contextlib
import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from conversation import EDGES, Answer, Conversation, Picture

WARM_UP_S = 0.1

LOST_AFTER_S = 30.0


@dataclass
class Slice:
    """What a slice of load found.  rate: answers per second.  cpu_share: of one core, spent by the load itself."""

    rate: float
    cpu_share: float
    answers: list[Answer] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What was no answer, or another one than the first."""
        return [answer.fault or "refused" for answer in self.answers if answer.status != 200 or answer.fault]


class Crowd:
    """Keep-alive connections that stay open from slice to slice."""

    def __init__(self, port: int, connections: int) -> None:
        self._poll = select.epoll()
        self._members: dict[int, Conversation] = {}
        for _ in range(connections):
            member = Conversation(port)
            self._members[member.fileno()] = member
            self._poll.register(member, EDGES)

    def close(self) -> None:
        """End all connections."""
        self._poll.close()
        for member in self._members.values():
            member.close()

    def load(self, choose: Callable[[], tuple[Picture, bytes]], seconds: float) -> Slice:
        """Ask without a pause for `seconds` after a moment of warming up.  choose: gives each next request."""
        found: list[tuple[float, float, Answer]] = []
        cpu, began_at = time.process_time(), time.monotonic()
        counted_from = began_at + WARM_UP_S
        end = counted_from + seconds
        asked_at = dict.fromkeys(self._members, began_at)
        for member in self._members.values():
            member.ask(*choose())
        while asked_at:
            events = self._poll.poll(LOST_AFTER_S)
            assert events, f"{len(asked_at)} requests are lost"
            for number, _event in events:
                answer = self._members[number].advance()
                if answer is None:
                    continue
                now = time.monotonic()
                found.append((asked_at[number], now, answer))
                assert not answer.fault, answer.fault
                if now < end:
                    asked_at[number] = now
                    self._members[number].ask(*choose())
                else:
                    del asked_at[number]
        share = (time.process_time() - cpu) / (time.monotonic() - began_at)
        counted = [(began, now, answer) for began, now, answer in found if counted_from <= now < end]
        latencies_s = [now - began for began, now, _answer in counted]
        return Slice(len(counted) / seconds, share, [answer for _began, _now, answer in counted], latencies_s)


@contextlib.contextmanager
def crowd(port: int, connections: int) -> Iterator[Crowd]:
    """Connections for the length of the block."""
    members = Crowd(port, connections)
    try:
        yield members
    finally:
        members.close()


def always(picture: Picture) -> Callable[[], tuple[Picture, bytes]]:
    """The same request every time."""
    chosen = picture, picture.whole
    return lambda: chosen


def mixed(pictures: Sequence[Picture], seed: int) -> Callable[[], tuple[Picture, bytes]]:
    """One of the requests at random, each as likely."""
    chosen = [(picture, picture.whole) for picture in pictures]
    generator = random.Random(seed)  # noqa: S311  no secret
    return lambda: generator.choice(chosen)
