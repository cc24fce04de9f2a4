"""`--all`: a command for every instance of the file, or, without a file of several, for every one that runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from imgsrv.cli._control_client import folder_of, place_of
from imgsrv.cli._failures import say
from imgsrv.environment import DEFAULT_FILE, default_file, file_values, instance_names
from imgsrv.errors import BadArgument, BadSetting, ImgsrvError
from imgsrv.pool.control.instances import Place, names

Given = TypeVar("Given")

AT_ONCE = 32
"""Instances that are asked at the same time."""


def add_all(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--all` to the parser.  what: what the command does to each."""
    parser.add_argument(
        "--all",
        action="store_true",
        dest="is_all",
        help=f"{what} every instance that {DEFAULT_FILE} or --config names, or, if it names none, every one that runs",
    )


def named_in_file(parsed: argparse.Namespace) -> list[str]:
    """Return the instances of the file with settings; none if there is no file or it is for one.  Raises BadSetting."""
    file = parsed.config or default_file()
    return instance_names(file_values(file), file) if file else []


def one_of_all(parsed: argparse.Namespace, name: str) -> argparse.Namespace:
    """Return the arguments as they would be for one instance."""
    return argparse.Namespace(**{**vars(parsed), "name": name, "is_all": False})


def every_place(parsed: argparse.Namespace) -> list[Place]:
    """Return the places of all instances that are meant.  Raises BadSetting, BadArgument."""
    refuse_name(parsed)
    if in_file := named_in_file(parsed):
        return [place_of(one_of_all(parsed, name)) for name in in_file]
    folder = folder_of(parsed)
    return [Place(folder, name) for name in names(folder)]


def refuse_name(parsed: argparse.Namespace) -> None:
    """Raise BadArgument if one instance is named, too."""
    if "name" in parsed:
        raise BadArgument(f"--all is every instance, and --name {parsed.name} is one; leave out one of them")


def each(
    places: Iterable[Place], act: Callable[[Place], Given], *, is_careful: bool
) -> Iterator[tuple[Place, Given | ImgsrvError]]:
    """Act on each instance; yield what came of it, in the order of the places.

    is_careful: one after the other, so that never all of them are busy with it.  Else all at the same time.
    """

    def attempt(place: Place) -> Given | ImgsrvError:
        try:
            return act(place)
        except ImgsrvError as error:
            return error

    if is_careful:
        yield from ((place, attempt(place)) for place in places)
        return
    places = list(places)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from zip(places, pool.map(attempt, places), strict=True)


def say_of(name: str, error: ImgsrvError) -> None:
    """Print an error of one instance."""
    say(f"imgsrv: {name}: {error}")


def stopped(parsed: argparse.Namespace, found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each instance of the file that does not run.  found: those that run, by their names.

    A file that nobody named and that is broken is left out.
    """
    try:
        wanted = named_in_file(parsed)
    except BadSetting:
        if parsed.config:
            raise
        wanted = []
    return [{"name": name, "state": "not running"} for name in wanted if name not in found]
