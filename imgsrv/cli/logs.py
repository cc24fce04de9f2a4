"""`imgsrv logs`: print the last records of a log and those to come, as text or unchanged."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgsrv.cli._control_client import add_instance, ask, place_of
from imgsrv.cli._numbers import whole_number
from imgsrv.cli.instances.every import add_all, every_place, say_of
from imgsrv.cli.instances.merged_logs import show_logs, with_names
from imgsrv.environment import default_log_file
from imgsrv.errors import BadArgument, ImgsrvError, NoSuchInstance
from imgsrv.observe.log.logger import LEVELS
from imgsrv.observe.log.reader import LogReader, record_of
from imgsrv.observe.log.text import NO_WRAPPING, HumanRenderer
from imgsrv.pool.control.instances import Place
from imgsrv.printable import printable, printable_json, printable_lines

DEFAULT_LINES = 20


def add_parser(commands: Any) -> None:
    """Add `logs` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "logs",
        description="Show the last records of the log file of an instance, including rotated and compressed files.",
    )
    parser.add_argument("--file", metavar="FILE", help="read this log file; the server need not run")
    parser.add_argument("-f", "--follow", action="store_true", help="also show new records as they come")
    parser.add_argument(
        "-n",
        "--lines",
        type=whole_number(0),
        default=DEFAULT_LINES,
        metavar="N",
        help=f"number of records (default: {DEFAULT_LINES})",
    )
    parser.add_argument("--level", choices=tuple(LEVELS), default="debug", help="only records of this level and above")
    parser.add_argument("--request", metavar="ID", help="only records of the request with this X-Request-Id")
    parser.add_argument("--json", action="store_true", help="print the records unchanged, also on a terminal")
    add_instance(parser)
    add_all(parser, "show the logs of")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the records; with --follow until Ctrl-C.  Raises BadArgument, BadSetting, NoSuchInstance, CommandFailed."""
    if parsed.is_all:
        return _run_all(parsed)
    path = Path(parsed.file) if parsed.file else _log_file(place_of(parsed))
    with _opened(path) as reader:
        if not reader.is_there and not parsed.follow:
            raise BadArgument(f"there is no log file {path}; give the --log-file of the server")
        shown = _renderer(as_json=parsed.json)
        wanted = _filter(parsed.level, parsed.request)
        show_logs({"": reader}, parsed.lines, wanted, lambda _name, line: shown(line), follows=parsed.follow)
    return 0


def _opened(path: Path) -> LogReader:
    if path.exists() and not path.is_file():
        raise BadArgument(f"{printable(str(path))} is no file: a folder or a pipe has no last lines; name a log file")
    try:
        return LogReader(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadArgument(f"the log {printable(str(error.filename or path))} cannot be read: {reason}") from error


def _run_all(parsed: argparse.Namespace) -> int:
    """Print the records of all instances.  One without a log stops no other; then return 1."""
    if parsed.file:
        raise BadArgument("--all is the logs of all instances, and --file is one log; leave out one of them")
    status = 0
    with contextlib.ExitStack() as stack:
        logs: dict[str, LogReader] = {}
        for place in every_place(parsed):
            try:
                logs[place.name] = stack.enter_context(_opened(_log_file(place)))
            except ImgsrvError as error:
                say_of(place.name, error)
                status = 1
        if not logs:
            raise BadArgument("there is no log of any instance; `imgsrv list` shows those that run")
        wanted = _filter(parsed.level, parsed.request)
        shown = with_names(logs, _renderer(as_json=parsed.json), as_json=parsed.json)
        show_logs(logs, parsed.lines, wanted, shown, follows=parsed.follow)
    return status


def _log_file(place: Place) -> Path:
    """Return the log file that a running instance names; if it does not run, the file that `imgsrv start` uses."""
    try:
        found = ask(place, "status")["log_file"]
    except NoSuchInstance:
        # The log may say why the instance does not run.
        with contextlib.suppress(BadArgument, OSError):
            if (kept := default_log_file(place.name)).exists():
                return kept
        raise
    if found is None:
        raise BadArgument(f"{place.name} logs to standard error; read that, or start it with --log-file")
    return Path(found)


def _filter(level: str, request_id: str | None) -> Callable[[bytes], bool]:
    least = LEVELS[level]

    def is_wanted(line: bytes) -> bool:
        record = record_of(line)
        if record is None:
            # A line that is not a record has no level and no request.
            return level == "debug" and request_id is None
        is_asked_for = request_id is None or record.get("request_id") == request_id
        return is_asked_for and LEVELS.get(str(record.get("level")), least) >= least

    return is_wanted


def _renderer(*, as_json: bool) -> Callable[[bytes], str]:
    if as_json or not sys.stdout.isatty():
        # Another program, or an older version, may have written controls there; as escapes they mean the same.
        return lambda line: printable_json(line.decode(errors="replace"))
    human = HumanRenderer(os.get_terminal_size(sys.stdout.fileno()).columns or NO_WRAPPING, has_colours=True)

    def shown(line: bytes) -> str:
        record = record_of(line)
        return printable_lines(line.decode(errors="replace")) if record is None else human.render(record)

    return shown
