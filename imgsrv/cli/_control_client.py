"""A running instance as the command line reaches it: over its control socket, by its name."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgsrv.cli._flags import read_settings
from imgsrv.errors import BadRuntimeFolder, CommandFailed, NoSuchInstance
from imgsrv.pool.control.instances import Place, check, names
from imgsrv.settings import Settings, flag_name, runtime_folder

CONNECT_S = 5.0

LISTENS_BUT_IS_SILENT_S = 15.0
"""A master answers within milliseconds, but for the second or two in which it loads new code."""


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags that say where the control sockets are."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the settings of the instance")
    _add(parser, "runtime_dir", "DIR")


def add_instance(parser: argparse.ArgumentParser) -> None:
    """Give the parser the flags that say which instance is meant; its bare name, as pm2 takes it, means the same."""
    _add(parser, "name", "NAME")
    add_folder(parser)
    parser.set_defaults(takes_bare_name=True)


def take_bare_name(parsed: argparse.Namespace, words: list[str]) -> bool:
    """Whether the words that no argument has taken are the name of an instance, which is then taken as `--name`."""
    is_name = len(words) == 1 and not words[0].startswith("-") and "name" not in parsed
    if is_name and "takes_bare_name" in parsed:
        parsed.name = words[0]
        return True
    return False


def _add(parser: argparse.ArgumentParser, setting: str, metavar: str) -> None:
    meaning = str(Settings.model_fields[setting].description).replace("%", "%%")
    parser.add_argument(flag_name(setting), dest=setting, default=argparse.SUPPRESS, metavar=metavar, help=meaning)


def place_of(parsed: argparse.Namespace) -> Place:
    """Where the instance that the flags name has its socket.  Raises BadSetting."""
    settings = read_settings(parsed).settings
    return Place(runtime_folder(settings.runtime_dir), settings.name)


def ask(
    place: Place,
    command: str,
    argument: str | None = None,
    *,
    on_progress: Callable[[Mapping[str, Any]], None] = lambda _: None,
    patience_s: float | None = LISTENS_BUT_IS_SILENT_S,
) -> Any:
    """The result of a command.  patience_s: longest silence; None for a command that takes its time.

    Raises NoSuchInstance, CommandFailed where the instance refuses or does not answer, and BadRuntimeFolder.
    """
    with _connected(place) as connection:
        connection.settimeout(patience_s)
        connection.sendall(json.dumps({"command": command, "argument": argument}).encode() + b"\n")
        try:
            for message in _messages(connection):
                if "progress" in message:
                    on_progress(message["progress"])
                elif message["ok"]:
                    return message["result"]
                else:
                    raise CommandFailed(message["error"])
        except TimeoutError as error:
            raise CommandFailed(f"{place.name} listens and does not answer within {patience_s:g} s") from error
        except OSError as error:
            raise CommandFailed(f"the connection to {place.name} was lost: {error.strerror}") from error
    raise CommandFailed(f"{place.name} ended before it answered")


def running(folder: Path) -> dict[str, dict[str, Any]]:
    """The status of every instance in the folder, by its name; of one that does not answer, only its name."""
    found: dict[str, dict[str, Any]] = {}
    for name in names(folder):
        try:
            found[name] = ask(Place(folder, name), "status", patience_s=CONNECT_S)
        except NoSuchInstance:
            continue
        except CommandFailed as error:
            found[name] = {"name": name, "state": f"unknown: {error}"}
    return found


@contextmanager
def _connected(place: Place) -> Iterator[socket.socket]:
    if not place.folder.exists():
        raise NoSuchInstance(place.name, str(place.folder), [])
    if os.geteuid() != 0:
        # To root it is nothing that another user runs an instance.
        check(place.folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(str(place.socket))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            others = [
                name for name in names(place.folder) if name != place.name and _listens(Place(place.folder, name))
            ]
            raise NoSuchInstance(place.name, str(place.folder), others) from error
        except OSError as error:
            # A path that is too long has no errno.
            raise BadRuntimeFolder(str(place.folder), error.strerror or str(error)) from error
        yield connection


def _listens(place: Place) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_S)
        return connection.connect_ex(str(place.socket)) == 0


def _messages(connection: socket.socket) -> Iterator[dict[str, Any]]:
    rest = b""
    while data := connection.recv(65536):
        *lines, rest = (rest + data).split(b"\n")
        yield from map(json.loads, lines)
