"""`imgsrv start`: start a server in the background and return when it serves, or with the reason why it does not."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imgsrv.cli._awaiting import BOOT_S, last_lines, size_of
from imgsrv.cli._control_client import ask, further, place_of
from imgsrv.cli._failures import say
from imgsrv.cli._flags import add_settings, given_flags, read_settings
from imgsrv.cli.instances.every import add_all, named_in_file, one_of_all, refuse_name, say_of
from imgsrv.environment import (
    DEFAULT_FILE,
    NOTIFY_SOCKET,
    default_crash_folder,
    default_log_file,
    environment,
    flag_name,
)
from imgsrv.errors import BadArgument, CommandFailed, ImgsrvError, NameTaken, NoSuchInstance
from imgsrv.pool.control.instances import Place
from imgsrv.pool.signals import KILL_GRACE_S
from imgsrv.printable import printable, without_own_name
from imgsrv.settings import Settings
from imgsrv.trusted_paths import open_here

POLL_S = 0.1
"""Time between two checks whether the server has ended."""

ERRORS_SUFFIX = ".stderr"

LAST_ERRORS = 15
"""Lines of standard error that are shown if the server fails; the end of a traceback has the reason."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of the server.  errors: its standard error, for output other than log records; emptied at each start."""

    log: Path
    crashes: Path
    errors: Path


def add_parser(commands: Any) -> None:
    """Add `start` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "start",
        description="Start a server in the background and return when it serves.  It takes the same flags as serve.  "
        "The log file is in XDG_STATE_HOME/imgsrv if that is set, else in ~/.local/state/imgsrv, or in "
        "/var/log/imgsrv for root; --log-file chooses another file.  Crash reports are kept beside the log.",
    )
    add_settings(parser)
    add_all(parser, "start")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Start the server and print its URL.  Raises BadSetting, BadArgument, CommandFailed and BadRuntimeFolder."""
    if parsed.is_all:
        return _run_all(parsed)
    settings, place = read_settings(parsed).settings, place_of(parsed)
    _refuse_a_second(parsed, place)
    kept = _keep(settings)
    found = _start(parsed, settings, place, kept)
    _print_summary(parsed, found, kept)
    return 0


def _run_all(parsed: argparse.Namespace) -> int:
    """Start every instance of the file that does not serve; one that fails stops no other.  Return 1 if any fails."""
    refuse_name(parsed)
    names = named_in_file(parsed)
    if not names:
        file = parsed.config or DEFAULT_FILE
        raise BadArgument(f"{file} names no instances; give each a table with its settings, such as [instances.thumbs]")
    status = 0
    for name in names:
        one = one_of_all(parsed, name)
        try:
            if (found := _serving(place_of(one))) is not None:
                print(f"{name} already serves on {found['url']}, pid {found['pid']}", flush=True)
            else:
                run(one)
        except ImgsrvError as error:
            say_of(name, error)
            status = 1
    return status


def _serving(place: Place) -> dict[str, Any] | None:
    """Return the answer of an instance that serves; None if it does not run.  Raises CommandFailed."""
    try:
        return dict(ask(place, "ping"))
    except NoSuchInstance:
        return None


def _refuse_a_second(parsed: argparse.Namespace, place: Place) -> None:
    try:
        found = _serving(place)
    except CommandFailed as error:
        raise CommandFailed(str(NameTaken(place.name, str(place.folder)))) from error
    if found is None:
        return
    raise CommandFailed(
        f"{place.name} is already {found['state']} on {found['url']} (pid {found['pid']}); "
        f"`{further(parsed, 'reload')}` gives it new code and configuration, `{further(parsed, 'stop')}` ends it, and "
        "another --name, with a --port of its own, starts a second one"
    )


def _keep(settings: Settings) -> Kept:
    """Return the files of the server; make their folders.  Raises BadArgument if that fails."""
    log = Path(settings.log_file or default_log_file(settings.name)).absolute()
    crashes = Path(settings.crash_dir or default_crash_folder(settings.name)).absolute()
    # The user of the workers must reach the log; nobody else may.
    mode = 0o711 if settings.user else 0o700
    try:
        if not settings.log_file:
            log.parent.mkdir(mode=mode, parents=True, exist_ok=True)
        if not settings.crash_dir:
            crashes.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{error.filename} cannot be made ({error.strerror})"
        raise BadArgument(f"{reason}; choose other places with --log-file and --crash-dir") from error
    return Kept(log, crashes, log.with_suffix(ERRORS_SUFFIX))


