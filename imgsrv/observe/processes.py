"""Facts about other processes, from psutil: their memory and their processor time."""

from __future__ import annotations

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
