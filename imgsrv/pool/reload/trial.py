"""The trial before a reload: a process that loads the new code and configuration and proves that a worker could boot.

It says as JSON on its standard output which settings it found that a reload cannot change, or on its standard error
why it would not work.  Before a reload it is also given what the next image will be, and makes a master of that, which
never runs: that new code does not understand the old must be known before it has taken its place.  Nothing of the
running pool is touched until the trial has ended well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgsrv.pool.reload.exec import TAKE_OVER_FLAG, State, state_file
from imgsrv.pool.signals import HANDLED
from imgsrv.settings import environment

TRIAL_FLAG = "--trial"

LIMIT_S = 60.0
"""A trial that takes longer hangs, and is killed."""

LONGEST_OUTPUT = 64 << 10

LAST_LINES = 5
"""Of its standard error: they tell why, and a traceback tells too much."""


Given = tuple[State, list[int]]
"""The state of a master and the descriptors that go with it."""


@dataclass
class Trial:
    """One that is under way.  said, complained: files in memory with what it writes."""

    pid: int
    began_at: float
    said: int
    complained: int
    is_late: bool = False

    def end_if_late(self, now: float) -> None:
        """Kill it where it hangs."""
        if now - self.began_at > LIMIT_S and not self.is_late:
            self.is_late = True
            self.kill()

    def kill(self) -> None:
        """End it; its exit follows."""
        os.kill(self.pid, signal.SIGKILL)

    def fault(self, exit_code: int, fixed: Mapping[str, Any]) -> str | None:
        """Why the reload may not go on, if it may not.  fixed: the running values of what it cannot change."""
        said, complained = _content(self.said), _content(self.complained)
        os.close(self.said)
        os.close(self.complained)
        if self.is_late:
            return f"the new code was not loaded within {LIMIT_S:g} s"
        found = _report(said)
        changed = [
            f"{name} is {value!r} and would be {found[name]!r}"
            for name, value in fixed.items()
            if name in found and found[name] != value
        ]
        if changed:
            return f"{'; '.join(changed)}: that takes `imgsrv restart`"
        if exit_code:
            return "\n".join(complained.strip().splitlines()[-LAST_LINES:]) or f"the trial ended with {exit_code}"
        return None if found else f"the new code did not say what it is: {said[:200]!r}"


def start_trial(command: list[str], now: float, given: Given | None = None) -> Trial:
    """Begin one.  command: that of the server.  given: what the next image would be.

    Raises OSError where no process can be started.
    """
    with contextlib.ExitStack() as passing, contextlib.ExitStack() as undo:
        said, complained = _file("said", undo), _file("complained", undo)
        words, passed = [*command, TRIAL_FLAG], list[int]()
        if given is not None:
            state = state_file(given[0])
            words, passed = [*words, TAKE_OVER_FLAG, str(state)], [state, *given[1]]
            passing.callback(os.close, state)
        pid = os.posix_spawn(
            command[0],
            words,
            environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, complained, 2),
                # Onto itself it crosses, and stays what no other process gets.
                *((os.POSIX_SPAWN_DUP2, each, each) for each in passed),
            ],
            setpgroup=0,  # Ctrl-C is the master's to understand
            setsigdef=HANDLED,
        )
        undo.pop_all()
        return Trial(pid, now, said, complained)


def _file(name: str, undo: contextlib.ExitStack) -> int:
    file = os.memfd_create(name)
    undo.callback(os.close, file)
    return file


def report(fixed: Mapping[str, Any]) -> None:
    """In the trial: say that all is well, and which settings it found that a reload cannot change."""
    sys.stdout.write(json.dumps(dict(fixed)) + "\n")
    sys.stdout.flush()


def _report(said: str) -> dict[str, Any]:
    """What `report` has said; empty where it has not."""
    try:
        return dict(json.loads(said.splitlines()[-1]))
    except (ValueError, TypeError, IndexError):
        return {}


def _content(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, LONGEST_OUTPUT, max(0, size - LONGEST_OUTPUT)).decode(errors="replace")
