"""The commands for a running instance: one for each row of pool/control/commands.py, and `list`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from imgsrv.cli import _render
from imgsrv.cli._awaiting import restarted
from imgsrv.cli._control_client import add_folder, add_instance, ask, folder_of, place_of, running, take_bare_name
from imgsrv.cli._failures import say
from imgsrv.cli.instances.every import add_all, each, every_place, say_of, stopped
from imgsrv.errors import ImgsrvError, NoSuchInstance
from imgsrv.pool.control.commands import COMMANDS, Command
from imgsrv.pool.control.instances import Place

FOR_ALL = {
    **dict.fromkeys(("status", "describe", "ping", "stop", "reopen-logs"), False),
    **dict.fromkeys(("reload", "restart"), True),
}
"""Commands that take `--all`, and whether the instances do it one after the other."""

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
        if command.name in FOR_ALL:
            add_all(parser, "do this to")
        parser.set_defaults(run=run, command=command.name, argument=None, is_all=False)
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
    if parsed.is_all:
        return _run_all(parsed)
    result = _done(parsed, place_of(parsed), _show_progress)
    if parsed.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        _view(parsed, result)
    return 0


def _run_all(parsed: argparse.Namespace) -> int:
    """Send the command to every instance; one that fails stops no other.  Return 1 if any fails."""
    status, results = 0, {}
    places = every_place(parsed)
    act = partial(_done_of_all, parsed)
    for place, result in each(places, act, is_careful=FOR_ALL[parsed.command]):
        if isinstance(result, NoSuchInstance) and parsed.command == "stop":
            say(f"{place.name} does not run")
        elif isinstance(result, ImgsrvError):
            say_of(place.name, result)
            status, results[place.name] = 1, {"error": str(result)}
        elif parsed.json:
            results[place.name] = result
        else:
            _view(parsed, result)
    if parsed.json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
    elif not places:
        print("no instance runs")
    return status


def _done_of_all(parsed: argparse.Namespace, place: Place) -> Any:
    return _done(parsed, place, lambda facts: _show_progress({"instance": place.name, **facts}))


def _done(parsed: argparse.Namespace, place: Place, on_progress: Callable[[Mapping[str, Any]], None]) -> Any:
    """Send the command to one instance; return its answer."""
    if parsed.command == "restart":
        return restarted(place, on_progress)
    return ask(place, parsed.command, parsed.argument, on_progress=on_progress, patience_s=_patience(parsed))


def _view(parsed: argparse.Namespace, result: Any) -> None:
    VIEWS.get(parsed.command, _render.outcome)(result)


def run_list(parsed: argparse.Namespace) -> int:
    """Show every running instance.  Raises BadSetting."""
    found = running(folder_of(parsed))
    rows = [*found.values(), *stopped(parsed, found)]
    if parsed.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _render.instances(rows)
    return 0


def _help(command: Command) -> str:
    return f"{command.summary[0].lower()}{command.summary[1:].split(';')[0].split(':')[0].rstrip('.')}"


def _patience(parsed: argparse.Namespace) -> float | None:
    """Return the longest silence in seconds: commands that only report answer at once; others have no limit."""
    return 15.0 if parsed.command in VIEWS else None


def _show_progress(facts: Mapping[str, Any]) -> None:
    say("  ".join(f"{name} {fact}" for name, fact in facts.items()))
