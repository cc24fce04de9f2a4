"""`python -m imgsrv.cli.documents FILE… [--check]`: `imgsrv.reference` with the table of commands too."""

from __future__ import annotations

import sys

from imgsrv.pool.control.commands import COMMANDS, Command
from imgsrv.reference.__main__ import main
from imgsrv.reference.markdown import table


def commands_table() -> str:
    """Every command for a running instance, with the signals that ask for the same."""
    return table(
        ("command", "what it does", "signal"), [(_usage(row), row.summary, _signals(row)) for row in COMMANDS.values()]
    )


def _usage(command: Command) -> str:
    if command.argument is None:
        return f"`imgsrv {command.name}`"
    name = f"[{command.argument.name}]" if command.argument.is_optional else command.argument.name
    return f"`imgsrv {command.name} {name}`"


def _signals(command: Command) -> str:
    return ", ".join(f"{signum.name}{f' ({argument})' if argument else ''}" for signum, argument in command.signals)


if __name__ == "__main__":
    sys.exit(main(more={"commands": commands_table()}))
