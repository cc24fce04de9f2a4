"""Events of the master: each is reported once, and goes to the log and to every observer.

events.warning("worker_exit", slot=3, pid=4711, reason="killed by SIGKILL")
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from imgsrv.observe.log.logger import get_logger

Facts = dict[str, Any]

Observer = Callable[[str, Facts], None]
"""Called in the master's loop with the name and the facts of an event; it must not block or raise."""

RECENT = 50
"""The number of latest events that `status` shows."""


class Events:
    """Passes each event to the log, to the list of recent events and to every observer, in this order."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.observers: list[Observer] = []
        self.recent: deque[Facts] = deque(maxlen=RECENT)
        self._clock, self._log = clock, get_logger()

    def info(self, name: str, **facts: Any) -> None:
        """Report an event that is normal."""
        self._log.info(name, **facts)
        self._tell(name, facts)

    def warning(self, name: str, **facts: Any) -> None:
        """Report an event that the server has handled and a person may want to know."""
        self._log.warning(name, **facts)
        self._tell(name, facts)

    def error(self, name: str, **facts: Any) -> None:
        """Report an event that a person should look into."""
        self._log.error(name, **facts)
        self._tell(name, facts)

    def _tell(self, name: str, facts: Facts) -> None:
        self.recent.append({"time": round(self._clock(), 3), "event": name, **facts})
        for observer in self.observers:
            observer(name, facts)
