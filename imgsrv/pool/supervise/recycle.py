"""Workers that must go though they live: who hangs, has grown too large, has done its share, or was told by others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsrv.pool.child import Child, proportional_bytes
from imgsrv.pool.slot import Slot, State

if TYPE_CHECKING:
    from imgsrv.pool.master import Master

MEMORY_PERIOD_S = 5.0
"""How often a worker's memory is measured, which takes the kernel a millisecond or more."""


class Replacing:
    """Looks at the workers of one master, again and again."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._next_to_measure, self._measured_at = 0, 0.0

    def step(self, now: float) -> None:
        """A worker that cannot serve goes at once; one that can when its successor is ready, one at a time."""
        measured = self._slots_to_measure(now)
        is_busy = any(slot.successor is not None for slot in self._master.slots) or any(
            child.retired_at is not None and not child.is_hung for child in self._master.children.values()
        )
        for child in [
            self._master.children[slot.pid] for slot in self._master.slots if slot.state is State.READY and slot.pid
        ]:
            slot = child.slot
            memory = proportional_bytes(child.pid) if slot in measured else None
            reason = child.reason_to_replace(now, memory, self._master.limits.memory)
            if reason in ("hang", "signal"):
                child.is_hung = reason == "hang"
                self._note_replacement(child, reason)
                child.retire(now)
                slot.abandon(now)
            elif reason is not None and not is_busy and slot.may_be_replaced(now):
                is_busy = True
                self._note_replacement(child, reason)
                self._master.fork(slot)

    def kill_job(self, child: Child, began_us: int, now: float) -> None:
        """End a job: its client is told, and its worker, which cannot be made to leave it, goes as one that hangs."""
        child.is_hung = True
        child.kill_job(began_us)
        self._note_replacement(child, "kill")
        if self._master.is_stopping:
            return  # it goes anyway, and without a client it waits for no job
        child.retire(now)
        if child.slot.pid == child.pid and child.slot.state is State.READY:
            child.slot.abandon(now)

    def _slots_to_measure(self, now: float) -> list[Slot]:
        """The slots whose turn it is, so that each is measured once in a period."""
        count = len(self._master.slots)
        due = int((now - self._measured_at) * count / MEMORY_PERIOD_S) if self._master.limits.memory else 0
        if due:
            self._measured_at = now
        first = self._next_to_measure
        self._next_to_measure = (first + min(due, count)) % max(1, count)
        return [self._master.slots[(first + turn) % count] for turn in range(min(due, count))]

    def _note_replacement(self, child: Child, reason: str) -> None:
        child.row.add(f"replaced_{reason}")
        level, facts = self._master.events.info, {}
        if child.is_hung:
            level, plan = self._master.events.warning, child.box.plan()
            # Whose picture it is that takes so long, and what is done with it.
            facts = self._master.coroner.facts(plan) if plan else {}
        level("worker_replaced", slot=child.slot.index, pid=child.pid, reason=reason, **facts)