def _start(parsed: argparse.Namespace, settings: Settings, place: Place, kept: Kept) -> dict[str, Any]:
    """Start the server; return its answer to `ping`.  Raises CommandFailed with the reason and the last log lines."""
    stop_s = settings.shutdown_delay_s + settings.drain_s + settings.send_timeout_s
    longest_s = BOOT_S + stop_s + KILL_GRACE_S
    log_size = size_of(kept.log)
    with _ready_socket() as (ready, address), _errors_file(kept) as errors:
        process = subprocess.Popen(  # noqa: S603  ourselves
            [*_program(), "serve", *_flags(parsed, kept)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**environment(), NOTIFY_SOCKET: address},
            start_new_session=True,
        )
        try:
            _wait_until_ready(ready, process, longest_s)
            return dict(ask(place, "ping"))
        except BaseException as error:
            _end(process)
            if isinstance(error, CommandFailed | NoSuchInstance):
                raise CommandFailed(_failure(place.name, kept, log_size, str(error))) from error
            raise


def _program() -> list[str]:
    """Return the command that runs this program, as it was called."""
    before_arguments = len(sys.orig_argv) - (len(sys.argv) - 1)
    return [sys.executable, *sys.orig_argv[1:before_arguments]]


def _flags(parsed: argparse.Namespace, kept: Kept) -> Iterator[str]:
    """Yield the flags that were given, and those for the files of the server."""
    if parsed.config is not None:
        yield f"--config={parsed.config}"
    places = {"log_file": str(kept.log), "crash_dir": str(kept.crashes)}
    for name, value in {**given_flags(parsed), **places}.items():
        if isinstance(value, bool):
            yield flag_name(name) if value else flag_name(f"no_{name}")
        else:
            yield f"{flag_name(name)}={value}"


@contextmanager
def _ready_socket() -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket on which the server reports that it is ready, as it does to systemd, and its address."""
    with (
        TemporaryDirectory(prefix="imgsrv-start-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready,
    ):
        address = f"{folder}/notify"
        ready.bind(address)
        ready.settimeout(POLL_S)
        yield ready, address


@contextmanager
def _errors_file(kept: Kept) -> Iterator[int]:
    try:
        descriptor, _is_ours = open_here(kept.errors, os.O_WRONLY | os.O_APPEND, 0o600)
        os.ftruncate(descriptor, 0)
        os.set_blocking(descriptor, True)
    except OSError as error:
        raise BadArgument(f"{kept.errors} cannot be written ({error.strerror}); choose another --log-file") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_until_ready(ready: socket.socket, process: subprocess.Popen[bytes], longest_s: float) -> None:
    """Wait until the server reports that it is ready; print its other reports.  Raises CommandFailed."""
    end = time.monotonic() + longest_s
    while process.poll() is None:
        if time.monotonic() > end:
            raise CommandFailed(f"it was not ready within {longest_s:g} s")
        try:
            words = ready.recv(4096).decode(errors="replace").splitlines()
        except TimeoutError:
            continue
        if "READY=1" in words:
            return
        for status in (word.removeprefix("STATUS=") for word in words if word.startswith("STATUS=")):
            say(printable(status))
    raise CommandFailed(f"it ended with exit status {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server after a failed start; an orphaned worker ends by itself."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(KILL_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _failure(name: str, kept: Kept, log_size: int, reason: str) -> str:
    said = kept.errors.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_ERRORS:]
    logged = last_lines(kept.log, log_size)
    lines = [f"{name} did not start: {reason}", *(printable(without_own_name(line)) for line in said)]
    return "\n  ".join([*lines, *([f"the last lines of {kept.log}:", *logged] if logged else [])])


def _print_summary(parsed: argparse.Namespace, found: dict[str, Any], kept: Kept) -> None:
    """Print the URL and the log of the server, and the commands that are useful next."""
    print(f"{found['name']} serves on {found['url']}, pid {found['pid']}\nlog {kept.log}")
    for line in (("status", "logs -f", "monit"), ("reload", "stop")):
        print("  " + "   ".join(further(parsed, words) for words in line))
