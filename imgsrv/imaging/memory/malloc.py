"""The memory of pictures: kept from one to the next, handed back to the system after a large one."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path

MOST_KEPT = 128 << 20
"""A process with more memory of its own hands back what is free when a job is done.

After one blur of 99 megapixels a worker keeps 625 MB without, 68 MB with it; the call takes less than a millisecond.
"""

LOOK_S = 0.02
"""A process looks how much memory it has after so many seconds of jobs together: a look takes nine calls of the kernel,
and jobs that took less cannot have left much."""

STATM = Path("/proc/self/statm")

M_MXFAST, M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = 1, -1, -3, -8
"""What mallopt(3) calls them."""

LARGEST_KEPT, KEPT_BYTES = 32 << 20, 64 << 20
"""Largest block that is not given back at once, and most free memory that a process keeps at the end of its heap."""

PAGE = resource.getpagesize()

_libc = ctypes.CDLL(None)


def keep_freed_memory() -> None:
    """Let this process keep what a picture has freed for the next one.

    Otherwise each of its arrays is mapped anew, and the kernel clears its pages one fault at a time: of 47 ms for 3
    megapixels of RGBA in an engine, 16 ms with 7500 faults; with it 31 ms and 10 faults.
    """
    _libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
    _libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    # malloc_trim(3) lets go of the free memory at the end of the first heap alone, and a thread has one of its own.
    _libc.mallopt(M_ARENA_MAX, 1)
    # A freed small block joins its neighbours at once.  Otherwise they wait in a list, and the next thread that wants
    # more than 1 KB joins them all: after 9 megapixels of noise in 256 colours a front did that for 1.2 s.
    _libc.mallopt(M_MXFAST, 0)


def let_go() -> None:
    """Let go of all free memory, for a process that has nothing to do."""
    _libc.malloc_trim(0)


_worked_s = [0.0]
"""Since the last look."""


def hand_back(worked_s: float = LOOK_S) -> None:
    """Let go of free memory if this process has much memory of its own.  worked_s: on the job that is done."""
    _worked_s[0] += worked_s
    if _worked_s[0] < LOOK_S:
        return
    _worked_s[0] = 0.0
    _size, resident, shared, *_rest = map(int, STATM.read_bytes().split())
    if (resident - shared) * PAGE > MOST_KEPT:
        _libc.malloc_trim(0)
