"""`imgsrv`: the command line, one module for each command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NoReturn

from imgsrv import __version__
from imgsrv.cli._failures import flush_output, open_streams, say, sentence
from imgsrv.cli.shell.completion import complete
from imgsrv.environment import asked_line
from imgsrv.errors import BadRuntimeFolder, CommandFailed, ImgsrvError, NoSuchInstance, RunStopped
from imgsrv.wording import closest

EXIT_FAILED = 1
EXIT_BAD_ARGUMENTS = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141

MODULES = (
    *("serve", "start", "operate", "monit", "logs"),
    *("convert", "operations", "bench", "config", "systemd_unit", "shell.completion"),
    *("access.keys", "access.sign", "keeping.cache"),
)
"""Modules of the commands, in the order of the help.  Each has the command of its name; `operate` has several."""

FAILURES = (NoSuchInstance, CommandFailed, BadRuntimeFolder, RunStopped)
"""Errors of a correct command line: the same command can work at another time."""

PM2_COMMANDS = {
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
"""Commands of pm2 and the commands here that do the same."""

EPILOG = """examples:
  imgsrv serve --workers max
  imgsrv start --workers max
  imgsrv status
  imgsrv convert photo.jpg small.webp resize:width=800/sharpen
  imgsrv operations resize
  imgsrv bench --self

`imgsrv COMMAND --help` explains each command."""


class Parser(argparse.ArgumentParser):
    """Parser that prints one line for an error, without the usage of the command."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message and a reference to the help."""
        self.exit(EXIT_BAD_ARGUMENTS, f"{self.prog}: {message}; see `{self.prog} --help`\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit; a message that nobody can read is dropped."""
        if message:
            say(message.rstrip("\n"))
        sys.exit(status)


def main() -> None:
    """Run the command and exit: 0 done, 1 failed, 2 wrong arguments, 130 interrupted, 141 nobody reads the output."""
    open_streams()
    failure: OSError | None = None
    try:
        status = run(sys.argv[1:])
    except SystemExit as ended:
        # Of the parser: it has printed its help, or an error.
        status = ended.code if isinstance(ended.code, int) else EXIT_FAILED
    except OSError as error:
        failure, status = error, EXIT_FAILED
    # What was printed waits in the buffer of the stream.  If it cannot be written now, that was the failure.
    unwritten = flush_output()
    if isinstance(failure or unwritten, BrokenPipeError):
        # The reader, such as `head`, has ended.
        status = EXIT_NO_READER
    elif failure is not None or unwritten is not None:
        status = status or EXIT_FAILED
        say(f"imgsrv: {sentence(unwritten or failure or OSError(), of_output=unwritten is not None)}")
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command line; return its exit status."""
    if (asked := asked_line()) is not None:
        complete(_parser_for(asked[1] if len(asked) > 1 else "")[0])
    if arguments == ["--version"]:
        print(f"imgsrv {__version__}")
        return 0
    parser, commands = _parser_for(arguments[0] if arguments else "")
    if not arguments:
        parser.print_help(sys.stderr)
        return EXIT_BAD_ARGUMENTS
    if not arguments[0].startswith("-") and arguments[0] not in commands:
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv: {_no_command(arguments[0], commands)}\n")
    parsed, unknown = parser.parse_known_args(arguments)
    from imgsrv.cli._control_client import take_bare_name  # noqa: PLC0415  `imgsrv --version` does not need it

    if unknown and not take_bare_name(parsed, unknown):
        name = next(argument for argument in arguments if argument in commands)
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv {name}: {_unknown(unknown, name, commands[name])}\n")
    try:
        return int(parsed.run(parsed))
    except ImgsrvError as error:
        say(f"imgsrv: {error}")
        return EXIT_FAILED if isinstance(error, FAILURES) else EXIT_BAD_ARGUMENTS
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def whole_parser() -> Parser:
    """Return the parser with all commands, as the manual page has them."""
    return _parser(MODULES)[0]


def _parser_for(asked: str) -> tuple[Parser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command with this name, or of every command if there is none.

    So only the module of that command is imported: `imgsrv list` does not need OpenCV.
    """
    name = asked.replace("-", "_")
    parser, commands = _parser((next((module for module in MODULES if module.rpartition(".")[2] == name), "operate"),))
    return (parser, commands) if asked in commands else _parser(MODULES)


def _parser(modules: Iterable[str]) -> tuple[Parser, dict[str, argparse.ArgumentParser]]:
    """Return a parser with the commands of the modules, and the parser of each command by its name."""
    parser = Parser(
        prog="imgsrv",
        description="POST a picture, get it back processed, on every core of one machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"imgsrv {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in modules:
        import_module(f"imgsrv.cli.{name}").add_parser(commands)
    choices: dict[str, Any] = commands.choices
    return parser, choices


def _no_command(name: str, commands: Iterable[str]) -> str:
    near = PM2_COMMANDS.get(name) or closest(name, commands)
    return f"there is no command {name!r}; " + (f"did you mean {near}?" if near else "see `imgsrv --help`")


def _unknown(arguments: list[str], name: str, command: argparse.ArgumentParser) -> str:
    """Return a message about arguments that a command does not take, without the usage of the command."""
    first = arguments[0].partition("=")[0]
    if not first.startswith("-"):
        return f"{first!r} is one argument too many; see `imgsrv {name} --help`"
    near = closest(first, dict.fromkeys(re.findall(r"--[a-z][\w-]*", command.format_help())))
    hint = f"did you mean {near}?" if near else f"see `imgsrv {name} --help`"
    return f"there is no argument {first}; {hint}"
