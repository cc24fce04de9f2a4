"""The coroner: report the job of a worker that died, and keep its input, in a separate process (a clerk).

Reading the input takes time, and the master must not wait.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgsrv.observe.crashes import Input, Keeping, keep_input, keep_report
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.log.sink import STANDARD_ERROR, Sink
from imgsrv.pool.child import Child
from imgsrv.pool.signals import HANDLED, blocked_signals
from imgsrv.pool.worker.crashbox import Remains, believable_facts

MOST_CLERKS = 2
"""At most so many crash reports run at once; further crashes are only logged."""

CLERK_LIMIT_S = 60
"""A clerk that takes longer is ended by SIGALRM."""

Place = tuple[str, int, int]


def _nowhere(_body: int, _plan: bytes) -> Place:
    raise ValueError("the place of the input is not known")


@dataclass
class Coroner:
    """Examines the deaths of workers.

    facts: returns what of a plan is for the log.
    place: returns the input's format, and its start and size in the body's file; raises ValueError or KeyError if the
    plan does not say.
    sink: the log.
    """

    facts: Callable[[bytes], dict[str, Any]] = lambda plan: {"plan": plan.decode(errors="replace")}
    place: Callable[[int, bytes], Place] = _nowhere
    keeping: Keeping = field(default_factory=Keeping)
    sink: Sink = field(default_factory=Sink)
    _clerks: set[int] = field(init=False, default_factory=set)

    def examine(self, child: Child, exit_code: int, reason: str) -> None:
        """Examine an unexpected death, if the worker left a job or a stack.  exit_code: 0 for an expected one."""
        self.examine_codec(child)
        with closing(child.box):
            remains = child.box.open()
        facts = {"slot": child.slot.index, "pid": child.pid, "reason": reason, "was_hung": child.is_hung}
        try:
            if exit_code != 0 and (remains.body is not None or remains.stack):
                self._employ(facts, remains)
        finally:
            if remains.body is not None:
                os.close(remains.body)

    def examine_codec(self, child: Child) -> None:
        """Examine the death of a codec's process, if its worker has left the job; the worker lives on."""
        if (found := child.box.left()) is None:
            return
        remains, reason = found
        try:
            self._employ({"slot": child.slot.index, "pid": child.pid, "reason": f"codec: {reason}"}, remains)
        finally:
            if remains.body is not None:
                os.close(remains.body)

    def reaped(self, pid: int) -> None:
        """Note that a child has ended that was no worker."""
        self._clerks.discard(pid)

    def _employ(self, facts: dict[str, Any], remains: Remains) -> None:
        """Start a clerk."""
        if len(self._clerks) >= MOST_CLERKS:
            get_logger().warning("crash_not_examined", **facts, because="others are being examined")
            return
        try:
            with blocked_signals():
                pid = os.fork()
                if pid == 0:
                    self._work_as_clerk(facts, remains)
        except OSError as error:
            get_logger().warning("crash_not_examined", **facts, because=error.strerror)
            return
        self._clerks.add(pid)

    def _work_as_clerk(self, facts: dict[str, Any], remains: Remains) -> None:
        """In the clerk: drop what is the master's, write the report, and exit."""
        try:
            signal.set_wakeup_fd(-1)
            for signum in HANDLED:
                signal.signal(signum, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            signal.alarm(CLERK_LIMIT_S)
            _close_all_but(self.sink.descriptor, remains.body)
            self.sink.forget_kept()
            self.tell(facts, remains)
            self.sink.finish()
        finally:
            os._exit(0)

    def tell(self, facts: dict[str, Any], remains: Remains) -> None:
        """Keep the report and the input, and log them."""
        told = {**facts, **self._job(remains), **({"stack": remains.stack} if remains.stack else {})}
        try:
            if (report := keep_report(self.keeping, told)) is not None:
                told["report"] = str(report)
        except OSError as error:
            told["not_reported"] = error.strerror
        get_logger().error("crash_report", **told)

    def _job(self, remains: Remains) -> dict[str, Any]:
        if remains.body is None:
            return {}
        facts = believable_facts(self.facts, remains.plan)
        try:
            found, start, size = self.place(remains.body, remains.plan)
            source = Input(remains.body, start, min(size, os.fstat(remains.body).st_size))
            digest = source.digest()
        # The plan and the file come from a worker and may be anything.
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError, OSError):
            return facts
        facts = {**facts, "input_format": found, "sha256": digest}
        try:
            kept: Path | None = keep_input(self.keeping, source, digest)
        except OSError as error:
            return {**facts, "not_quarantined": error.strerror}
        return facts if kept is None else {**facts, "quarantined": str(kept)}


def _close_all_but(*kept: int | None) -> None:
    """Close every other descriptor, or this process would hold the port, the workers' lines and the queue open."""
    first = STANDARD_ERROR + 1
    for descriptor in sorted(each for each in kept if each is not None and each > STANDARD_ERROR):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
