"""CPU quotas for processes, so that several machines can be played on one: each engine gets a part of a core."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

FIRST = Path("/sys/fs/cgroup/cpu")
"""The controller of cgroup version 1; version 2 has all of them in the folder above."""

SECOND = Path("/sys/fs/cgroup")

PERIOD_US = 10_000
"""Short, so that a process which has used its share does not stand still for longer than a picture takes."""


def are_possible() -> bool:
    """Whether this user may make groups with a quota."""
    return os.geteuid() == 0 and (_is_first() or _second_has_cpu())


@contextlib.contextmanager
def limited(processes: Sequence[int], cores: float) -> Iterator[None]:
    """Let each of the processes use so many cores at most during the block."""
    parent = FIRST if _is_first() else SECOND
    groups = [parent / f"imgsrv-bench-{process}" for process in processes]
    try:
        for group, process in zip(groups, processes, strict=True):
            group.mkdir()
            _set_quota(group, round(PERIOD_US * cores))
            (group / "cgroup.procs").write_text(str(process))
        yield
    finally:
        for group in groups:
            _leave(group, parent)


def _is_first() -> bool:
    return (FIRST / "tasks").exists()


def _second_has_cpu() -> bool:
    file = SECOND / "cgroup.subtree_control"
    return file.exists() and "cpu" in file.read_text().split()


def _set_quota(group: Path, quota_us: int) -> None:
    if group.parent == FIRST:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    else:
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")


def _leave(group: Path, parent: Path) -> None:
    """Move what is left in a group to the one above, and remove it."""
    if group.exists():
        for process in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (parent / "cgroup.procs").write_text(process)
        group.rmdir()
