"""`imgsrv`: the command line, one module for each command."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
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

OPERATE = "operate"
"""The module of the commands for a running instance, which have a table of their own."""

MODULES = {
    "serve": "run the server",
    "start": "run the server in the background",
    OPERATE: "",
    "monit": "watch an instance live",
    "logs": "show a log file",
    "convert": "convert picture files",
    "listing.operations": "list the operations and formats",
    "listing.fonts": "list the fonts",
    "bench": "measure a server under load",
    "config": "print every setting, its value and its source",
    "systemd_unit": "print a unit for systemd",
    "shell.completion": "let a shell complete commands and options",
    "access.keys": "make, list and remove API keys",
    "access.sign": "sign a URL",
    "keeping.cache": "show or empty the result cache",
}
"""Modules of the commands, in the order of the help, each with what the command of its name does."""

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


class Commands(argparse._SubParsersAction):  # type: ignore[type-arg]  # noqa: SLF001  argparse takes no other
    """The commands, which have their line of the help from MODULES."""

    def add_parser(self, name: str, **details: Any) -> Any:
        """Add a command."""
        known = {_name_of(module): summary for module, summary in MODULES.items()}
        return super().add_parser(name, **{"help": known.get(name), **details})


class Parser(argparse.ArgumentParser):
    """Parser that prints one line for an error, without the usage of the command."""

    def error(self, message: str) -> NoReturn:
        """Exit with the message and a reference to the help."""
        self.exit(EXIT_BAD_ARGUMENTS, f"{self.prog}: {message}; see `{self.prog} --help`\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help.  That of argparse drops the error of an output that nobody reads."""
        (file or sys.stderr).write(message)

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
        complete(_parser_for(asked[1:2])[0])
    if arguments == ["--version"]:
        print(f"imgsrv {__version__}")
        return 0
    parser, commands = _parser_for(arguments)
    if not arguments:
        parser.print_help(sys.stderr)
        return EXIT_BAD_ARGUMENTS
    if arguments[0] not in commands and not _stands_alone(arguments[0]):
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv: {_no_command(arguments, commands)}\n")
    parsed, unknown = parser.parse_known_args(arguments)
    from imgsrv.cli._control_client import take_bare_name  # noqa: PLC0415  `imgsrv --version` does not need it

    if unknown and not take_bare_name(parsed, unknown):
        name = next(argument for argument in arguments if argument in commands)
        parser.exit(EXIT_BAD_ARGUMENTS, f"imgsrv {name}: {_unknown(unknown, name, commands[name])}\n")
    try:
        return int(parsed.run(parsed))
    except ImgsrvError as error:
        from imgsrv.installed import with_command  # noqa: PLC0415  as above

        say(f"imgsrv: {with_command(str(error))}")
        return EXIT_FAILED if isinstance(error, FAILURES) else EXIT_BAD_ARGUMENTS
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def whole_parser() -> Parser:
    """Return the parser with all commands, as the manual page has them."""
    return _parser(MODULES)[0]


def _parser_for(arguments: list[str]) -> tuple[Parser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command that comes first, or that of every command in outline.

    So only the module of that command is imported: `imgsrv list` does not need OpenCV.  Nothing is imported for a word
    that is no command, and for the help of all.
    """
    asked = arguments[0] if arguments else ""
    parser, commands = _parser((next((module for module in MODULES if _name_of(module) == asked), OPERATE),))
    return (parser, commands) if asked in commands else _parser(MODULES, is_outline=True)


def _name_of(module: str) -> str:
    return module.rpartition(".")[2].replace("_", "-")


def _parser(modules: Iterable[str], *, is_outline: bool = False) -> tuple[Parser, dict[str, argparse.ArgumentParser]]:
    """Return a parser with the commands of the modules, and the parser of each command by its name.

    is_outline: with the names of the commands alone, and nothing of what they take.
    """
    parser = Parser(
        prog="imgsrv",
        description="POST a picture, get it back processed, on every core of one machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"imgsrv {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, action=Commands)
    for name in modules:
        if is_outline and name != OPERATE:
            commands.add_parser(_name_of(name))
        else:
            import_module(f"imgsrv.cli.{name}").add_parser(commands)
    choices: dict[str, Any] = commands.choices
    return parser, choices


def _stands_alone(word: str) -> bool:
    """True for an option that needs no command, also shortened, as argparse takes it."""
    return word == "-h" or (len(word) > len("--") and any(one.startswith(word) for one in ("--help", "--version")))


def _no_command(arguments: list[str], commands: Mapping[str, Any]) -> str:
    name = arguments[0]
    if name.startswith("-"):
        option, command = name.partition("=")[0], next((word for word in arguments if word in commands), None)
        if command is None:
            return f"there is no option {option}; see `imgsrv --help`"
        return f"{option} comes before the command; options of {command} come after it: `imgsrv {command} {option} …`"
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
