"""New connections go to the slots that serve; to all, to wait there, where none does."""

from __future__ import annotations

from collections.abc import Sequence

from imgsrv.pool.listen.tcp import Listening
from imgsrv.pool.slot import Slot, State


class Steering:
    """Tells the kernel, whenever it is no longer as it was told."""

    def __init__(self, listener: Listening) -> None:
        self._listener = listener
        self._chosen: list[int] = []

    def step(self, slots: Sequence[Slot]) -> bool:
        """Do it where it is due; whether the pool serves, and every worker does that is not to fail."""
        staying = [slot for slot in slots if slot.leaving_at is None]
        ready = [slot.index for slot in staying if slot.state is State.READY]
        chosen = ready or [slot.index for slot in staying]
        if chosen != self._chosen:
            self._chosen = chosen
            self._listener.choose(chosen)
        is_settled = all(slot.state is not State.STARTING or slot.boot_failures for slot in slots)
        return bool(ready) and is_settled
