"""The number of workers that keep the machine busy, or the part of it that this process may use.

psutil knows nothing of the CPU quota of a cgroup, so this module reads it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

LEAST_AUTO = 2


def worker_count(wish: Literal["max", "auto"] | int, root: Path = Path("/")) -> int:
    """Return the number of workers.  root: the folder of /proc and /sys, for tests with trees of their own."""
    if wish == "auto":
        return max(LEAST_AUTO, usable_cpus(root))
    return usable_cpus(root) if wish == "max" else wish


def usable_cpus(root: Path = Path("/")) -> int:
    """Return the smaller of the affinity (which includes a cpuset) and the CPU quota, rounded up, at least 1."""
    affinity = len(os.sched_getaffinity(0))
    quota = cgroup_quota(root)
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """Return the smallest CPU quota of the cgroups of this process, in CPUs; None without a quota."""
    quotas = [
        quota
        for line in lines_of(root / "proc/self/cgroup")
        for directory in own_and_above(root, line, "cpu")
        if (quota := _quota_v2(directory) or _quota_v1(directory)) is not None
    ]
    return min(quotas, default=None)


def own_and_above(root: Path, line: str, controller: str) -> list[Path]:
    """Return the folders of a controller by one line of /proc/self/cgroup.

    v2 is `0::/path`, v1 is `4:cpu,cpuacct:/path`.
    """
    _number, controllers, path = line.split(":", 2)
    mounts = [root / "sys/fs/cgroup"]
    if controllers:
        if controller not in controllers.split(","):
            return []
        mounts = [root / "sys/fs/cgroup" / name for name in (controller, controllers, "cpu,cpuacct")]
    own = Path(path.lstrip("/"))
    return [mount / directory for mount in mounts for directory in (own, *own.parents)]


def _quota_v2(directory: Path) -> float | None:
    for line in lines_of(directory / "cpu.max"):
        limit, period = line.split()
        return None if limit == "max" else int(limit) / int(period)
    return None


def _quota_v1(directory: Path) -> float | None:
    limits = lines_of(directory / "cpu.cfs_quota_us")
    periods = lines_of(directory / "cpu.cfs_period_us")
    if not limits or not periods or int(limits[0]) <= 0:
        return None
    return int(limits[0]) / int(periods[0])


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file; none if there is no such file."""
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError:
        # This machine has no such controller, which is no fault.
        return []
