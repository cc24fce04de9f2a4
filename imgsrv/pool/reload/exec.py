"""Execute the program anew in the same process: it keeps its process number, children and sockets.

The next image gets its state as JSON in a memory file, and the descriptors that the state names.  No other descriptor
survives.  Signals stay blocked until the next image can obey them, so that none is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsrv.pool.signals import Signals

STATE_FLAG = "--take-over"
"""Goes before the number of the state's file.  Other versions pass it to this one, so its name stays."""

Passed = dict[str, Any]
"""The state that one image of the master passes to the next; see reload/state.py."""


def command_line() -> list[str]:
    """The command that this process was started with, without the flag of a reload.

    A script behind a link, such as /opt/imgsrv/current/bin/imgsrv, is executed itself, without the interpreter of now:
    the link may point to an environment of another version, whose interpreter the first line of its script names.
    """
    words = [sys.executable, *sys.orig_argv[1:]]
    words = words[:-2] if words[-2] == STATE_FLAG else words
    return words[1:] if len(words) > 1 and _is_script_behind_a_link(words[1]) else words


def _is_script_behind_a_link(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError:
        return False
    return is_script and os.access(path, os.X_OK) and Path(path).resolve() != Path(path).absolute()


def execute_with_state(command: list[str], state: Mapping[str, Any], descriptors: list[int], signals: Signals) -> None:
    """Execute a command in this process, with a state and its descriptors.  Signals not taken yet are the next image's.

    Returns only by raising OSError; then nothing has changed.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(signal.pthread_sigmask, signal.SIG_SETMASK, signals.hold_back())
        file = write_state(state)
        undo.callback(os.close, file)
        for descriptor in (file, *descriptors):
            os.set_inheritable(descriptor, True)
            undo.callback(os.set_inheritable, descriptor, False)
        os.execv(command[0], [*command, STATE_FLAG, str(file)])  # noqa: S606


def execute_afresh(command: list[str]) -> None:
    """Execute a command in this process, as if it had just been started.  Raises OSError."""
    os.execv(command[0], command)  # noqa: S606


def write_state(state: Mapping[str, Any]) -> int:
    """Write a state to a memory file; return its descriptor.  Raises OSError."""
    file, data = os.memfd_create("state"), json.dumps(state).encode()
    try:
        while data:
            # If there is room for a part only, the kernel writes that part and reports the reason at the next attempt.
            data = data[os.write(file, data) :]
    except OSError:
        os.close(file)
        raise
    return file


def read_state(file: int) -> Passed:
    """Read the state that the image before has passed, and close its file."""
    try:
        state: Passed = json.loads(os.pread(file, os.fstat(file).st_size, 0))
    finally:
        os.close(file)
    return state
