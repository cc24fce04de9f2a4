"""The last part of a reload: workers of the new code replace those of the old code, slot by slot.

Each new worker is forked beside the old one and must be ready before the next slot's turn.  No old worker is told to go
before all new ones are ready.  If a new one cannot boot, the new ones that could are sent away, and the old workers
serve on.
"""

from __future__ import annotations

from imgsrv.pool.caller import Caller
from imgsrv.pool.roster import Roster
from imgsrv.pool.slot import Slot, State


class Rollout:
    """One rollout that is under way.  caller: the one who asked for the reload."""

    def __init__(self, roster: Roster, caller: Caller) -> None:
        self._roster, self._caller = roster, caller
        self._todo = list(roster.slots)
        self._begun: Slot | None = None
        roster.kept = []

    def step(self, now: float) -> bool:
        """Do what can be done now; return whether the rollout is over."""
        roster = self._roster
        while self._todo:
            slot = self._todo[0]
            if not self._is_new(slot):
                return self._has_failed(slot, now)
            self._todo.pop(0)
            self._caller.progress(slot=slot.index, step="ready", pid=slot.pid, of=len(roster.slots))
        kept, roster.kept = roster.kept or [], None
        for child in kept:
            child.retire(now)
        roster.events.info("reloaded", generation=roster.generation)
        inherited = roster.inherited
        # Another number in the settings comes next; else the number stays as `scale` has left it.
        is_new = inherited is not None and inherited.size != roster.size
        self._caller.done({"generation": roster.generation, "size": roster.size if is_new else len(roster.slots)})
        return True

    def cancel(self) -> None:
        """Give up, because the server stops and all workers go, old and new."""
        self._roster.kept = None
        self._caller.failed("the server was told to stop")

    def _is_new(self, slot: Slot) -> bool:
        child = self._roster.children.get(slot.pid or 0)
        return slot.state is State.READY and child is not None and child.generation == self._roster.generation

    def _has_failed(self, slot: Slot, now: float) -> bool:
        """Start the slot's new worker; return whether it cannot boot, after going back to the old workers."""
        if self._begun is not slot:
            self._begun, slot.boot_failures = slot, 0
            if slot.state in (State.FAILED, State.BACKOFF):
                slot.revive(now)
            self._caller.progress(slot=slot.index, step="starting", of=len(self._roster.slots))
        if slot.boot_failures:
            self._roll_back(slot, now)
            return True
        if slot.state is State.READY and slot.successor is None and not self._roster.fork(slot):
            self._roll_back(slot, now)
            return True
        return False

    def _roll_back(self, failed: Slot, now: float) -> None:
        """Give the kept workers their slots back, and send the new workers away."""
        kept, self._roster.kept = self._roster.kept or [], None
        for child in kept:
            taken_by = self._roster.children.get(child.slot.pid or 0)
            child.slot.take_back(child.pid)
            if taken_by is not None:
                taken_by.retire(now)
        reason = f"slot {failed.index} cannot start a new worker: {failed.reason}"
        self._roster.events.error("reload_failed", reason=reason)
        self._caller.failed(f"{reason}; the old workers serve on")
