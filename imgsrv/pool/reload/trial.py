"""The trial before a reload or restart, as the master sees it; server/trial.py is what the trial does.

A trial is a process that loads the new code and configuration and proves that a worker can boot.  It prints as JSON the
settings that a reload cannot change and the further addresses, or says on its standard error why the new code does not
work.  Before a reload it also gets the state for the next image and makes a master of it that never runs: new code that
does not understand the state must be found before it replaces the old code.  The running pool is untouched until the
trial has ended well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imgsrv.environment import environment
from imgsrv.pool.reload.exec import STATE_FLAG, Passed, write_state
from imgsrv.pool.signals import HANDLED
from imgsrv.printable import without_own_name

TRIAL_FLAG = "--trial"
"""Other versions start this one with it, so its name stays."""

LIMIT_S = 60.0
"""A trial that takes longer is killed."""

LONGEST_OUTPUT = 64 << 10

LAST_LINES = 5
"""Lines of its standard error that are reported: they have the reason; a whole traceback is too much."""


Given = tuple[Passed, list[int]]
"""The state for the next image and the descriptors that it needs."""


@dataclass
class Trial:
    """A trial that is under way.  said, complained: memory files with its standard output and standard error."""

    pid: int
    began_at: float
    said: int
    complained: int
    is_late: bool = False

    def end_if_late(self, now: float) -> None:
        """Kill it if it takes too long."""
        if now - self.began_at > LIMIT_S and not self.is_late:
            self.is_late = True
            self.kill()

    def kill(self) -> None:
        """Kill it; its exit is reaped later."""
        os.kill(self.pid, signal.SIGKILL)

    def fault(self, exit_code: int, beyond: Callable[[Mapping[str, Any]], str | None]) -> str | None:
        """Return the reason why the reload may not go on; None if it may.

        beyond: says why settings need more than this reload; None if they do not.
        """
        said, complained = _content(self.said), _content(self.complained)
        os.close(self.said)
        os.close(self.complained)
        if self.is_late:
            return f"the new code was not loaded within {LIMIT_S:g} s"
        found = _report(said)
        if (fault := beyond(found)) is not None:
            return fault
        if exit_code:
            last = complained.strip().splitlines()[-LAST_LINES:]
            return "\n".join(map(without_own_name, last)) or f"the trial ended with {exit_code}"
        return None if found else f"the new code did not say what it is: {said[:200]!r}"


def start_trial(command: list[str], now: float, given: Given | None = None) -> Trial:
    """Start a trial.  command: that of the server.  given: the state for the next image.

    Raises OSError if no process can be started.
    """
    with contextlib.ExitStack() as passing, contextlib.ExitStack() as undo:
        said, complained = _file("said", undo), _file("complained", undo)
        words, passed = [*command, TRIAL_FLAG], list[int]()
        if given is not None:
            state = write_state(given[0])
            words, passed = [*words, STATE_FLAG, str(state)], [state, *given[1]]
            passing.callback(os.close, state)
        pid = os.posix_spawn(
            command[0],
            words,
            environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, complained, 2),
                # Duplicated onto itself a descriptor is inherited by this process, and by no other one.
                *((os.POSIX_SPAWN_DUP2, each, each) for each in passed),
            ],
            setpgroup=0,  # Ctrl-C concerns the master alone
            setsigdef=HANDLED,
        )
        undo.pop_all()
        return Trial(pid, now, said, complained)


def _file(name: str, undo: contextlib.ExitStack) -> int:
    file = os.memfd_create(name)
    undo.callback(os.close, file)
    return file


def report(settings: Mapping[str, Any]) -> None:
    """In the trial: say that all is well, and print the settings that the running server compares with its own."""
    sys.stdout.write(json.dumps(dict(settings)) + "\n")
    sys.stdout.flush()


def _report(said: str) -> dict[str, Any]:
    """Read what `report` has printed; empty if it has printed nothing."""
    try:
        return dict(json.loads(said.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        return {}


def _content(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, LONGEST_OUTPUT, max(0, size - LONGEST_OUTPUT)).decode(errors="replace")
