"""A worker process as its master knows it: forked, watched, retired; and what keeps one from staying for ever."""

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

from imgsrv.observe.processes import proportional_bytes
from imgsrv.observe.scoreboard import Board, Row, WorkerState
from imgsrv.pool.signals import HANDLED, blocked_signals
from imgsrv.pool.slot import Slot
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.worker import EXIT_BOOT_FAILED, KILL_JOB, Surroundings, Work, run_worker

HANG_GRACE_S = 2.0
"""How long after its deadline a job may still run before its worker is replaced."""

DEAF_S = 5.0
"""A worker with a hanging job that has not begun to drain so long after it was told to cannot: it is killed."""

KILL_GRACE_S = 2.0
"""After the drain limit a worker should end by itself; this much later it is killed."""

MEMORY_FRESH_S = 1.0
"""A size that was measured so short ago is told again: measuring takes the kernel a millisecond or more."""

PROVEN_S = 10.0
"""A worker is not replaced for its memory before it served so long: a limit below what it starts with ends nothing."""

OOM_SCORE_FILE = Path("/proc/self/oom_score_adj")

OOM_SURPLUS, MOST_OOM = 100, 1000
"""In thousandths of the machine's memory, or of the group's that is short: what a worker looks larger than it is.  A
master has 100 MB, a new worker 80, so without it the kernel may end the one process that could replace the others."""

JOBS_JITTER = 0.1
"""Workers forked together get limits of jobs up to so much higher, or they would all be replaced together."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """When a worker is replaced though it works; 0 is never.

    memory: bytes, of what a worker has alone and its share of what it has with others (PSS).
    """

    memory: int = 0
    jobs: int = 0


@dataclass
class Child:
    """One worker.

    last_job: the count of its row's jobs at which it is replaced.  retired_at: when it was told to go.
    generation: of the code that it runs.  The counts of its row go on where those of an earlier worker ended.
    counted: of its row on another version's board, what ours has already.
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
    box: CrashBox = field(default_factory=CrashBox)

    def __post_init__(self) -> None:
        self.row = self.board.row(self.row_index)
        self.counted: dict[str, int] = {}
        self.requests_before, self.jobs_before = self.row["requests"], self.row["jobs_done"]
        self._memory, self._measured_at = 0, -math.inf

    def memory(self, now: float) -> int:
        """Its proportional size in bytes, as it was a moment ago at most."""
        if now - self._measured_at > MEMORY_FRESH_S:
            self._memory, self._measured_at = proportional_bytes(self.pid) or 0, now
        return self._memory

    def retire(self, now: float) -> None:
        """Ask it to finish with its clients and go; its slot is another's."""
        if self.retired_at is None:
            self.retired_at = now
            self.row.set("is_retired", 1)
            os.kill(self.pid, signal.SIGTERM)

    def job_began_us(self) -> int:
        """When the job at hand began; 0 where there is none."""
        return self.row["job_began_us"]

    def kill_job(self, began_us: int) -> None:
        """Ask it to tell the client of that job that it was ended."""
        # Where it has not listened for long, or has gone, its end tells the same less clearly.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self.line.send(KILL_JOB.pack(began_us))

    def reason_to_replace(self, now: float, memory: int | None, limit: int) -> str | None:
        """One of REPLACED_FOR, or None.  memory: its size in bytes where that was measured just now."""
        if self._late_s(now) > HANG_GRACE_S:
            return "hang"
        if self.row["state"] == WorkerState.DRAINING:
            return "signal"
        if memory is not None and memory > limit and now - self.slot.ready_at > PROVEN_S:
            return "memory"
        return "jobs" if self.row["jobs_done"] >= self.last_job else None

    def is_overdue(self, now: float, drain_s: float) -> bool:
        """It was told to go and does not."""
        if self.retired_at is None:
            return False
        told_s = now - self.retired_at
        is_deaf = self.is_hung and self.row["state"] == WorkerState.READY
        return told_s > drain_s + KILL_GRACE_S or (is_deaf and told_s > DEAF_S)

    def clear_row(self) -> None:
        """What a dead worker cannot take back: the row has no other writer until the next is forked."""
        self.row.set("state", WorkerState.GONE)
        self.row.set("connections", 0)
        self.row.set("job_began_us", 0)

    def _late_s(self, now: float) -> float:
        """Seconds that the current job is over its deadline."""
        return now - self.row["job_deadline_us"] * 1e-6 if self.row["job_began_us"] else 0.0


def last_job(row: Row, limit: int) -> float:
    """The count of a row's jobs at which a worker that starts with it now has done its share."""
    return row["jobs_done"] + round(limit * random.uniform(1, 1 + JOBS_JITTER)) if limit else float("inf")  # noqa: S311


def fork_worker(
    work: Work, given: Surroundings, let_go: Callable[[], None], others: Iterable[socket.socket | CrashBox]
) -> tuple[int, socket.socket]:
    """The pid of a new worker and the master's end of its line, in the master; in the worker it does not return.

    let_go: closes, in the worker, what is the master's.  others: what is the other workers', the same.
    Raises OSError where the machine has no room.
    """
    with contextlib.ExitStack() as undo:
        # Each message is one: two that follow each other are not read as one.
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
    """Drop what is the master's, live as a worker, and leave by the one exit there is."""
    status = EXIT_BOOT_FAILED
    try:
        # Or the worker would hold its own line open, or a sibling's, and they would never see the master die.
        for each in others:
            each.close()
        signal.set_wakeup_fd(-1)  # or the child's signals would wake the master
        for signum in HANDLED:
            signal.signal(signum, signal.SIG_DFL)  # the master's handlers; blocked until the worker has its own
        let_go()
        given.listener.keep_only(given.slot)  # or the port would outlive the master in this process
        random.seed()  # or every worker would draw the same numbers
        _go_before_the_master()  # before it changes its user, who would have no right to the file
        status = run_worker(work, given, line)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _go_before_the_master() -> None:
    """Where memory is short, let the kernel end this worker and not its master; a score is raised without privilege."""
    # A /proc that cannot be written to leaves the kernel's own choice, which serves as well on most days.
    with contextlib.suppress(OSError):
        inherited = int(OOM_SCORE_FILE.read_text(encoding="ascii"))
        OOM_SCORE_FILE.write_text(str(min(MOST_OOM, inherited + OOM_SURPLUS)), encoding="ascii")


def exit_reason(exit_code: int) -> str:
    """How a process ended, in words; most real-time signals have no name."""
    if exit_code >= 0:
        return f"exit status {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
