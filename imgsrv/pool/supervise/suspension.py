"""Time in which the master stood still: with its machine, with its container, or alone, by a signal."""

from __future__ import annotations

import math

from imgsrv.pool.events import Events

SUSPENDED_S = 5.0
"""A turn of the master's loop takes a second; one that took longer than this was none."""


class Suspension:
    """Whether the clock can be believed that somebody is late: it goes on while nobody can do anything."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._turned_at, self._over_at = math.inf, 0.0

    def is_past(self, now: float) -> bool:
        """Called in each turn; False for SUSPENDED_S after one that came too late, for the others to catch up."""
        away_s, self._turned_at = now - self._turned_at, now
        if away_s > SUSPENDED_S:
            self._events.warning("suspended", seconds=round(away_s, 1))
            self._over_at = now + SUSPENDED_S
        return now >= self._over_at
