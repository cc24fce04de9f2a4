"""`imgsrv config`: print every setting, its value, and the source of the value."""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from imgsrv.cli._failures import say
from imgsrv.cli._flags import add_settings, given_flags, read_settings
from imgsrv.environment import default_file, flag_name
from imgsrv.errors import BadSetting, ImgsrvError
from imgsrv.server.workers import hooks_of
from imgsrv.settings import Settings, read_configuration
from imgsrv.settings_checks import split_address

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
    values, sources = configuration.settings.model_dump(mode="json"), configuration.sources
    if parsed.json:
        rows = {name: {"value": value, "source": sources[name]} for name, value in values.items()}
        print(json.dumps(rows, indent=2))
        return 0
    lines = [("flag", "value", "source"), *((flag_name(name), str(values[name]), sources[name]) for name in values)]
    flag_width, value_width = (max(len(line[column]) for line in lines) for column in (0, 1))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for flag, value, source in lines:
        # Not a rich table, which would break a long path in two if the output is not a terminal.
        style = {"default": "dim", "source": "bold"}.get(source)
        console.print(f"{flag:<{flag_width}}  {value:<{value_width}}  {source}", style=style)
    return 0


def _faults_of_hosts(settings: Settings) -> Iterator[BadSetting]:
    """Hosts that are neither an address nor a known name.  Whether their ports are free, only a start can tell."""
    if not settings.host.startswith("unix:"):
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


def _check(parsed: argparse.Namespace) -> int:
    """Print every fault that `serve` would find before it listens, and hooks that cannot be loaded."""
    from imgsrv.web.access.rules import faults_of  # noqa: PLC0415  it needs operations, and printing does not

    file = parsed.config or default_file()
    configuration, faults = read_configuration(given_flags(parsed), file)
    found: list[ImgsrvError] = [*faults]
    if configuration is not None:
        found += [*hooks_of(configuration.settings).faults(), *faults_of(configuration.settings)]
        found += _faults_of_hosts(configuration.settings)
    for fault in found:
        say(f"imgsrv: {fault}")
    if found:
        return EXIT_WRONG
    print(f"ok: {file or 'no file; flags, environment and defaults'}")
    return 0
