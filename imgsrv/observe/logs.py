"""Logs: an event name and facts, one `write` for each record, on standard error.

log = get_logger(); log.info("worker_exit", slot=3, pid=4711, status=9)
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any, Literal, TextIO, cast

import structlog

Logger = structlog.typing.FilteringBoundLogger

STANDARD_ERROR = 2

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Sink:
    """Standard error, a `write` for each record; one that cannot be written is lost, and no work with it.

    How many were lost is told as soon as it can be told.
    """

    def __init__(self) -> None:
        self._lost = 0

    def write(self, text: str) -> None:
        """Write a record."""
        if self._lost and self._has_taken(_lost_record(self._lost)):
            self._lost = 0
        if not self._has_taken(text):
            self._lost += 1

    def flush(self) -> None:
        """Nothing is kept back."""

    @staticmethod
    def _has_taken(text: str) -> bool:
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(STANDARD_ERROR, data) :]
        except OSError:
            return False
        return True


def _lost_record(count: int) -> str:
    return json.dumps({"count": count, "event": "log_records_lost", "level": "warning"}) + "\n"


def configure_logs(style: Literal["auto", "text", "json"], level: str) -> None:
    """Set up the process's one logger; `auto` is text on a terminal and JSON lines elsewhere."""
    is_terminal = os.isatty(STANDARD_ERROR)
    is_text = style == "text" or (style == "auto" and is_terminal)
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_text else "iso", utc=not is_text)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=is_terminal,
            pad_event_to=20,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if is_text
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            *([] if is_text else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Sink())),
        cache_logger_on_first_use=True,
    )


def get_logger() -> Logger:
    """The logger; configured or not, it is the same one everywhere."""
    return cast("Logger", structlog.get_logger())
