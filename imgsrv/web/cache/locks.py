"""Who computes a result: one process of the machine for each key, by locks that the death of a process releases.

The locks are those of a memory file, which the master makes before it forks: the lock of a key is that of one byte of
the file, at a place that follows from the key.  They belong to a process and not to a descriptor, so no child holds
one by accident, and the kernel needs no clean-up after SIGKILL.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from typing import Protocol

SOONEST_S, LATEST_S = 0.002, 0.05
"""The first and the longest pause between two attempts.  No event tells what another process releases."""

PLACE_BITS = 62
"""Offsets in a file are below 2 to the 63."""


class Locks(Protocol):
    """Locks by key, each held by one process at a time."""

    async def take(self, key: bytes) -> bool:
        """Take the lock if it is free.  It must not be held by this process already."""
        ...

    async def release(self, key: bytes) -> None:
        """Give the lock back."""
        ...

    async def close(self) -> None:
        """Let go of what they need."""
        ...


class MachineLocks:
    """The locks of the workers of one master.  file: of `make_lock_file`."""

    def __init__(self, file: int) -> None:
        self._file = file

    async def take(self, key: bytes) -> bool:
        """Take the lock if it is free."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except OSError:
            # Held by another process; or the kernel has no room for a lock, and then it looks held until the deadline.
            return False
        return True

    async def release(self, key: bytes) -> None:
        """Give the lock back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(key))

    async def close(self) -> None:
        """The file stays open: it is that of the process."""


def make_lock_file() -> int:
    """A descriptor of a file for MachineLocks, which the processes that share the locks inherit."""
    return os.memfd_create("imgsrv-locks", os.MFD_CLOEXEC)


async def attempts() -> AsyncIterator[None]:
    """The moments at which to try again; the pauses between them grow."""
    pause_s = SOONEST_S
    while True:
        yield
        await asyncio.sleep(pause_s)
        pause_s = min(LATEST_S, pause_s * 1.5)


def _place(key: bytes) -> int:
    return int.from_bytes(key[:8], "big") >> (64 - PLACE_BITS)
