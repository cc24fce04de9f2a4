"""A master's place taken by new code: the process executes itself anew and keeps its number, children and sockets.

What the new image needs to know is JSON in a file in memory; what it needs to have are the descriptors named there.
No other descriptor crosses.  Signals stay blocked from here until the new loop can obey them, so that none is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from imgsrv.pool.signals import hold_back

TAKE_OVER_FLAG = "--take-over"

State = dict[str, Any]


def command_line() -> list[str]:
    """What this process was started with, without what a take-over added."""
    words = [sys.executable, *sys.orig_argv[1:]]
    return words[:-2] if words[-2] == TAKE_OVER_FLAG else words


def hand_over(
    command: list[str], state: Mapping[str, Any], descriptors: list[int], unheard: Callable[[], bytes]
) -> None:
    """Execute the command in this process's place; returns only by raising OSError, with nothing changed.

    unheard: tells the signals that have come and that nobody has obeyed yet; the new image does.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(signal.pthread_sigmask, signal.SIG_SETMASK, hold_back(unheard))
        file = state_file(state)
        undo.callback(os.close, file)
        for descriptor in (file, *descriptors):
            os.set_inheritable(descriptor, True)
            undo.callback(os.set_inheritable, descriptor, False)
        os.execv(command[0], [*command, TAKE_OVER_FLAG, str(file)])  # noqa: S606


def begin_anew(command: list[str]) -> None:
    """Execute the command in this process's place, as if it had just been started.  Raises OSError."""
    os.execv(command[0], command)  # noqa: S606


def taken_over(file: int) -> State:
    """What the image before this one has handed over; its file is closed."""
    try:
        state: State = json.loads(os.pread(file, os.fstat(file).st_size, 0))
    finally:
        os.close(file)
    return state


def received(descriptor: int) -> int:
    """A descriptor that was handed over, for this image alone."""
    os.set_inheritable(descriptor, False)
    return descriptor


def state_file(state: Mapping[str, Any]) -> int:
    """A file in memory that `taken_over` reads.  Raises OSError."""
    file, data = os.memfd_create("state"), json.dumps(state).encode()
    try:
        while data:
            # Where there is room for a part only, the kernel writes that and says why at the next attempt.
            data = data[os.write(file, data) :]
    except OSError:
        os.close(file)
        raise
    return file
