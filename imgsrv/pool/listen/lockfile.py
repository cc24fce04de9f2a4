"""A lock on a file.  The kernel releases it when the last process that holds it ends.

So a file without a holder is stale, and no process number has to be read from a file and trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def lock(file: Path) -> int | None:
    """Return the descriptor of the file, locked by this process; None if another process holds it.  Raises OSError."""
    while True:
        descriptor = os.open(file, FLAGS, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            # The holder before may have removed this file when it ended; then the lock would be on a file without a
            # name.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), file.stat()):
                    undo.pop_all()
                    return descriptor
