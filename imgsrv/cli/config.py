"""`imgsrv config`: print every setting, its value, and the source of the value."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgsrv.cli._failures import say
from imgsrv.cli._flags import add_settings, given_flags, read_settings
from imgsrv.environment import default_file, flag_name
from imgsrv.errors import BadSetting, ImgsrvError
from imgsrv.settings import Settings, read_configuration, shown
from imgsrv.settings_checks import REACHABLE, UNIX_PREFIX, a_folder, split_address

EXIT_WRONG = 2


def add_parser(commands: Any) -> None:
    """Add `config` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "config",
        description="Print every setting, its value and the source of the value.  It takes the same flags as serve.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--check", action="store_true", help="print all faults and exit with status 2; without a fault, print `ok`"
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Print the configuration; return the exit status.  Raises BadSetting."""
    if parsed.check:
        return _check(parsed)
    configuration = read_settings(parsed)
    values, sources = shown(configuration.settings), configuration.sources
    if parsed.json:
        facts = {name: {"value": value, "source": sources[name]} for name, value in values.items()}
        print(json.dumps(facts, indent=2))
        return 0
    lines = [("flag", "value", "source"), *((flag_name(name), str(values[name]), sources[name]) for name in values)]
    flag_width, value_width = (max(len(line[column]) for line in lines) for column in (0, 1))
    rows = ((f"{flag:<{flag_width}}  {value:<{value_width}}  {source}", source) for flag, value, source in lines)
    # Not a rich table, which would break a long path in two.
    if sys.stdout.isatty():
        _print_coloured(rows)
    else:
        print("\n".join(line for line, _source in rows))
    return 0


def _print_coloured(rows: Iterator[tuple[str, str]]) -> None:
    from imgsrv.cli._tables import Screen  # noqa: PLC0415  a pipe needs no colours

    screen = Screen(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line, source in rows:
        screen.print(line, style={"default": "dim", "source": "bold"}.get(source))


def _faults_of_hosts(settings: Settings) -> Iterator[BadSetting]:
    """Hosts that are neither an address nor a known name.  Whether their ports are free, only a start can tell."""
    if not settings.host.startswith(UNIX_PREFIX):
        yield from _faults_of_host("host", settings.host, settings.host, "127.0.0.1 or 0.0.0.0")
    for name in ("agent_listen", "metrics_listen"):
        if given := getattr(settings, name):
            yield from _faults_of_host(name, given, split_address(given)[0], "127.0.0.1:8001 or 0.0.0.0:8001")


def _faults_of_host(name: str, given: str, host: str, examples: str) -> Iterator[BadSetting]:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no name of a host"
        yield BadSetting(f"{flag_name(name)}={given}", f"{reason}; give an address such as {examples}")


def _faults_of_places(settings: Settings) -> Iterator[BadSetting]:
    """Files that a start makes, in folders that do not take them: a log file, or a Unix socket."""
    if settings.log_file and (reason := _why_not_written(Path(settings.log_file))) is not None:
        yield BadSetting(f"--log-file={settings.log_file}", reason)
    if settings.host.startswith(UNIX_PREFIX):
        try:
            a_folder(str(Path(settings.host.removeprefix(UNIX_PREFIX)).parent))
        except ValueError as error:
            yield BadSetting(f"--host={settings.host}", str(error))


def _faults_of_fonts(settings: Settings) -> Iterator[BadSetting]:
    """A folder without fonts that can be used, or a fallback that is no font."""
    if settings.font_dir or settings.font_fallback:
        from imgsrv.server.boot import load_fonts  # noqa: PLC0415  most configurations name no fonts

        try:
            load_fonts(settings)
        except BadSetting as error:
            yield error


def _why_not_written(file: Path) -> str | None:
    """Return why this user cannot write a file; nothing is made."""
    try:
        try:
            os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            a_folder(str(file.parent))
            if not os.access(file.parent, os.W_OK | os.X_OK):
                return f"user {os.geteuid()} may not write to the folder {file.parent}; {REACHABLE}"
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be written: {error.strerror}; {REACHABLE}"
    return None


def _check(parsed: argparse.Namespace) -> int:
    """Print every fault that `serve` would find before it listens, and hooks that cannot be loaded."""
    from imgsrv.server.workers import hooks_of  # noqa: PLC0415  printing needs neither hooks nor operations
    from imgsrv.web.access.rules import faults_of  # noqa: PLC0415

    file = parsed.config or default_file()
    configuration, faults = read_configuration(given_flags(parsed), file)
    found: list[ImgsrvError] = [*faults]
    if configuration is not None:
        found += [*hooks_of(configuration.settings).faults(), *faults_of(configuration.settings)]
        found += [*_faults_of_hosts(configuration.settings), *_faults_of_places(configuration.settings)]
        found += _faults_of_fonts(configuration.settings)
    for fault in found:
        say(f"imgsrv: {fault}")
    if found:
        return EXIT_WRONG
    print(f"ok: {file or 'no file; flags, environment and defaults'}")
    return 0
