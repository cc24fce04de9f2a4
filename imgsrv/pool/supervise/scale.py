"""More or fewer workers while clients come and go: no connection is lost, not even one that waits to be accepted.

A slot that goes gets no new connection.  After a while for handshakes that were under way its worker empties the accept
queue, finishes with its clients and ends; then the socket is closed, the last one first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsrv.errors import CannotListen
from imgsrv.pool.slot import Slot, State

if TYPE_CHECKING:
    from imgsrv.pool.control.control_socket import Caller
    from imgsrv.pool.master import Master

STEERED_S = 1.0
"""From steering new connections elsewhere to the end of a worker: a handshake is over by then."""

MOST_WORKERS = 1024


class Scaling:
    """What is to become of the slots of one master, and who waits for it."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._callers: list[Caller] = []

    @property
    def wish(self) -> int:
        """Slots that are to stay."""
        return sum(slot.leaving_at is None for slot in self._master.slots)

    @property
    def is_shrinking(self) -> bool:
        """Some slots are on their way out."""
        return self.wish < len(self._master.slots)

    def to(self, size: int, caller: Caller) -> None:
        """Begin; the caller is answered when it is done, or cannot be."""
        master, now = self._master, self._master.clock()
        try:
            # All sockets before the first slot: where there is no descriptor for one, nothing has changed.
            master.listener.for_slot(max(size, len(master.slots)) - 1)
        except CannotListen as error:
            for index in reversed(range(len(master.slots), size)):
                master.listener.close_last(index)
            caller.failed(str(error))
            return
        master.events.info("scaling", size=size, by=caller.name)
        for slot in master.slots:
            if slot.index < size:
                self._stay(slot, now)
            elif slot.leaving_at is None:
                slot.leaving_at = now
        for index in range(len(master.slots), size):
            master.slots.append(Slot(index, due=now))
        self._callers.append(caller)

    def step(self, now: float) -> None:
        """Do what can be done now."""
        slots = self._master.slots
        for slot in slots:
            if slot.leaving_at is not None and now - slot.leaving_at > STEERED_S:
                self._let_go(slot, now)
        while slots and slots[-1].leaving_at is not None and slots[-1].state is State.GONE:
            if self._has_waiting(slots[-1]):
                break
            self._master.listener.close_last(slots[-1].index)
            self._tell(slot=slots.pop().index, step="gone")
        if self._callers:
            self._answer()

    def cancel(self) -> None:
        """The server stops."""
        while self._callers:
            self._callers.pop().failed("the server was told to stop")

    @staticmethod
    def _stay(slot: Slot, now: float) -> None:
        """It was to go and is wanted again; a worker that was told to go does."""
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
            # A connection that came late, or that a worker which died had not accepted.
            slot.revive(now)
        elif slot.state is State.FAILED or (slot.state is State.BACKOFF and not has_waiting):
            slot.state = State.GONE
        elif slot.state is State.READY and slot.successor is None and slot.pid is not None:
            child = self._master.children[slot.pid]
            child.row.set("is_leaving", 1)
            child.retire(now)
            slot.stop()
            self._tell(slot=slot.index, step="leaving", pid=child.pid)

    def _has_waiting(self, slot: Slot) -> bool:
        listener = self._master.listener
        return listener.has_queues and listener.has_waiting(slot.index)

    def _answer(self) -> None:
        slots = self._master.slots
        failed = next((slot for slot in slots if slot.boot_failures and slot.leaving_at is None), None)
        if failed is not None:
            reason = f"slot {failed.index} cannot start: {failed.reason}"
            while self._callers:
                self._callers.pop().failed(reason)
        elif not self.is_shrinking and all(slot.state is State.READY for slot in slots):
            self._master.events.info("scaled", size=len(slots))
            while self._callers:
                self._callers.pop().done({"size": len(slots)})

    def _tell(self, **facts: object) -> None:
        for caller in self._callers:
            caller.progress(**facts)
