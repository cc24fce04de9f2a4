"""One helper process as its caller sees it: start it, give it jobs, end it.

What a helper says is believed no further than that of a stranger: its answers are bounded and are JSON, and it may
write what it likes into the shared file, which is read and never mapped here.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from imgsrv.imaging.apart.helper import LENGTH, MOST_BYTES
from imgsrv.imaging.apart.tasks import Order

START_S = 60.0
"""Longest start of a helper, on a machine that has other things to do."""

LONGEST_JOB_S = 600.0
"""Longest wait for a job that has no deadline."""

ENDING_S = 5.0
"""A process whose pipes are closed has ended so soon after, or is killed."""

MOST_ANSWER = 1 << 16
"""Longest answer, in bytes; real ones have some hundred."""

KEPT_BYTES = 16 << 20
"""The shared file keeps so many bytes for the next job: used pages are faster than fresh ones."""

PIECE = 4 << 20
"""Bytes that are copied at a time."""


class TooMuch(Exception):
    """A job needed more time or memory than it was given."""


class Failed(Exception):
    """A job failed, for the reason that is its text."""


class Ended(Exception):
    """A helper has ended, for the reason that is its text, such as SIGSEGV."""


@dataclass(frozen=True, slots=True)
class Job:
    """The work that a helper is given.

    task: one of those that it can do.  order: what the task wants to know.  pieces: the bytes, of which each piece is
    small, because copying one keeps the interpreter's lock.  room: most bytes of the result.  piece: bytes of a piece
    of the result.  take: is given each piece in turn; without it they are collected.
    """

    task: str
    order: Order
    pieces: Iterable[bytes]
    room: int
    piece: int = PIECE
    take: Callable[[bytes], object] | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Limits of a job: bytes of memory, seconds of a core, seconds on the clock."""

    memory: int
    cpu_s: int = 3600
    wall_s: float = LONGEST_JOB_S


class Helper:
    """One helper process.  tasks: what it can do.  is_bound: it ends with the thread that starts it.

    is_filtered: the seccomp filter is in force.  Raises MemoryError where the machine has no room for it.
    """

    def __init__(self, tasks: Sequence[str], fonts: Sequence[str], *, is_bound: bool) -> None:
        self.owner = os.getpid()
        self._memory = os.memfd_create("imgsrv-apart")
        try:
            os.ftruncate(self._memory, MOST_BYTES)
            order = {"tasks": tasks, "fonts": fonts, "memory": self._memory, "parent": self.owner if is_bound else 0}
            self.process = subprocess.Popen(  # noqa: S603  no shell, and no word of the command comes from a client
                [sys.executable, "-I", "-m", "imgsrv.imaging.apart.helper", json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=(self._memory,),
                # Nothing of the environment is needed, and it may hold secrets.  A process with threads cannot be
                # confined, and numpy would start some.
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            os.close(self._memory)
            # The server lacks a resource.  An OSError would be reported as a fault of the picture.
            raise MemoryError("cannot start the process that a codec runs in") from error
        assert self.process.stdin is not None  # noqa: S101  for the type checker: both are pipes
        assert self.process.stdout is not None  # noqa: S101
        self._jobs, self._answers = self.process.stdin, self.process.stdout
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        try:
            hello = self._heard(time.monotonic() + START_S)
            self._base, self.is_filtered = int(hello["address_space"]), bool(hello["is_filtered"])
        except (Ended, TooMuch, KeyError) as error:
            self.close()
            raise MemoryError("the process that a codec runs in does not start") from error
        os.ftruncate(self._memory, 0)

    @property
    def is_ours(self) -> bool:
        """This process has started it, and not one that this process was forked from."""
        return self.owner == os.getpid()

    @property
    def is_usable(self) -> bool:
        """It is ours, lives, and says nothing unasked."""
        return self.is_ours and not self._poll.poll(0)

    def do(self, job: Job, allowed: Allowance) -> list[bytes]:
        """Do one job; its result in pieces, none of them where the job takes them itself.

        Raises Failed, after which it can go on; TooMuch and Ended, after which it has gone; OSError.
        """
        end = time.monotonic() + allowed.wall_s
        size = self._write(job)
        message = pickle.dumps((job.task, size, job.room, dict(job.order)))
        self._limit(allowed)
        try:
            self._jobs.write(LENGTH.pack(len(message)) + message)
        except BrokenPipeError:
            raise Ended(self.why_ended()) from None
        answer = self._heard(end)
        if "reason" in answer:
            raise Failed(str(answer["reason"]))
        result = self._read(answer.get("size"), job)
        if max(size, job.room) > KEPT_BYTES:
            os.ftruncate(self._memory, 0)
        return result

    def why_ended(self) -> str:
        """End it, if it has not ended by itself; the signal that it ended with, or its exit status."""
        try:
            status = self.process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    def close(self) -> None:
        """End it and let go of it; of another process's helper only the latter."""
        self._jobs.close()
        self._answers.close()
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
        if self.is_ours:
            self.process.kill()
            self.process.wait()
        else:
            self.process.returncode = 0  # or its destructor would look for a child that is none

    def _limit(self, allowed: Allowance) -> None:
        """Set the limits of one job.  A helper cannot raise them: its filter refuses that call."""
        # The clock of another process's processor time, as clock_getcpuclockid(3) makes it.
        used_s = time.clock_gettime((~self.process.pid << 3) | 2)
        for what, most in (
            (resource.RLIMIT_AS, self._base + allowed.memory),
            (resource.RLIMIT_CPU, math.ceil(used_s) + allowed.cpu_s),
        ):
            resource.prlimit(self.process.pid, what, (most, resource.RLIM_INFINITY))

    def _write(self, job: Job) -> int:
        """Put the bytes of a job into the shared file; their number."""
        at = 0
        for piece in job.pieces:
            at += os.pwrite(self._memory, piece, at)
        os.ftruncate(self._memory, max(at, job.room))
        return at

    def _read(self, size: object, job: Job) -> list[bytes]:
        """The result in the shared file."""
        if not isinstance(size, int) or not 0 <= size <= job.room:
            raise Ended(self._ended_for("an answer that makes no sense"))
        pieces: list[bytes] = []
        for at in range(0, size, job.piece):
            piece = os.pread(self._memory, min(job.piece, size - at), at)
            if len(piece) != min(job.piece, size - at):
                raise Ended(self._ended_for("a result that is cut short"))
            (job.take or pieces.append)(piece)
        return pieces

    def _heard(self, end: float) -> dict[str, Any]:
        """The next answer.  Raises Ended; TooMuch, also if there is none by that time."""
        size = LENGTH.unpack(self._exactly(LENGTH.size, end))[0]
        try:
            answer = json.loads(self._exactly(size, end)) if size <= MOST_ANSWER else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Ended(self._ended_for("an answer that makes no sense"))
        if answer.get("is_too_much"):
            raise TooMuch
        return answer

    def _exactly(self, size: int, end: float) -> bytes:
        found = b""
        while len(found) < size:
            if not self._poll.poll(max(0.0, end - time.monotonic()) * 1000):
                self.process.kill()
                raise TooMuch
            part = self._answers.read(size - len(found))
            if not part:
                why = self.why_ended()
                raise TooMuch if why == "SIGXCPU" else Ended(why)
            found += part
        return found

    def _ended_for(self, why: str) -> str:
        self.process.kill()
        return why
