"""`imgsrv keys`: make, list and remove API keys in the file of the setting `keys_file`."""

from __future__ import annotations

import argparse
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgsrv.cli._failures import say
from imgsrv.cli.access.named_file import add_file, file_of
from imgsrv.errors import BadArgument
from imgsrv.web.access.keys import NAME, BadKeyLine, Key, make_key, parse_keys
from imgsrv.web.access.rates import Limit, parse_limit

SETTING = "keys_file"

RELOAD = "a running server uses the new file after `imgsrv reload`"

MODE = 0o600
"""Of a new file.  Its hashes are salted, but names and limits are nobody else's business."""


def add_parser(commands: Any) -> None:
    """Add `keys` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "keys",
        description="Make, list and remove API keys in a file of salted hashes.  A running server takes the file over "
        "with `imgsrv reload`.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a key and print it, once", description="Make a key and print it, once.")
    add_file(add, SETTING)
    add.add_argument("key", metavar="NAME", help="name of the key, as logs show it")
    add.add_argument("--limit", type=_limit, metavar="RATE", help="requests, such as 100/minute")
    add.add_argument("--work", type=_limit, metavar="RATE", help="seconds of an engine, such as 30/minute")
    add.add_argument("--presets", metavar="NAMES", help="the only presets that it may ask for, separated by commas")
    add.add_argument("--operator", action="store_true", help="it may also read /metrics")
    add.set_defaults(run=_add)
    for name, run, text in (
        ("list", _list, "list the keys"),
        ("remove", _remove, "remove a key; it is valid until the server is reloaded"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_file(action, SETTING)
        if name == "remove":
            action.add_argument("key", metavar="NAME", help="name of the key")
        action.set_defaults(run=run)


def _limit(text: str) -> Limit:
    try:
        return parse_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {error}") from None


def _add(parsed: argparse.Namespace) -> int:
    if NAME.fullmatch(parsed.key) is None:
        raise BadArgument(f"the name {parsed.key!r} must have 1 to 64 letters, digits and ._-")
    presets = None if parsed.presets is None else tuple(filter(None, parsed.presets.split(",")))
    with _locked(file := file_of(parsed, SETTING)):
        text, keys = _read(file, is_new_allowed=True)
        if parsed.key in (key.name for key in keys):
            raise BadArgument(f"{file} has a key named {parsed.key}; remove it first, or choose another name")
        key, token = make_key(parsed.key, parsed.limit, parsed.work, presets, operator=parsed.operator)
        end = "" if not text or text.endswith("\n") else "\n"
        # Before it is valid: nobody can ask for it again.
        print(token, flush=True)
        _write(file, f"{text}{end}{key}\n")
    say(f"imgsrv: {RELOAD}")
    return 0


def _list(parsed: argparse.Namespace) -> int:
    for key in _read(file_of(parsed, SETTING))[1]:
        options = str(key).split()[4:]
        print(" ".join((f"{key.name:<24} {key.id}", *options)))
    return 0


def _remove(parsed: argparse.Namespace) -> int:
    with _locked(file := file_of(parsed, SETTING)):
        text, keys = _read(file)
        if parsed.key not in (key.name for key in keys):
            raise BadArgument(f"{file} has no key named {parsed.key}; see `imgsrv keys list`")
        lines = text.splitlines(keepends=True)
        _write(file, "".join(line for line in lines if (line.split() or [""])[0] != parsed.key))
    say(f"imgsrv: {RELOAD}")
    return 0


def _read(file: Path, *, is_new_allowed: bool = False) -> tuple[str, list[Key]]:
    """The text of the file and its keys.  Raises BadArgument."""
    try:
        text = file.read_text(encoding="utf-8")
        return text, parse_keys(text)
    except FileNotFoundError:
        if is_new_allowed:
            return "", []
        raise BadArgument(f"there is no file {file}; `imgsrv keys add` makes it") from None
    except OSError as error:
        raise BadArgument(f"{file} cannot be read: {error.strerror}") from None
    except (BadKeyLine, UnicodeDecodeError) as error:
        raise BadArgument(f"{file} is no file of keys: {error}") from None


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let nobody else change the file meanwhile.  The folder is locked, because the file itself is replaced."""
    try:
        folder = os.open(file.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadArgument(f"{file.absolute().parent} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole, with its mode and owner.  Raises BadArgument."""
    new = file.with_name(f".{file.name}.new-{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            if file.exists():
                facts = file.stat()
                os.fchmod(descriptor, facts.st_mode & 0o777)
                if (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, facts.st_uid, facts.st_gid)
            out.write(text)
            out.flush()
            os.fsync(descriptor)
        new.rename(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise BadArgument(f"{file} cannot be written: {error.strerror}") from None
