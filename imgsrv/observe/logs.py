"""Logs: an event name and facts, one `write` for each record, on standard error.

log = get_logger(); log.info("worker_exit", slot=3, pid=4711, status=9)
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, cast

import structlog

Logger = structlog.typing.FilteringBoundLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(style: Literal["auto", "text", "json"], level: str) -> None:
    """Set up the process's one logger; `auto` is text on a terminal and JSON lines elsewhere."""
    is_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_text else "iso", utc=not is_text)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get_logger() -> Logger:
    """The logger; configured or not, it is the same one everywhere."""
    return cast("Logger", structlog.get_logger())
