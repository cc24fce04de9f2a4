"""How fast a run is, and when it is expected to end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

WINDOW_S = 60.0
"""The pace is that of the last minute: a bucket or a cluster changes its own."""

STEP_S = 1.0
"""Time between two points of the window."""


class Pace:
    """Pictures that are done, over time.  total: pictures of the run."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done, self._clock = total, 0, clock
        self._points = deque([(clock(), 0)])

    def count(self) -> None:
        """Count one picture that is done."""
        self.done += 1
        now = self._clock()
        if now - self._points[-1][0] >= STEP_S:
            self._points.append((now, self.done))
        while now - self._points[0][0] > WINDOW_S and len(self._points) > 1:
            self._points.popleft()

    @property
    def rate(self) -> float:
        """Pictures per second; 0 before the first is done."""
        since, before = self._points[0]
        passed = self._clock() - since
        return (self.done - before) / passed if passed > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Expected seconds until the end; None while there is no pace."""
        rate = self.rate
        return (self.total - self.done) / rate if rate else None

    def words(self, now: Callable[[], datetime] = datetime.now) -> str:
        """The pace and the expected end, by the clock of the user."""
        left_s = self.left_s
        if left_s is None or left_s > timedelta(days=365).total_seconds():
            return f"{self.rate:.1f} pictures/s"
        end = now() + timedelta(seconds=left_s)
        day = "" if end.date() == now().date() else f"{end:%a %d %b} "
        return f"{self.rate:.1f} pictures/s, expected end {day}{end:%H:%M:%S}"
