"""Client of the control socket: the command line finds a running instance by its name and sends it commands."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgsrv.cli._failures import say
from imgsrv.environment import DEFAULT_NAME, NAME_MEANING, RUNTIME_DIR_MEANING, as_flags, default_file, whereabouts
from imgsrv.errors import BadRuntimeFolder, BadSetting, CommandFailed, ImgsrvError, NoSuchInstance
from imgsrv.pool.control.instances import Place, check, names
from imgsrv.printable import printable_data

CONNECT_S = 5.0

LISTENS_BUT_IS_SILENT_S = 15.0
"""Longest wait for an answer.  A master answers within milliseconds; while it loads new code, within two seconds."""


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the folder of the control sockets to the parser."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with the settings of the instance")
    parser.add_argument("--runtime-dir", default=argparse.SUPPRESS, metavar="DIR", help=RUNTIME_DIR_MEANING)


def add_instance(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose an instance to the parser.  Its name alone, as pm2 takes it, does the same."""
    name = parser.add_argument("--name", default=argparse.SUPPRESS, metavar="NAME", help=NAME_MEANING)
    name.completer = _running_names  # type: ignore[attr-defined]  # argcomplete looks for it
    add_folder(parser)
    parser.set_defaults(takes_bare_name=True)


def take_bare_name(parsed: argparse.Namespace, words: list[str]) -> bool:
    """Use the remaining words as `--name` if they are the name of an instance; return whether they are."""
    is_name = len(words) == 1 and not words[0].startswith("-") and "name" not in parsed
    if is_name and "takes_bare_name" in parsed:
        parsed.name = words[0]
        return True
    return False


def _running_names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Complete the name of an instance."""
    try:
        return names(place_of(parsed_args).folder)
    except ImgsrvError:
        return []


def place_of(parsed: argparse.Namespace) -> Place:
    """Return the place of the socket of the instance that the flags name.  Raises BadSetting.

    The file that nobody named is left out with a warning if it is broken: a server that runs can still be stopped.
    """
    flags = {name: getattr(parsed, name) for name in ("name", "runtime_dir") if name in parsed}
    if parsed.config:
        return Place(*whereabouts(flags, parsed.config))
    try:
        return Place(*whereabouts(flags, default_file()))
    except BadSetting as error:
        found = Place(*whereabouts(flags, None))
        say(f"imgsrv: {error}; the instance is looked for without it")
        return found


def further(parsed: argparse.Namespace, words: str) -> str:
    """Return a command for the same instance as a shell takes it: `imgsrv stop --name thumbs`."""
    given = {name: vars(parsed).get(name) for name in ("name", "runtime_dir", "config")}
    return f"{_program()} {words}{as_flags(given)}"


def _program() -> str:
    """Return `imgsrv`, or the path by which it was called if that is not what a shell finds by the name."""
    import shutil  # noqa: PLC0415  5 ms that most commands do not need

    called, found = Path(sys.argv[0]), shutil.which("imgsrv")
    if called.name != "imgsrv" or (found is not None and os.path.realpath(found) == os.path.realpath(called)):
        return "imgsrv"
    return shlex.quote(str(called))


def folder_of(parsed: argparse.Namespace) -> Path:
    """Return the folder of the sockets, whichever instances it has.  Raises BadSetting."""
    return place_of(argparse.Namespace(**{"name": DEFAULT_NAME, **vars(parsed)})).folder


def ask(
    place: Place,
    command: str,
    argument: str | None = None,
    *,
    on_progress: Callable[[Mapping[str, Any]], None] = lambda _: None,
    patience_s: float | None = LISTENS_BUT_IS_SILENT_S,
) -> Any:
    """Send a command to an instance; return the result.

    on_progress: called with each report of progress.  patience_s: longest silence; None for no limit.
    Raises NoSuchInstance, CommandFailed if the instance refuses or does not answer, and BadRuntimeFolder.
    """
    with _connected(place) as connection:
        connection.settimeout(patience_s)
        try:
            connection.sendall(json.dumps({"command": command, "argument": argument}).encode() + b"\n")
            for message in _messages(connection):
                if "progress" in message:
                    on_progress(message["progress"])
                elif message["ok"]:
                    return message["result"]
                else:
                    raise CommandFailed(message["error"])
        except TimeoutError as error:
            raise CommandFailed(f"{place.name} does not answer within {patience_s:g} s") from error
        except OSError as error:
            raise CommandFailed(f"the connection to {place.name} was lost: {error.strerror}") from error
    raise CommandFailed(f"{place.name} ended before it answered")


def running(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the status of every instance in the folder by its name; only name and state if it does not answer."""
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
    try:
        place.folder.stat()
        if os.geteuid() != 0:
            # Root may control the instances of other users.
            check(place.folder)
    except FileNotFoundError:
        raise NoSuchInstance(place.name, str(place.folder), []) from None
    except OSError as error:
        raise BadRuntimeFolder(str(place.folder), error.strerror or str(error)) from error
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
        # What the server says may come from its clients, and goes to a terminal.
        yield from (printable_data(json.loads(line)) for line in lines)
