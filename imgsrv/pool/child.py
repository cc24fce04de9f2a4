"""A worker process as the master knows it: fork it, watch it, retire it, and find the reason to replace it."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from imgsrv.observe.fields import IN_LINE, MEMORY
from imgsrv.observe.processes import proportional_bytes
from imgsrv.observe.scoreboard import Board, Row, WorkerState
from imgsrv.pool.signals import HANDLED, KILL_GRACE_S, blocked_signals
from imgsrv.pool.slot import Slot
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.worker import EXIT_BOOT_FAILED, KILL_JOB, Surroundings, Work, run_worker

HANG_GRACE_S = 2.0
"""A job may run so long after its deadline before its worker is replaced."""

DEAF_S = 5.0
"""A worker whose job hangs is killed if it has not begun to drain so long after it was told to go."""

MEMORY_FRESH_S = 1.0
"""A measured size is reported again for so long: a measurement takes the kernel a millisecond or more."""

PROVEN_S = 10.0
"""A worker that has served for less is not replaced for its memory, even if the limit is below its first size."""

CLEARED = (
    *("connections", "sending", "job_began_us", "is_silent"),
    *MEMORY,
    *IN_LINE,
)
"""Gauges of a worker that are over with it, so that others do not make room for what is gone."""

OOM_SCORE_FILE = Path("/proc/self/oom_score_adj")
"""psutil cannot write the score."""

OOM_SURPLUS, MOST_OOM = 100, 1000
"""An addition to a worker's OOM score, in thousandths of the memory of the machine or cgroup that is short of it.

