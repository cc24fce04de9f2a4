"""More or fewer workers while clients come and go.  No connection is lost, not even one that waits to be accepted.

A slot that goes gets no new connection.  When no handshake can be under way any more, its worker empties the accept
queue, finishes with its clients and ends; then its socket is closed, the last one first.
"""

from __future__ import annotations

from imgsrv.errors import CannotListen
from imgsrv.pool.caller import Caller
from imgsrv.pool.roster import Roster
from imgsrv.pool.slot import Slot, State

STEERED_S = 1.0
"""Time between steering new connections elsewhere and telling the worker to go; a handshake is over by then."""

MOST_WORKERS = 1024


class Scaling:
    """Changes the number of slots of a roster, for callers who wait for it."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._callers: list[Caller] = []

    @property
    def wish(self) -> int:
        """The number of slots that stay."""
        return sum(slot.leaving_at is None for slot in self._roster.slots)

    @property
    def is_shrinking(self) -> bool:
        """Some slots are on their way out."""
        return self.wish < len(self._roster.slots)

    def to(self, size: int, caller: Caller) -> None:
        """Begin.  The caller is answered when there are so many workers, or when that has failed."""
        roster, now = self._roster, self._roster.clock()
        try:
            # All sockets are made before the first slot: if one cannot be made, nothing has changed.
            roster.listener.for_slot(max(size, len(roster.slots)) - 1)
        except CannotListen as error:
            for index in reversed(range(len(roster.slots), size)):
                roster.listener.close_last(index)
            caller.failed(str(error))
            return
        roster.events.info("scaling", size=size, by=caller.name)
        for slot in roster.slots:
            if slot.index < size:
                self._stay(slot, now)
            elif slot.leaving_at is None:
                slot.leaving_at = now
        for index in range(len(roster.slots), size):
            roster.slots.append(Slot(index, due=now))
        self._callers.append(caller)

    def step(self, now: float) -> None:
        """Do what can be done now, without waiting."""
        slots = self._roster.slots
        for slot in slots:
            if slot.leaving_at is not None and now - slot.leaving_at > STEERED_S:
                self._let_go(slot, now)
        while slots and slots[-1].leaving_at is not None and slots[-1].state is State.GONE:
            if self._has_waiting(slots[-1]):
                break
            self._roster.listener.close_last(slots[-1].index)
            self._tell(slot=slots.pop().index, step="gone")
        if self._callers:
            self._answer()

    def cancel(self) -> None:
        """Give up, because the server stops."""
        while self._callers:
            self._callers.pop().failed("the server was told to stop")

    @staticmethod
    def _stay(slot: Slot, now: float) -> None:
        """Keep a slot that was to go.  A worker that was already told to go does."""
        if slot.leaving_at is None:
            return
        slot.leaving_at = None
        if slot.state is State.DRAINING:
            slot.abandon(now)
        elif slot.state is State.GONE:
            slot.revive(now)

    def _let_go(self, slot: Slot, now: float) -> None:
        has_waiting = self._has_waiting(slot)
        if slot.state is State.GONE and has_waiting:
            # A connection came late, or a worker died before it accepted it.
            slot.revive(now)
        elif slot.state is State.FAILED or (slot.state is State.BACKOFF and not has_waiting):
            slot.state = State.GONE
        elif slot.state is State.READY and slot.successor is None and slot.pid is not None:
            child = self._roster.children[slot.pid]
            child.row.set("is_leaving", 1)
            child.retire(now)
            slot.stop()
            self._tell(slot=slot.index, step="leaving", pid=child.pid)

    def _has_waiting(self, slot: Slot) -> bool:
        listener = self._roster.listener
        return listener.has_queues and listener.has_waiting(slot.index)

    def _answer(self) -> None:
        slots = self._roster.slots
        failed = next((slot for slot in slots if slot.boot_failures and slot.leaving_at is None), None)
        if failed is not None:
            reason = f"slot {failed.index} cannot start: {failed.reason}"
            while self._callers:
                self._callers.pop().failed(reason)
        elif not self.is_shrinking and all(slot.state is State.READY for slot in slots):
            self._roster.events.info("scaled", size=len(slots))
            while self._callers:
                self._callers.pop().done({"size": len(slots)})

    def _tell(self, **facts: object) -> None:
        for caller in self._callers:
            caller.progress(**facts)
