"""The line of a front: jobs wait here for their turn, and only a few of them are in the kernel's queue.

The kernel's queue keeps the order in which jobs came, so a client with a thousand jobs would be served before another
one with its first.  Here each client has a lane of its own.  A job gets a tag, the work of its client up to its end,
and the job with the smallest tag goes first: clients share the engines by predicted seconds, however many jobs they
have.  This is self-clocked fair queueing (S. J. Golestani, INFOCOM 1994).  With one client, it is first come, first
served.

The few jobs in the queue are still 20 ms of work for each front, 60 ms of waiting for the picture of a visitor that
takes 3.  A shorter queue would leave engines without work.  So a job goes by the express queue, from which engines take
first, if its client has no other job here and has of late used no more of the engines than its share.  Who asks for
more stands in line: a share is what all clients have used, divided by their number, so nobody gains by express jobs.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import Protocol

from imgsrv.observe.fields import IN_LINE
from imgsrv.observe.scoreboard import Board, Row, WorkerState

AHEAD_S = 0.02
"""Predicted work that a front may have in the queue in any case, so that no engine waits for it between short jobs.

A busy front answers late: with 5 ms, 32 connections of two clients got 0.66 of the pictures, and with 500 ms no more.
"""

ALONE_S = 0.5
"""The same while one client is there alone: the queue keeps the order between fronts, which their lines do not."""

MOST_EXPRESS = 8
"""A front has so many jobs in the express queue; with many clients of one job each, all stand in line."""

LOOK_S = 0.01
"""While jobs wait, the line looks so often for room: no event tells a front that an engine took another front's job."""

LEAST_S = 1e-6
"""The least cost of a job, so that each has a tag of its own."""


class Queue(Protocol):
    """What is asked of the exchange."""

    def waiting(self) -> int:
        """The number of jobs that no engine has taken yet."""
        ...

    def waiting_cheap(self) -> int:
        """How many of them are cheap."""
        ...

    def waiting_dear(self) -> int:
        """How many of them are dear."""
        ...


class Room(Protocol):
    """What a line asks of the queue behind it, and tells others."""

    def waiting(self) -> int:
        """The number of jobs in the queue that no engine has taken."""
        ...

    def engines(self) -> int:
        """The number of engines that take from it."""
        ...

    def tell(self, jobs: int) -> None:
        """So many jobs wait in this line now."""
        ...


