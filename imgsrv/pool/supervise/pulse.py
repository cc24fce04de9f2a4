"""The pulse of the workers: a front or an engine that gives no sign of life is noticed, and its worker replaced.

The loop of a front counts its beats on the scoreboard, and so does an engine that has no job (worker/worker.py,
worker/engine.py).  The master looks only at whether a count has changed.  It adds up the time between its own turns, so
a suspended machine, or a master that did not run, makes no worker look silent.

A job may hold the interpreter's lock, and then its front is silent too.  Until the deadline of the job that is no
reason to end the worker, but new connections go elsewhere.  A process that is stopped (SIGSTOP) holds no lock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from imgsrv.pool.child import Child
from imgsrv.pool.events import Events

STEER_S = 2.5
"""New connections go elsewhere after so long a silence; a beat comes once in a second."""

LONGEST_TURN_S = 1.5
"""At most so much of the time between two turns counts as silence: a turn takes up to a second."""


@dataclass
class _Pulse:
    front: int = -1
    engine: int = -1
    front_silent_s: float = 0.0
    engine_silent_s: float = 0.0


class Pulses:
    """Watches the workers that serve.  limit_s: a worker is replaced after so long a silence; 0 for never."""

    def __init__(self, events: Events, limit_s: float) -> None:
        self._events, self._limit_s = events, limit_s
        self._pulses: dict[int, _Pulse] = {}
        self._turned_at = math.inf

    def step(self, serving: Iterable[Child], now: float) -> None:
        """Note who is silent; called in each turn with the workers that are to serve."""
        passed_s, self._turned_at = min(max(0.0, now - self._turned_at), LONGEST_TURN_S), now
        # Workers of another version may not beat.
        watched = [child for child in serving if not child.board.is_foreign] if self._limit_s else []
        before, self._pulses = self._pulses, {}
        for child in watched:
            if child.pid not in before:
                child.row.set("is_silent", 0)  # an image before may have noted the opposite
            self._pulses[child.pid] = before.get(child.pid, _Pulse())
            self._feel(child, self._pulses[child.pid], passed_s)

    def _feel(self, child: Child, pulse: _Pulse, passed_s: float) -> None:
        row = child.row
        front, engine, has_job = row["front_beats"], row["engine_beats"], bool(row["job_began_us"])
        pulse.front_silent_s = 0.0 if front != pulse.front else pulse.front_silent_s + passed_s
        pulse.engine_silent_s = 0.0 if engine != pulse.engine or has_job else pulse.engine_silent_s + passed_s
        pulse.front, pulse.engine = front, engine
        silent_s = max(pulse.front_silent_s, pulse.engine_silent_s)
        self._note(child, "front" if pulse.front_silent_s >= pulse.engine_silent_s else "engine", silent_s)
        child.has_no_pulse = silent_s >= self._limit_s and (not has_job or _is_stopped(child.pid))

    def _note(self, child: Child, part: str, silent_s: float) -> None:
        is_silent = silent_s >= min(STEER_S, self._limit_s)
        if is_silent == child.is_silent:
            return
        child.is_silent = is_silent
        child.row.set("is_silent", int(is_silent))
        facts = {"slot": child.slot.index, "pid": child.pid}
        if is_silent:
            self._events.warning("worker_not_responding", **facts, part=part, seconds=round(silent_s, 1))
        else:
            self._events.info("worker_responds_again", **facts)


def _is_stopped(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False
