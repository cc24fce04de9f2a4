"""The commands for a running instance: one for each row of pool/control/commands.py, and `list`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from imgsrv.cli import _render
from imgsrv.cli._awaiting import restarted
from imgsrv.cli._control_client import add_folder, add_instance, ask, place_of, running, take_bare_name
from imgsrv.pool.control.commands import COMMANDS, Command

VIEWS: dict[str, Callable[[Any], None]] = {
    "status": _render.status,
    "describe": _render.description,
    "ping": _render.identity,
}
"""Functions that print the results of commands; `_render.outcome` prints all others."""


def add_parser(commands: Any) -> None:
    """Add every command for a running instance."""
    for command in COMMANDS.values():
        parser: argparse.ArgumentParser = commands.add_parser(
            command.name, help=_help(command), description=command.summary
        )
        if command.argument is not None:
            parser.add_argument(
                "argument",
                metavar=command.argument.name,
                nargs="?" if command.argument.is_optional else None,
                help=command.argument.meaning,
            )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        add_instance(parser)
        parser.set_defaults(run=run, command=command.name, argument=None)
    listing: argparse.ArgumentParser = commands.add_parser(
        "list", help="list the running instances", description="List every running instance in the runtime folder."
    )
    listing.add_argument("--json", action="store_true", help="print the status of each as JSON")
    add_folder(listing)
    listing.set_defaults(run=run_list)


def run(parsed: argparse.Namespace) -> int:
    """Send the command and print the answer.  Raises BadSetting, NoSuchInstance, CommandFailed, BadRuntimeFolder."""
    expected = COMMANDS[parsed.command].argument
    if expected and expected.allowed and parsed.argument not in (None, *expected.allowed):
        # In `stop shop` the parser takes `shop` as the argument, which can only be `now`; it is the name.
        parsed.argument = None if take_bare_name(parsed, [parsed.argument]) else parsed.argument
    place = place_of(parsed)
    if parsed.command == "restart":
        result = restarted(place, _show_progress)
    else:
        result = ask(place, parsed.command, parsed.argument, on_progress=_show_progress, patience_s=_patience(parsed))
    if parsed.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        view = VIEWS.get(parsed.command, _render.outcome)
        view(result)
    return 0


def run_list(parsed: argparse.Namespace) -> int:
    """Show every running instance.  Raises BadSetting."""
    found = running(place_of(parsed).folder)
    if parsed.json:
        print(json.dumps(list(found.values()), indent=2, ensure_ascii=False))
    else:
        _render.instances(list(found.values()))
    return 0


def _help(command: Command) -> str:
    return f"{command.summary[0].lower()}{command.summary[1:].split(';')[0].split(':')[0].rstrip('.')}"


def _patience(parsed: argparse.Namespace) -> float | None:
    """Return the longest silence in seconds: commands that only report answer at once; others have no limit."""
    return 15.0 if parsed.command in VIEWS else None


def _show_progress(facts: Mapping[str, Any]) -> None:
    print("  ".join(f"{name} {fact}" for name, fact in facts.items()), file=sys.stderr, flush=True)
