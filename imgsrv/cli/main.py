"""`imgsrv`: the command line, one module for each command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from imgsrv import __version__
from imgsrv.cli import bench, config, convert, logs, monit, operate, operations, serve, start, systemd_unit
from imgsrv.cli._control_client import take_bare_name
from imgsrv.errors import BadRuntimeFolder, CommandFailed, ImgsrvError, NoSuchInstance
from imgsrv.wording import closest

EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_INTERRUPTED = 130

FAILURES = (NoSuchInstance, CommandFailed, BadRuntimeFolder)
"""Nothing is wrong with how it was asked: at another time the same would have worked."""

OF_PM2 = {
    "delete": "stop",
    "info": "describe",
    "jlist": "list",
    "kill": "stop",
    "ls": "list",
    "reloadLogs": "reopen-logs",
    "save": "systemd-unit",
    "show": "describe",
    "startup": "systemd-unit",
}
"""What pm2 calls them."""

EPILOG = """examples:
  imgsrv serve --workers max
  imgsrv start --workers max
  imgsrv status
  imgsrv convert photo.jpg small.webp resize:width=800/sharpen
  imgsrv operations resize
  imgsrv bench --self

`imgsrv COMMAND --help` explains each command."""


class Parser(argparse.ArgumentParser):
    """One that does not hide what is wrong behind a page of all that it takes."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message and where to read more."""
        self.exit(EXIT_BAD_ARGUMENTS, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def main() -> None:
    """Run the command and exit with its status: 0 done, 1 failed, 2 wrongly asked."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit status of a command line."""
    parser = Parser(
        prog="imgsrv",
        description="POST a picture, get it back processed, on every core of one machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = _add_commands(parser)
    if not arguments:
        parser.print_help(sys.stderr)
        return EXIT_BAD_ARGUMENTS
    if not arguments[0].startswith("-") and arguments[0] not in commands:
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv: {_no_command(arguments[0], commands)}\n")
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown and not take_bare_name(parsed, unknown):
        name = next(argument for argument in arguments if argument in commands)
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv {name}: {_unknown(unknown, name, commands[name])}\n")
    try:
        return int(parsed.run(parsed))
    except ImgsrvError as error:
        print(f"imgsrv: {error}", file=sys.stderr)
        return EXIT_FAILED if isinstance(error, FAILURES) else EXIT_BAD_ARGUMENTS
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _add_commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by name."""
    parser.add_argument("--version", action="version", version=f"imgsrv {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, start, operate, monit, logs, convert, operations, bench, config, systemd_unit):
        command.add_parser(commands)
    choices: dict[str, Any] = commands.choices
    return choices


def _no_command(name: str, commands: Iterable[str]) -> str:
    near = OF_PM2.get(name) or closest(name, commands)
    return f"there is no command {name!r}; " + (f"did you mean {near}?" if near else "see `imgsrv --help`")


def _unknown(arguments: list[str], name: str, command: argparse.ArgumentParser) -> str:
    """What is wrong with arguments that a command does not take, without the page of all that it takes."""
    first = arguments[0].partition("=")[0]
    if not first.startswith("-"):
        return f"{first!r} is one argument too many; see `imgsrv {name} --help`"
    near = closest(first, dict.fromkeys(re.findall(r"--[a-z][\w-]*", command.format_help())))
    hint = f"did you mean {near}?" if near else f"see `imgsrv {name} --help`"
    return f"there is no argument {first}; {hint}"
