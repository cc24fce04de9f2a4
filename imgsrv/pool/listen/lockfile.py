"""A lock that is a file: whoever has it locked holds it, and the kernel lets go of it with the last process that does.

So a file without a holder is stale, and no number of a process is ever read from one and believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


def lock(file: Path) -> int | None:
    """The descriptor of the file, locked by this process; None where another has it.  Raises OSError."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            # Who held it and ended in between has removed this very file: then the lock would be on nothing.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), file.stat()):
                    undo.pop_all()
                    return descriptor
