"""The logger: a record is an event name and facts; `configure.py` says where it goes.

log = get_logger(); log.info("worker_exit", slot=3, pid=4711, status=9)
"""

from __future__ import annotations

import logging
from typing import Any, Protocol, cast

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Logger(Protocol):
    """Takes the name of an event and its facts."""

    def bind(self, **facts: Any) -> Logger:
        """Return a logger that adds the facts to each of its records."""
        ...

    def debug(self, event: str, **facts: Any) -> Any:
        """Record what helps to find a fault."""
        ...

    def info(self, event: str, **facts: Any) -> Any:
        """Record what happened."""
        ...

    def warning(self, event: str, **facts: Any) -> Any:
        """Record what somebody should look at."""
        ...

    def error(self, event: str, **facts: Any) -> Any:
        """Record what somebody must mend."""
        ...

    def exception(self, event: str, **facts: Any) -> Any:
        """Record an error with its traceback."""
        ...

    def log(self, level: int, event: str, **facts: Any) -> Any:
        """Record an event at a level of `logging`."""
        ...


def get_logger() -> Logger:
    """Return the one logger of the process; it works before `configure_logs`, too."""
    # Commands that ask a running server write no log and must start quickly.
    from imgsrv.observe.log.lean_structlog import structlog  # noqa: PLC0415

    return cast("Logger", structlog.get_logger())
