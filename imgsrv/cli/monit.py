"""`imgsrv monit`: watch a running instance in a terminal.  It uses the control socket, as every other command."""

from __future__ import annotations

import argparse
import os
import select
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from rich.live import Live

from imgsrv.cli._awaiting import BOOT_S, as_text, restarted, watched
from imgsrv.cli._control_client import add_instance, ask, place_of
from imgsrv.cli._monit_screen import Sample, View, draw
from imgsrv.cli._tables import Screen
from imgsrv.errors import BadArgument, CommandFailed, ImgsrvError, NoSuchInstance
from imgsrv.observe.log.reader import LogReader
from imgsrv.pool.control.commands import COMMANDS
from imgsrv.pool.control.instances import Place

KEYS = {
    "r": ("reload", None, "reload"),
    "R": ("restart", None, "restart"),
    "+": ("scale", "+1", "one worker more"),
    "-": ("scale", "-1", "one less"),
}
"""Command, argument and label of each key."""

LOG_KEY = "l"

LOG_LINES = 200
"""Lines of the log that are kept: more than a screen has."""

QUIT = ("q", "\x03", "\x04")


def add_parser(commands: Any) -> None:
    """Add `monit` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "monit",
        description="Show workers, queue, latency and events of a running instance.  Keys send commands to it.",
    )
    parser.add_argument(
        "--period-s", type=float, default=1.0, metavar="S", help="seconds between updates, 0.1 to 60 [1]"
    )
    add_instance(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Watch until `q`.  Raises BadSetting, the errors of `ask`, and BadArgument if there is no terminal."""
    if not 0.1 <= parsed.period_s <= 60:  # noqa: PLR2004  as the help says
        raise BadArgument(f"--period-s {parsed.period_s:g}: it must be from 0.1 to 60")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadArgument("monit needs a terminal; programs can use `imgsrv status --json`")
    monitor = Monitor(place_of(parsed), parsed.period_s)
    try:
        with _keys() as next_key:
            monitor.watch(next_key)
    finally:
        monitor.close()
    return 0


class Monitor:
    """Takes a sample of the instance in each period, and sends the commands of the keys."""

    def __init__(self, place: Place, period_s: float) -> None:
        self._place, self._period_s = place, period_s
        self._before: Sample | None = None
        self._message = ""
        self._silent_since: float | None = None
        self._tail: LogTail | None = None
        self._thread: threading.Thread | None = None
        self._known = {key: row for key, row in KEYS.items() if row[0] in COMMANDS}

    def watch(self, next_key: Callable[[float], str]) -> None:
        """Draw the screen and obey keys until a key quits.  Raises the errors of `ask` if the instance is gone."""
        console = Screen()
        known = [f"{key} {words}" for key, (_c, _a, words) in self._known.items()]
        keys = " · ".join([*known, f"{LOG_KEY} log or events", "q quit"])
        view = self._sample(keys)
        with Live(draw(view, console.size), console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(draw(view, console.size), refresh=True)
                due = time.monotonic() + self._period_s
                while (left := due - time.monotonic()) > 0:
                    key = next_key(left)
                    if key in QUIT:
                        return
                    if key == LOG_KEY:
                        self._toggle_log()
                        break
                    if key in self._known:
                        self._send(key)
                        break
                view = self._sample(keys)

    def close(self) -> None:
        """Close the log file."""
        if self._tail is not None:
            self._tail.close()

    def _sample(self, keys: str) -> View:
        before = self._before
        try:
            sample = Sample(time.monotonic(), ask(self._place, "status"))
        except (NoSuchInstance, CommandFailed):
            if before is None or not self._may_come_back(before):
                raise
            message = self._message or f"{self._place.name} does not answer: it restarts or ends"
            return View(before, None, message, keys, self._log())
        self._silent_since = None
        self._before = sample
        if before and before.status["uptime_s"] > sample.status["uptime_s"]:
            before = None  # it has restarted and counts from zero
        return View(sample, before, self._message, keys, self._log())

    def _may_come_back(self, before: Sample) -> bool:
        """Whether the process lives and was not silent for too long: during a restart nothing answers for a while."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        with watched(before.status["pid"]) as process:
            lives = process is not None and not select.select([process], [], [], 0)[0]
        return lives and now - self._silent_since < BOOT_S

    def _toggle_log(self) -> None:
        if self._tail is not None:
            self._tail.close()
            self._tail = None
            return
        path = self._before.status["log_file"] if self._before else None
        if path is None:
            self._message = f"{self._place.name} logs to standard error, not to a file"
            return
        try:
            self._tail = LogTail(Path(path))
        except OSError as error:
            self._message = f"{path} cannot be read: {error.strerror}"

    def _log(self) -> tuple[str, list[str]] | None:
        if self._tail is None:
            return None
        try:
            return self._tail.name, self._tail.lines()
        except OSError as error:
            self._message = f"{self._tail.name} can no longer be read: {error.strerror}"
            self._toggle_log()
            return None

    def _send(self, key: str) -> None:
        """Send the command of a key in a thread, because a reload takes a while and the screen must go on."""
        if self._thread is not None and self._thread.is_alive():
            self._message = "wait until the last command is done"
            return
        command, argument, words = self._known[key]
        self._message = f"{words} …"
        self._thread = threading.Thread(target=self._ask, args=(command, argument, words), daemon=True)
        self._thread.start()

    def _ask(self, command: str, argument: str | None, words: str) -> None:
        def show_progress(facts: Mapping[str, Any]) -> None:
            self._message = f"{words}: {' '.join(f'{name} {value}' for name, value in facts.items())}"

        try:
            if command == "restart":
                restarted(self._place, show_progress)
            else:
                ask(self._place, command, argument, on_progress=show_progress, patience_s=None)
        except ImgsrvError as error:
            self._message = f"{words} failed: {' '.join(str(error).split())}"
        else:
            self._message = f"{words}: done"


class LogTail:
    """The last lines of a growing log file as text.  Raises OSError if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._reader = LogReader(path)
        self._lines = deque[str](maxlen=LOG_LINES)
        for record in reversed(list(islice(self._reader.backwards(), LOG_LINES))):
            self._add(record)

    def lines(self) -> list[str]:
        """Return the last lines now, the newest at the end."""
        for record in self._reader.news():
            self._add(record)
        return list(self._lines)

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def _add(self, record: bytes) -> None:
        for line in as_text(record).splitlines():
            # A line that is not a record may hold control characters, which must not reach the terminal.
            self._lines.append("".join(character if character.isprintable() else "�" for character in line))


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits some seconds for a key and returns it, or "".  Restore the terminal afterwards."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def next_key(seconds: float) -> str:
        if select.select([descriptor], [], [], seconds)[0]:
            # No bytes mean that the terminal is gone.
            return os.read(descriptor, 1).decode("ascii", "replace") or QUIT[0]
        return ""

    try:
        yield next_key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
