"""The trial before a reload: a process that loads the new code and configuration and proves that a worker could boot.

It says as JSON on its standard output which settings it found that a reload cannot change, or on its standard error
why it would not work.  Nothing of the running pool is touched until it has ended well.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgsrv.config import environment
from imgsrv.pool.signals import HANDLED

TRIAL_FLAG = "--trial"

LIMIT_S = 60.0
"""A trial that takes longer hangs, and is killed."""

LONGEST_OUTPUT = 64 << 10

LAST_LINES = 5
"""Of its standard error: they tell why, and a traceback tells too much."""


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
        if exit_code:
            return "\n".join(complained.strip().splitlines()[-LAST_LINES:]) or f"the trial ended with {exit_code}"
        try:
            found = dict(json.loads(said.splitlines()[-1]))
        except (ValueError, TypeError, IndexError):
            return f"the new code did not say what it is: {said[:200]!r}"
        changed = [
            f"{name} is {value!r} and would be {found[name]!r}"
            for name, value in fixed.items()
            if name in found and found[name] != value
        ]
        return f"{'; '.join(changed)}: that takes `imgsrv restart`" if changed else None


def start_trial(command: list[str], now: float) -> Trial:
    """Begin one.  command: that of the server.  Raises OSError where no process can be started."""
    said, complained = os.memfd_create("said"), os.memfd_create("complained")
    try:
        pid = os.posix_spawn(
            command[0],
            [*command, TRIAL_FLAG],
            environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, complained, 2),
            ],
            setpgroup=0,  # Ctrl-C is the master's to understand
            setsigdef=HANDLED,
        )
    except OSError:
        os.close(said)
        os.close(complained)
        raise
    return Trial(pid, now, said, complained)


def report(fixed: Mapping[str, Any]) -> None:
    """In the trial: say that all is well, and which settings it found that a reload cannot change."""
    sys.stdout.write(json.dumps(dict(fixed)) + "\n")
    sys.stdout.flush()


def _content(file: int) -> str:
    size = os.fstat(file).st_size
    return os.pread(file, LONGEST_OUTPUT, max(0, size - LONGEST_OUTPUT)).decode(errors="replace")
