"""Processor time and memory of a process and all its children, with shared pages in proportion."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil


def cpu_s(pid: int) -> float:
    """Seconds of processor time of the processes that live now."""
    return sum(sum(each.cpu_times()[:2]) for each in _family(pid))


def pss_mb(pid: int) -> float:
    """Megabytes of memory, what is shared with others in proportion (PSS)."""
    return sum(each.memory_full_info().pss for each in _family(pid)) / 1e6


def _family(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        yield root
        yield from root.children(recursive=True)
