"""Where the records of the one logger go: with one `write` each to standard error or to a file."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, TextIO, cast

from imgsrv.observe.log.lean_structlog import structlog
from imgsrv.observe.log.logger import LEVELS, get_logger
from imgsrv.observe.log.sink import STANDARD_ERROR, LogFile, Sink
from imgsrv.observe.log.text import NO_WRAPPING, HumanRenderer
from imgsrv.printable import printable_json

READERS_OF_UPLOADS = ("python_multipart", "multipart", "PIL", "imagecodecs")
"""Loggers of libraries that complain of each broken upload."""


def configure_logs(style: Literal["auto", "text", "json"], level: str, file: str = "") -> Sink:
    """Set up the one logger of the process; return the sink that it writes to.  Raises CannotWriteLog.

    style: `auto` is text on a terminal and JSON lines elsewhere.  file: empty for standard error.
    """
    is_terminal = not file and os.isatty(STANDARD_ERROR)
    is_text = style == "text" or (style == "auto" and is_terminal)
    renderer: Any = (
        HumanRenderer(
            os.get_terminal_size(STANDARD_ERROR).columns or NO_WRAPPING if is_terminal else NO_WRAPPING,
            has_colours=is_terminal,
            is_dated=not is_terminal,
        )
        if is_text
        else JSON
    )
    lost = partial(_lost_record, renderer)
    sink = LogFile(Path(file), lost) if file else Sink(lost)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", sink)),
        cache_logger_on_first_use=True,
    )
    libraries = logging.getLogger()
    libraries.handlers = [one for one in libraries.handlers if not isinstance(one, _Libraries)] + [_Libraries()]
    return sink


class _Libraries(logging.Handler):
    """Takes the warnings of libraries into the log.

    Without it `logging` writes them to standard error as they are: with control characters of a client, and waiting
    for a reader.  What READERS_OF_UPLOADS say, the client is told already.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(READERS_OF_UPLOADS):
            level = min(record.levelno, logging.ERROR)
            get_logger().log(level, "library", logger=record.name, reason=record.getMessage(), exc_info=record.exc_info)


def _lost_record(renderer: structlog.typing.Processor, count: int) -> str:
    facts = {"count": count, "pid": os.getpid(), "event": "log_records_lost", "level": "warning"}
    return f"{renderer(None, '', {**facts, 'timestamp': datetime.now(UTC).isoformat()})!s}\n"


def _as_json(record: structlog.typing.EventDict, **options: Any) -> str:
    return printable_json(json.dumps(record, **options))


JSON = structlog.processors.JSONRenderer(_as_json, ensure_ascii=False, default=str)
