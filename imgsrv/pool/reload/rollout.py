"""The second half of a reload: the workers of the old code are replaced by those of the new, slot by slot.

Each new worker is forked beside the old one and must be ready before the next slot's turn.  No old worker is told to go
before all new ones are ready: if one of them cannot boot, those that could are sent away and nothing has changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsrv.pool.child import Child
from imgsrv.pool.slot import Slot, State

if TYPE_CHECKING:
    from imgsrv.pool.control.control_socket import Caller
    from imgsrv.pool.master import Master


class Rollout:
    """One that is under way.  caller: who asked for the reload."""

    def __init__(self, master: Master, caller: Caller) -> None:
        self._master, self.caller = master, caller
        self._todo = list(master.slots)
        self._kept: list[Child] = []
        self._begun: Slot | None = None

    def step(self, now: float) -> bool:
        """Do what can be done now; whether the rollout is over."""
        while self._todo:
            slot = self._todo[0]
            if not self._is_new(slot):
                return self._has_failed(slot, now)
            self._todo.pop(0)
            self.caller.progress(slot=slot.index, step="ready", pid=slot.pid, of=len(self._master.slots))
        for child in self._kept:
            child.retire(now)
        self._master.events.info("reloaded", generation=self._master.generation)
        self.caller.done({"generation": self._master.generation, "size": len(self._master.slots)})
        return True

    def keep(self, child: Child) -> None:
        """Its successor is ready; it serves on until all are."""
        self._kept.append(child)

    def forget(self, child: Child) -> None:
        """It has died."""
        if child in self._kept:
            self._kept.remove(child)

    def cancel(self) -> None:
        """The server stops: all workers go, old or new."""
        self.caller.failed("the server was told to stop")

    def _is_new(self, slot: Slot) -> bool:
        child = self._master.children.get(slot.pid or 0)
        return slot.state is State.READY and child is not None and child.generation == self._master.generation

    def _has_failed(self, slot: Slot, now: float) -> bool:
        """Bring the slot's new worker on its way; whether it could not boot."""
        if self._begun is not slot:
            self._begun, slot.boot_failures = slot, 0
            if slot.state in (State.FAILED, State.BACKOFF):
                slot.revive(now)
            self.caller.progress(slot=slot.index, step="starting", of=len(self._master.slots))
        if slot.boot_failures:
            self._roll_back(slot, now)
            return True
        if slot.state is State.READY and slot.successor is None and not self._master.fork(slot):
            self._roll_back(slot, now)
            return True
        return False

    def _roll_back(self, failed: Slot, now: float) -> None:
        """The kept workers take their slots back; those that took their places are to go."""
        for child in self._kept:
            taken_by = self._master.children.get(child.slot.pid or 0)
            child.slot.take_back(child.pid)
            if taken_by is not None:
                taken_by.retire(now)
        reason = f"slot {failed.index} cannot start a new worker: {failed.reason}"
        self._master.events.error("reload_failed", reason=reason)
        self.caller.failed(f"{reason}; the old workers serve on")
