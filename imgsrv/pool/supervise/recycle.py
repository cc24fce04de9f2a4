"""Replacement of living workers: for a job that hangs, a limit of memory or jobs, or a signal from somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imgsrv.observe.processes import proportional_bytes
from imgsrv.pool.child import Child
from imgsrv.pool.roster import Roster
from imgsrv.pool.slot import Slot, State

MEMORY_PERIOD_S = 5.0
"""Each worker's memory is measured once in this time; a measurement takes the kernel a millisecond or more."""


class Replacing:
    """Checks the workers of a roster in each turn of the loop.  facts: what of a job's plan is for the log."""

    def __init__(self, roster: Roster, facts: Callable[[bytes], dict[str, Any]]) -> None:
        self._roster, self._facts = roster, facts
        self._next_to_measure, self._measured_at = 0, 0.0

    def step(self, now: float) -> None:
        """Retire a worker that cannot serve at once.  Replace one that can by a successor first, one at a time."""
        roster = self._roster
        measured = self._slots_to_measure(now)
        is_busy = any(slot.successor is not None for slot in roster.slots) or any(
            child.retired_at is not None and not child.is_hung for child in roster.children.values()
        )
        for child in roster.serving():
            slot = child.slot
            memory = proportional_bytes(child.pid) if slot in measured else None
            reason = child.reason_to_replace(now, memory, roster.limits.memory)
            if reason in ("hang", "signal", "garbled", "silent"):
                child.is_hung = reason != "signal"
                self._note_replacement(child, reason)
                child.retire(now)
                slot.abandon(now)
            elif reason is not None and not is_busy and slot.may_be_replaced(now):
                is_busy = True
                self._note_replacement(child, reason)
                roster.fork(slot)

    def kill_job(self, child: Child, began_us: int, now: float) -> None:
        """End a job.  Its client is told; its worker, which cannot be interrupted, is replaced as one that hangs."""
        child.is_hung = True
        child.kill_job(began_us)
        self._note_replacement(child, "kill")
        if self._roster.is_stopping:
            return  # the worker goes anyway, and without a client it does not wait for the job
        child.retire(now)
        if child.slot.pid == child.pid and child.slot.state is State.READY:
            child.slot.abandon(now)

    def _slots_to_measure(self, now: float) -> list[Slot]:
        """Return the slots whose turn it is, so that each slot is measured once in a period."""
        slots = self._roster.slots
        count = len(slots)
        due = int((now - self._measured_at) * count / MEMORY_PERIOD_S) if self._roster.limits.memory else 0
        if due:
            self._measured_at = now
        first = self._next_to_measure
        self._next_to_measure = (first + min(due, count)) % max(1, count)
        return [slots[(first + turn) % count] for turn in range(min(due, count))]

    def _note_replacement(self, child: Child, reason: str) -> None:
        child.row.add(f"replaced_{reason}")
        level, facts = self._roster.events.info, {}
        if child.is_hung:
            # The log says which request takes so long and what it asks for.
            level, facts = self._roster.events.warning, child.box.facts(self._facts)
        level("worker_replaced", slot=child.slot.index, pid=child.pid, reason=reason, **facts)
