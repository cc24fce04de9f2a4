"""`imgsrv monit`: a running instance, live in a terminal; a client of its control socket like every other command."""

from __future__ import annotations

import argparse
import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live

from imgsrv.cli.dashboard import Sample, View, draw
from imgsrv.cli.instance import add_instance, ask, place_of
from imgsrv.errors import BadArgument, BadRuntimeFolder, CommandFailed, ImgsrvError, NoSuchInstance
from imgsrv.pool.commands import COMMANDS
from imgsrv.pool.runtime import Place

EXIT_FAILED = 1

KEYS = {
    "r": ("reload", None, "reload"),
    "R": ("restart", None, "restart"),
    "+": ("scale", "+1", "one worker more"),
    "-": ("scale", "-1", "one less"),
}
"""Command, argument and what it is called on the screen; those of them that the instance knows."""

QUIT = ("q", "\x03", "\x04")


def add_parser(commands: Any) -> None:
    """Add `monit` to the commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "monit",
        help="watch an instance live",
        description="Show workers, queue, latency and events of a running instance, and obey keys.",
    )
    parser.add_argument("instance", nargs="?", metavar="NAME", help="name of the instance, as --name")
    parser.add_argument("--period-s", type=float, default=1.0, metavar="S", help="time between looks, 0.1 to 60 [1]")
    add_instance(parser)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Watch until `q`.  Raises BadSetting, and BadArgument where there is no terminal."""
    if parsed.instance is not None:
        parsed.name = parsed.instance
    if not 0.1 <= parsed.period_s <= 60:  # noqa: PLR2004  as the help says
        raise BadArgument(f"--period-s {parsed.period_s:g}: it may be 0.1 to 60")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadArgument("monit needs a terminal; `imgsrv status --json` is for programs")
    monitor = Monitor(place_of(parsed), parsed.period_s)
    try:
        with _keys() as next_key:
            monitor.watch(next_key)
    except (NoSuchInstance, CommandFailed, BadRuntimeFolder) as error:
        print(f"imgsrv: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


class Monitor:
    """Looks at the instance once in a period, and hands on what the keys ask for."""

    def __init__(self, place: Place, period_s: float) -> None:
        self._place, self._period_s = place, period_s
        self._before: Sample | None = None
        self._said = ""
        self._at_work: threading.Thread | None = None
        self._known = {key: row for key, row in KEYS.items() if row[0] in COMMANDS}

    def watch(self, next_key: Callable[[float], str]) -> None:
        """Draw and obey until a key says to quit.  Raises what `ask` raises where the instance is gone."""
        console = Console()
        keys = " · ".join([*(f"{key} {words}" for key, (_c, _a, words) in self._known.items()), "q quit"])
        view = self._look(keys)
        with Live(draw(view, console.size), console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(draw(view, console.size), refresh=True)
                due = time.monotonic() + self._period_s
                while (left := due - time.monotonic()) > 0:
                    key = next_key(left)
                    if key in QUIT:
                        return
                    if key in self._known:
                        self._obey(key)
                        break
                view = self._look(keys)

    def _look(self, keys: str) -> View:
        sample = Sample(time.monotonic(), ask(self._place, "status"))
        view = View(sample, self._before, self._said, keys)
        self._before = sample
        return view

    def _obey(self, key: str) -> None:
        """In a thread of its own: a reload takes a while, and the screen goes on."""
        if self._at_work is not None and self._at_work.is_alive():
            self._said = "wait until the last command is done"
            return
        command, argument, words = self._known[key]
        self._said = f"{words} …"
        self._at_work = threading.Thread(target=self._ask, args=(command, argument, words), daemon=True)
        self._at_work.start()

    def _ask(self, command: str, argument: str | None, words: str) -> None:
        def tell(facts: Mapping[str, Any]) -> None:
            self._said = f"{words}: {' '.join(f'{name} {value}' for name, value in facts.items())}"

        try:
            ask(self._place, command, argument, on_progress=tell, patience_s=None)
        except ImgsrvError as error:
            self._said = f"{words} failed: {error}"
        else:
            self._said = f"{words}: done"


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so long for a key and returns it, or an empty text; the terminal is left as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)

    def next_key(seconds: float) -> str:
        if select.select([descriptor], [], [], seconds)[0]:
            # No bytes: the terminal is gone.
            return os.read(descriptor, 1).decode("ascii", "replace") or QUIT[0]
        return ""

    try:
        yield next_key
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
