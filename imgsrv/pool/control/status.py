"""The answer of `status`, made from the roster and the scoreboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from imgsrv.observe.processes import cpu_s
from imgsrv.observe.scoreboard import WorkerState
from imgsrv.pool.child import Child
from imgsrv.pool.slot import Slot, State

NOT_RESPONDING = "not responding"
"""State of a worker that gives no sign of life."""


def workers_of(slots: Sequence[Slot], children: Iterable[Child], now: float) -> list[dict[str, Any]]:
    """Return every worker, including those on their way out, and every slot without one."""
    workers = [_worker(child, now) for child in children]
    taken = {slot.pid for slot in slots}
    empty = [_empty(slot, now) for slot in slots if slot.pid is None or slot.pid not in taken]
    return sorted([*workers, *empty], key=lambda worker: (worker["slot"], worker["pid"] or 0))


def _worker(child: Child, now: float) -> dict[str, Any]:
    row = child.row
    began_us, deadline_us = row["job_began_us"], row["job_deadline_us"]
    job = {"age_s": _seconds(now - began_us * 1e-6), "deadline_in_s": _seconds(deadline_us * 1e-6 - now)}
    state = (row.state or WorkerState.GONE).name.lower()
    return {
        "slot": child.slot.index,
        "pid": child.pid,
        "generation": child.generation,
        "state": NOT_RESPONDING
        if child.is_silent
        else "draining"
        if child.retired_at is not None
        else "starting"
        if state == "gone"
        else state,
        "uptime_s": _seconds(now - child.forked_at),
        "starts": child.slot.starts,
        "cpu_s": round(cpu_s(child.pid), 2),
        "memory_bytes": child.memory(now),
        "connections": row["connections"],
        # A worker may have written anything there.
        "requests": max(0, row["requests"] - child.requests_before),
        "jobs_done": max(0, row["jobs_done"] - child.jobs_before),
        "job": job if began_us else None,
    }


def _empty(slot: Slot, now: float) -> dict[str, Any]:
    return {
        "slot": slot.index,
        "pid": None,
        "generation": None,
        "state": slot.state.value,
        "uptime_s": 0.0,
        "starts": slot.starts,
        "cpu_s": 0.0,
        "memory_bytes": 0,
        "connections": 0,
        "requests": 0,
        "jobs_done": 0,
        "job": None,
        "reason": slot.reason,
        "next_start_in_s": _seconds(max(0.0, slot.due - now)) if slot.state is State.BACKOFF else None,
    }


def _seconds(value: float) -> float:
    return round(value, 3)
