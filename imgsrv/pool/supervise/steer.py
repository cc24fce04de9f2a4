"""Two checks of every turn of the master's loop: which slots get connections, and whether its clock can be trusted."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

from imgsrv.pool.events import Events
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.slot import Slot, State

SUSPENDED_S = 5.0
"""A turn of the loop takes a second; in a longer gap than this one the master did not run."""


class Steering:
    """Sends new connections to the slots that serve; to all of them, to wait there, while none serves."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._chosen: list[int] = []

    def step(self, slots: Sequence[Slot], silent: Container[int | None] = ()) -> bool:
        """Tell the listener when the set of slots changes that are ready and whose worker is not silent.

        silent: pids.
        Return whether a worker serves and every other one does too, or has failed to start.
        """
        staying = [slot for slot in slots if slot.leaving_at is None]
        ready = [slot.index for slot in staying if slot.state is State.READY]
        awake = [slot.index for slot in staying if slot.state is State.READY and slot.pid not in silent]
        chosen = awake or ready or [slot.index for slot in staying]
        if chosen != self._chosen:
            self._chosen = chosen
            self._listener.choose(chosen)
        is_settled = all(slot.state is not State.STARTING or slot.boot_failures for slot in slots)
        return bool(ready) and is_settled


class Suspension:
    """Notices that the master did not run for a while: a signal stopped it, or its machine or container was suspended.

    The clock goes on during that time, so a worker may look late that could not run either.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._turned_at, self._over_at = math.inf, 0.0

    def is_past(self, now: float) -> bool:
        """Called in each turn.  False for SUSPENDED_S after a gap, in which the workers can catch up."""
        away_s, self._turned_at = now - self._turned_at, now
        if away_s > SUSPENDED_S:
            self._events.warning("suspended", seconds=round(away_s, 1))
            self._over_at = now + SUSPENDED_S
        return now >= self._over_at
