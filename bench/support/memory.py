"""Memory of a server while something else is measured.

There are two kinds: what its workers have mapped, with shared pages in proportion (PSS); and the memory files of bodies
and results, which no process maps while they wait.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from serving import Server

PERIOD_S = 0.5


class Memory(NamedTuple):
    """In megabytes.  files: of the whole machine, so that only differences mean anything."""

    workers: float
    files: float


def memory_of(server: Server) -> Memory:
    """Measure the memory that a server takes now."""
    workers = sum(psutil.Process(pid).memory_full_info().pss for pid in server.workers()) / 1e6
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return Memory(workers, int(lines["Shmem"].split()[0]) * 1024 / 1e6)


@dataclass
class Watch(threading.Thread):
    """Looks again and again until it is told to end."""

    server: Server
    seen: list[Memory] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """The loop of the thread."""
        while not self.is_over.wait(PERIOD_S):
            self.seen.append(memory_of(self.server))


@contextlib.contextmanager
def watched_memory(server: Server) -> Iterator[list[Memory]]:
    """Collect the memory of the server during the block; the first value is from before it."""
    watch = Watch(server, [memory_of(server)])
    watch.start()
    try:
        yield watch.seen
    finally:
        watch.is_over.set()
        watch.join()