A master has 100 MB, a new worker 80; without the surplus the kernel may kill the one process that can replace the
others.
"""

JOBS_JITTER = 0.1
"""The limit of jobs is raised at random by up to this share, or workers forked together would go together."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """The limits at which a worker is replaced though it works; 0 for no limit.

    memory: bytes of PSS, which counts shared memory in part.  jobs: a number.  silence_s: time without a sign of life.
    """

    memory: int = 0
    jobs: int = 0
    silence_s: float = 0.0


@dataclass
class Child:
    """One worker.

    last_job: the worker is replaced when the job count of its row reaches this.  retired_at: when it was told to go.
    has_spoken: it has said that it is ready, or why it cannot be; it has nothing else to say.
    is_silent: it has given no sign of life for a while.  has_no_pulse: for so long that it is replaced (pulse.py).
    generation: of the code that it runs.  line: the master's end of the socket between them.
    counted: the counts of its row on another version's board that our board already has.
    requests_before, jobs_before: the counts of an earlier worker on the same row.
    """

    pid: int
    slot: Slot
    board: Board
    row_index: int
    line: socket.socket
    last_job: float
    forked_at: float
    generation: int = 1
    retired_at: float | None = None
    is_hung: bool = False
    has_spoken: bool = False
    is_silent: bool = False
    has_no_pulse: bool = False
    box: CrashBox = field(default_factory=CrashBox)

    def __post_init__(self) -> None:
        self.row = self.board.row(self.row_index)
        self.counted: dict[str, int] = {}
        self.requests_before, self.jobs_before = self.row["requests"], self.row["jobs_done"]
        self._memory, self._measured_at = 0, -math.inf

    def memory(self, now: float) -> int:
        """Return its PSS in bytes, measured at most MEMORY_FRESH_S ago."""
        if now - self._measured_at > MEMORY_FRESH_S:
            self._memory, self._measured_at = proportional_bytes(self.pid) or 0, now
        return self._memory

    def retire(self, now: float) -> None:
        """Tell it to finish with its clients and go; its slot belongs to another worker now."""
        if self.retired_at is None:
            self.retired_at = now
            self.row.set("is_retired", 1)
            os.kill(self.pid, signal.SIGTERM)

    def job_began_us(self) -> int:
        """Return when its current job began, in microseconds of the monotonic clock; 0 if it has none."""
        return self.row["job_began_us"]

    def kill_job(self, began_us: int) -> None:
        """Tell it to answer the client of that job that the job was killed."""
        # If it no longer listens or has gone, its end tells the client the same, less clearly.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self.line.send(KILL_JOB.pack(began_us))

    def reason_to_replace(self, now: float, memory: int | None, limit: int) -> str | None:
        """Return one of REPLACED_FOR, or None.  memory: its size in bytes, if it was measured just now."""
        if self._late_s(now) > HANG_GRACE_S:
            return "hang"
        if (state := self.row.state) is None:
            return "garbled"
        if state is WorkerState.DRAINING:
            return "signal"
        if self.has_no_pulse:
            return "silent"
        if memory is not None and memory > limit and now - self.slot.ready_at > PROVEN_S:
            return "memory"
        return "jobs" if self.row["jobs_done"] >= self.last_job else None

    def is_overdue(self, now: float, drain_s: float, send_s: float) -> bool:
        """Return whether it was told to go and has not gone in time.

        send_s: how much longer it may take while clients read their answers.
        """
        if self.retired_at is None:
            return False
        told_s = now - self.retired_at
        is_deaf = self.is_hung and self.row.state not in (WorkerState.DRAINING, WorkerState.GONE)
        limit_s = drain_s + KILL_GRACE_S + (send_s if self.is_sending() else 0)
        return told_s > limit_s or (is_deaf and told_s > DEAF_S)

    def is_sending(self) -> bool:
        """Return whether clients still read answers that are complete."""
        return self.row["sending"] > 0

    def clear_row(self) -> None:
        """Clear the gauges of a dead worker; nobody else writes its row until the next worker is forked."""
        self.row.set("state", WorkerState.GONE)
        for gauge in CLEARED:
            self.row.set(gauge, 0)

    def _late_s(self, now: float) -> float:
        """Return the seconds by which the current job is over its deadline."""
        return now - self.row["job_deadline_us"] * 1e-6 if self.row["job_began_us"] else 0.0


def last_job(row: Row, limit: int) -> float:
    """Return the job count of a row at which a worker that starts now is replaced.  limit: jobs for one worker."""
    return row["jobs_done"] + round(limit * random.uniform(1, 1 + JOBS_JITTER)) if limit else float("inf")  # noqa: S311


def fork_worker(
    work: Work, given: Surroundings, let_go: Callable[[], None], others: Iterable[socket.socket | CrashBox]
) -> tuple[int, socket.socket]:
    """Fork a worker; return its pid and the master's end of its line.  In the worker it does not return.

    let_go: called in the worker; it closes what is the master's.  others: what the worker closes of other workers.
    Raises OSError if the machine has no room for a process.
    """
    with contextlib.ExitStack() as undo:
        # SEQPACKET keeps messages apart: two that follow each other are not read as one.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.enter_context(ours).setblocking(False)
        with theirs, blocked_signals():
            pid = os.fork()
            if pid == 0:
                _become_worker(work, given, let_go, theirs, (ours, *others))
        undo.pop_all()
    return pid, ours


def _become_worker(
    work: Work,
    given: Surroundings,
    let_go: Callable[[], None],
    line: socket.socket,
    others: Iterable[socket.socket | CrashBox],
) -> None:
    """Drop what is the master's, live as a worker, and leave by the only exit."""
    status = EXIT_BOOT_FAILED
    try:
        # Otherwise the worker would hold lines open, and no worker would see the master die.
        for each in others:
            each.close()
        signal.set_wakeup_fd(-1)  # otherwise the worker's signals would wake the master
        for signum in HANDLED:
            signal.signal(signum, signal.SIG_DFL)  # the master's handlers; blocked until the worker has its own
        let_go()
        given.listener.keep_only(given.slot)  # otherwise the port would outlive the master in this process
        random.seed()  # otherwise every worker would draw the same numbers
        _die_before_the_master()  # before the worker changes its user, who may not write the file
        status = run_worker(work, given, line)
    finally:
        with contextlib.suppress(OSError, ValueError):  # nothing may come between here and the exit
            work.sink.finish()
            sys.stderr.flush()
        os._exit(status)


def _die_before_the_master() -> None:
    """Let the kernel kill this worker before the master when memory is short.  Raising a score needs no privilege."""
    # Without a writable /proc the kernel's own choice remains, which is usually good enough.
    with contextlib.suppress(OSError):
        inherited = int(OOM_SCORE_FILE.read_text(encoding="ascii"))
        OOM_SCORE_FILE.write_text(str(min(MOST_OOM, inherited + OOM_SURPLUS)), encoding="ascii")


def exit_reason(exit_code: int) -> str:
    """Say in words how a process ended; most real-time signals have no name."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