class Crowd(Protocol):
    """What a line asks of the clients."""

    def is_mixed(self) -> bool:
        """Whether more than one client is there."""
        ...

    def is_held(self, client: str) -> bool:
        """Whether the jobs of a client have to wait, whoever else does."""
        ...

    def is_light(self, client: str) -> bool:
        """Whether a client has of late used no more of the engines than its share."""
        ...

    def used(self, client: str, seconds: float) -> None:
        """A job of the client, with so much predicted work, goes to the engines."""
        ...


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is served before a further job: jobs, and their predicted seconds."""

    jobs: int = 0
    seconds: float = 0.0


NOBODY = Ahead()


@dataclass(slots=True)
class Turn:
    """A job in the line, or one whose turn has come.

    tag: the work of its client up to its end, on the clock of the line.  future: done when its turn comes; None if it
    came at once.  is_queued: its turn has come, and it is not known to be done.  is_called: its turn has come, and it
    is not in the queue yet.  is_express: it goes by the express queue.
    """

    client: str
    tag: float
    cost_s: float
    future: asyncio.Future[None] | None = None
    is_queued: bool = False
    is_called: bool = False
    is_express: bool = False


class Line:
    """The jobs of one kind in one front.

    room: of the queue behind it.  crowd: the clients of the front.  has_express: there is an express queue beside it.
    """

    def __init__(self, room: Room, crowd: Crowd, *, has_express: bool = False) -> None:
        self._room, self._crowd, self._has_express = room, crowd, has_express
        self._at_work = Counter[str]()
        self._express = 0
        self._lanes: dict[str, deque[Turn]] = {}
        self._clock = 0.0
        self._queued, self._queued_s, self._called = 0, 0.0, 0
        self._waiting, self._waiting_s = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return self._waiting

    def ahead(self, client: str | None) -> Ahead:
        """What is served before a further job of that client; all that waits, if nobody knows whose it is."""
        if client is None or len(self._lanes) == (client in self._lanes):
            return Ahead(self._waiting, self._waiting_s)
        tag = self._end_of(client)
        before = [turn.cost_s for lane in self._lanes.values() for turn in lane if turn.tag <= tag]
        return Ahead(len(before), sum(before))

    def is_shorter(self, client: str) -> bool:
        """Whether another client has more jobs in the line than this one would have with a further job."""
        return max(map(len, self._lanes.values()), default=0) > len(self._lanes.get(client, ())) + 1

    def join(self, client: str, cost_s: float) -> Turn:
        """Let a job stand in line, or go at once.  It has to be followed by `leave`."""
        turn = Turn(client, self._end_of(client) + max(cost_s, LEAST_S), cost_s)
        if self._is_express(client):
            turn.is_express = True
            self._go(turn)
        elif not self._lanes and self._has_room(cost_s) and not self._crowd.is_held(client):
            self._go(turn)
        else:
            turn.future = asyncio.get_running_loop().create_future()
            self._lanes.setdefault(client, deque()).append(turn)
            self._count(1, cost_s)
            self._advance()
        return turn

    def enter(self, turn: Turn) -> None:
        """The job, whose turn has come, is put into the queue now."""
        if turn.is_called:
            turn.is_called = False
            self._called -= 1

    def leave(self, turn: Turn) -> None:
        """The job is done, or is given up before its turn."""
        self.enter(turn)
        if turn.is_queued:
            self._done(turn)
            self._advance()
        elif (lane := self._lanes.get(turn.client)) is not None and turn in lane:
            lane.remove(turn)
            self._left(turn)

    def displace(self, client: str, error: Exception) -> None:
        """Refuse the newest job of the client with the most, if this one has less, with that error."""
        if self.is_shorter(client):
            longest = max(self._lanes.values(), key=len)
            turn = longest.pop()
            self._left(turn)
            if turn.future is not None and not turn.future.done():
                turn.future.set_exception(error)

    # ---- what these are made of -----------------------------------------------------------------------

    def _end_of(self, client: str) -> float:
        """The tag of the client's last job, or the time of the line's clock: what is done was no promise."""
        lane = self._lanes.get(client)
        return lane[-1].tag if lane else self._clock

    def _has_room(self, cost_s: float) -> bool:
        """Whether a job may go.  A front always has one in the queue, whose end tells it to look again."""
        most_s = AHEAD_S if self._crowd.is_mixed() else ALONE_S
        if not self._queued or self._queued_s + cost_s <= most_s:
            return True
        return self._room.waiting() + self._called < self._room.engines()

    def _is_express(self, client: str) -> bool:
        """Whether a job of the client goes before those that are in the queue already."""
        if not self._has_express or self._express >= MOST_EXPRESS or client in self._lanes or client in self._at_work:
            return False
        return self._crowd.is_mixed() and self._crowd.is_light(client) and not self._crowd.is_held(client)

    def _go(self, turn: Turn) -> None:
        turn.is_queued = True
        self._at_work[turn.client] += 1
        self._crowd.used(turn.client, turn.cost_s)
        if turn.is_express:
            self._express += 1
        else:
            self._queued += 1
            self._queued_s += turn.cost_s

    def _done(self, turn: Turn) -> None:
        turn.is_queued = False
        self._at_work[turn.client] -= 1
        if not self._at_work[turn.client]:
            del self._at_work[turn.client]
        if turn.is_express:
            self._express -= 1
        else:
            self._queued -= 1
            self._queued_s = self._queued_s - turn.cost_s if self._queued else 0.0

    def _advance(self) -> None:
        """Let those go for whom there is room, and look again if others wait."""
        while (lane := self._next()) is not None and self._has_room(lane[0].cost_s):
            turn = lane.popleft()
            self._clock = turn.tag
            self._left(turn)
            if turn.future is not None and not turn.future.done():
                self._go(turn)
                turn.is_called = True
                self._called += 1
                turn.future.set_result(None)
        if self._lanes and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        self._advance()

    def _next(self) -> deque[Turn] | None:
        """The lane whose turn it is; None if nobody waits, or only those who are held."""
        free = (lane for client, lane in self._lanes.items() if not self._crowd.is_held(client))
        return min(free, key=lambda lane: lane[0].tag, default=None)

    def _left(self, turn: Turn) -> None:
        """Count a job out that is no longer in its lane."""
        if not self._lanes[turn.client]:
            del self._lanes[turn.client]
        if not self._lanes:
            self._clock = 0.0
        self._count(-1, -turn.cost_s)

    def _count(self, jobs: int, seconds: float) -> None:
        self._waiting += jobs
        self._waiting_s = self._waiting_s + seconds if self._waiting else 0.0
        self._room.tell(self._waiting)


class QueueOf:
    """The kernel's queue of one kind, as a line sees it."""

    def __init__(self, queue: Queue, board: Board, row: Row, *, is_dear: bool) -> None:
        self._queue, self._board, self._row, self._is_dear = queue, board, row, is_dear
        self.tell(0)

    def waiting(self) -> int:
        """The number of jobs in the queue that no engine has taken."""
        return self._queue.waiting_dear() if self._is_dear else self._queue.waiting_cheap()

    def engines(self) -> int:
        """The number of engines that take from it, at least one."""
        states = [row["state"] for row in self._board.rows()]
        return max(1, states.count(WorkerState.READY) + states.count(WorkerState.DRAINING) - self._is_dear)

    def tell(self, jobs: int) -> None:
        """So many jobs wait in this line now."""
        self._row.set(IN_LINE[self._is_dear], jobs)


Lines = tuple[Line, Line]
"""Of a front: for its cheap and for its dear jobs."""


def make_lines(queue: Queue, board: Board, row: Row, crowd: Crowd) -> Lines:
    """The lines of one front.  row: its own on the board."""
    cheap, dear = (
        Line(QueueOf(queue, board, row, is_dear=is_dear), crowd, has_express=not is_dear) for is_dear in (False, True)
    )
    return cheap, dear
