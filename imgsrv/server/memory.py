"""The memory that this server may use, from its setting, its cgroups and the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import psutil

from imgsrv.server.cpus import lines_of, own_and_above

SHARE = 0.8
"""The part of the machine or cgroup that `auto` is: the rest is for the master, the kernel and what is not counted."""


def memory_budget(wish: Literal["auto"] | int, root: Path = Path("/")) -> int:
    """Return the budget in bytes.  root: the folder of /proc and /sys, for tests with trees of their own."""
    if wish != "auto":
        return int(wish)
    total = int(psutil.virtual_memory().total)
    limit = cgroup_memory(root)
    return int(SHARE * (total if limit is None else min(total, limit)))


def cgroup_memory(root: Path = Path("/")) -> int | None:
    """Return the smallest limit of memory of the cgroups of this process, in bytes; None without a limit."""
    limits = [
        int(text)
        for line in lines_of(root / "proc/self/cgroup")
        for directory in own_and_above(root, line, "memory")
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        for text in lines_of(directory / name)[:1]
        if text.isdecimal()
    ]
    return min(limits, default=None)
