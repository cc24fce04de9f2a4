"""Facts about processes, from psutil: memory, processor time, open files."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


def proportional_bytes(pid: int) -> int | None:
    """Return the PSS of a process in bytes; None if it is gone or this user may not know.

    PSS divides memory that several processes share among them.  RSS counts it in full for the master and for each
    worker.  The kernel takes a millisecond or more to answer.
    """
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except psutil.Error:
        return None


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, in seconds; 0 if it is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the kernel tells of a process; None for what this user may not know.

    started: Unix time in seconds.  resident, virtual: bytes; resident counts shared memory in full.
    open_files, most_files: descriptors, and how many it may have.
    """

    cpu_s: float
    started: float
    resident: int
    virtual: int
    open_files: int | None
    most_files: int | None


def facts_of(pid: int) -> ProcessFacts | None:
    """Return the facts of a process; None if it is gone."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, memory, started = process.cpu_times(), process.memory_info(), process.create_time()
            return ProcessFacts(
                float(times.user + times.system), started, memory.rss, memory.vms, *_descriptors(process)
            )
    except psutil.Error:
        return None


def _descriptors(process: psutil.Process) -> tuple[int | None, int | None]:
    """The open and the most descriptors.  After a change of its user only root may see those of a process."""
    try:
        return process.num_fds(), process.rlimit(psutil.RLIMIT_NOFILE)[0]
    except psutil.AccessDenied:
        return None, None
