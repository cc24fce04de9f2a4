"""The engine: the one thread of a worker that processes pictures, one job at a time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imgsrv.errors import ImgsrvError, InternalError, OutOfResources, Overloaded
from imgsrv.observe.fields import CLASSES
from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row, now_us
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.exchange import Data, Exchange, Parcel, UnreadableJob
from imgsrv.pool.worker.turns import RECHECK_S, Turns
from imgsrv.shortages import needing

BEAT_S = 1.0
"""A front, and an engine without a job, counts a beat on the scoreboard once in this time."""

REST_AFTER_S = 10.0
"""An engine without a job for so long lets go of the memory that it keeps for the next one."""

BELOW_THE_FRONT = 5
"""The engine's nice value above that of its front: a third of the weight, where both want the same core.

So a front that wakes up to send a kept result, or to take a job for another engine, does not wait until engines have
used up their slices.  The kernel compares threads of one control group or session, so other programs of the same group
come before engines too; a service or container is a group of its own.
"""

PAUSE_S = 0.1
"""The engine takes no job for so long after a message that could not be read."""

Perform = Callable[[int, bytes], tuple[bytes, Data]]
"""Does a job: the descriptor of the body and the plan in, the message for the front and the result out."""


def _text(plan: bytes, _message: bytes = b"") -> dict[str, Any]:
    return {"plan": plan.decode(errors="replace")}


@dataclass(frozen=True, slots=True)
class Telling:
    """The facts of jobs that go to the log.

    facts: returns what of a plan, and of the engine's message if there is one, is for the log.
    slow_s: a job that takes so long is logged; 0 for none.
    """

    facts: Callable[[bytes, bytes], dict[str, Any]] = _text
    slow_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Helpers:
    """The processes in which codecs of an engine run.

    set_deadline: ends what runs for this thread at a time of the monotonic clock; None for no such time.
    take_losses: returns why such processes have died since the last call.  rest: called once when the engine has had no
    job for REST_AFTER_S.
    """

    set_deadline: Callable[[float | None], None] = lambda _at: None
    take_losses: Callable[[], list[str]] = list
    rest: Callable[[], None] = lambda: None


class Engine(threading.Thread):
    """Takes jobs from the exchange until it is stopped; the current job is always finished.

    on_crash: called from this thread if it ends without having been stopped.  box: the crash box for the current job.
    """

    def __init__(
        self,
        exchange: Exchange,
        perform: Perform,
        row: Row,
        log: Logger,
        on_crash: Callable[[], None],
        telling: Telling | None = None,
        box: CrashBox | None = None,
        turns: Turns | None = None,
        helpers: Helpers | None = None,
    ) -> None:
        super().__init__(name="engine", daemon=True)
        self._exchange, self._perform, self._row, self._log, self._on_crash = exchange, perform, row, log, on_crash
        self._telling, self._box, self._turns = telling or Telling(), box, turns or Turns(None, row)
        self._helpers = helpers or Helpers()
        self._hears_dear = False
        self._stop_signal = os.eventfd(0, os.EFD_CLOEXEC)
        self._is_stopping = threading.Event()
        self._at_work: Parcel | None = None
        self._rests_at = math.inf
        self._letting_go = threading.Lock()

    def works_for_nobody(self) -> bool:
        """Return whether it works on a job whose client has left or was told that the job took too long."""
        parcel = self._at_work
        return parcel is not None and parcel.is_abandoned()

    def kill_job(self, began_us: int) -> None:
        """Tell the client of the job that began then that it was killed.  The job itself cannot be interrupted."""
        # Without the lock the reply could be closed meanwhile, and another file have its descriptor.
        with self._letting_go:
            if self._at_work is not None and self._row["job_began_us"] == began_us:
                self._at_work.kill()

    def stop(self) -> None:
        """Take no further job."""
        self._is_stopping.set()
        os.eventfd_write(self._stop_signal, 1)

    def run(self) -> None:
        """The loop of the thread."""
        _stand_back()
        try:
            with self._exchange.watch(self._stop_signal) as poll:
                self._take_jobs(poll)
        # A thread ends silently, and a worker without its engine would look alive and do nothing.
        except BaseException:  # noqa: BLE001  SystemExit too
            self._log.exception("engine_crashed")
            self._on_crash()

    def _take_jobs(self, poll: select.epoll) -> None:
        while not self._is_stopping.is_set():
            self._row.add("engine_beats")
            self._hear(poll)
            # An engine that is kept free looks now and then whether it still is.
            poll.poll(RECHECK_S if self._turns.is_kept_free() else BEAT_S)
            # Also after a stop, and without a wake-up: a job wakes one engine, which may have taken a dear one first.
            parcel = self._receive()
            if parcel is None and time.monotonic() >= self._rests_at:
                self._rests_at = math.inf
                self._helpers.rest()
            # No poll in between: a queue that is not empty needs no wake-up.
            while parcel is not None:
                self._serve(parcel)
                self._rests_at = time.monotonic() + REST_AFTER_S
                parcel = None if self._is_stopping.is_set() else self._receive()

    def _hear(self, poll: select.epoll) -> None:
        """Wait for dear jobs too, unless this engine is kept free of them."""
        is_wanted = not self._turns.is_kept_free()
        if is_wanted is not self._hears_dear:
            self._exchange.watch_dear(poll, is_wanted=is_wanted)
            self._hears_dear = is_wanted

    def _receive(self) -> Parcel | None:
        try:
            return self._next()
        except UnreadableJob as error:
            self._log.error("job_unreadable", reason=str(error))
        except OSError as error:
            self._log.error("queue_unreadable", reason=str(error))
        # Another engine may be able to read it, and a lasting fault must not keep this thread busy.
        self._is_stopping.wait(PAUSE_S)
        return None

    def _next(self) -> Parcel | None:
        for is_dear in self._turns.order():
            if is_dear and not (self._exchange.waiting_dear() and self._turns.may_take_dear()):
                continue
            if (parcel := self._exchange.receive(is_dear=is_dear)) is not None:
                self._row.add(f"{CLASSES[is_dear]}_taken_us", parcel.cost_us)
                return parcel
        return None

    def _serve(self, parcel: Parcel) -> None:
        self._row.add("engine_beats")
        late_s = time.monotonic() - parcel.deadline
        if parcel.is_abandoned():
            self._row.add("jobs_skipped")
            parcel.close()
        elif late_s > 0:
            self._row.add("jobs_skipped")
            self._answer(parcel, _wire(Overloaded("the picture waited in the queue past its deadline", 1)))
        else:
            self._work(parcel)

    def _work(self, parcel: Parcel) -> None:
        self._at_work = parcel
        began = now_us()
        self._row.set("job_deadline_us", round(parcel.deadline * 1e6))
        self._row.set("job_is_dear", parcel.is_dear)
        self._row.set("job_cost_us", parcel.cost_us)
        self._row.set("job_began_us", began)
        self._row.add("jobs_begun")
        if self._box is not None:
            self._box.put(parcel.body, parcel.plan_start, len(parcel.plan))
        try:
            message, result = self._performed(parcel)
        except BaseException:
            # The engine ends, but its process goes on and would keep the client waiting.
            parcel.close()
            raise
        finally:
            with self._letting_go:
                self._at_work = None
        self._row.set("job_began_us", 0)
        if self._box is not None:
            self._box.clear()
        busy_us = now_us() - began
        self._turns.spent(parcel.is_dear, busy_us * 1e-6)
        self._row.add("job_busy_us", busy_us)
        self._row.add("jobs_done")
        self._report_losses(parcel)
        self._answer(parcel, message, result)
        if 0 < self._telling.slow_s <= busy_us * 1e-6:
            self._log.warning("slow_job", seconds=round(busy_us * 1e-6, 3), **self._telling.facts(parcel.plan, message))

    def _report_losses(self, parcel: Parcel) -> None:
        """Count and log the processes of codecs that died during the job."""
        for reason in self._helpers.take_losses():
            self._row.add("codec_deaths")
            # A limit is no crash: it is expected, and the client is told.
            if self._box is not None and reason.startswith("SIG"):
                self._box.leave(parcel.body, parcel.plan_start, len(parcel.plan), reason)
            self._log.error("codec_process_died", reason=reason, **self._telling.facts(parcel.plan, b""))

    def _answer(self, parcel: Parcel, message: bytes, result: Data = b"") -> None:
        """Send the reply, or the error that prevents it, and let go of the job."""
        try:
            with needing("the result"):
                parcel.answer(message, result)
        except (OSError, OutOfResources) as error:
            self._log.exception("reply_not_sent", **self._telling.facts(parcel.plan, b""))
            try:
                parcel.answer(_wire(error if isinstance(error, OutOfResources) else InternalError()))
            except OSError:
                # Closing the reply is the only answer left.
                parcel.close()

    def _performed(self, parcel: Parcel) -> tuple[bytes, Data]:
        try:
            self._helpers.set_deadline(parcel.deadline)
            with needing("the picture"):
                return self._perform(parcel.body, parcel.plan)
        # A picture must not end the engine, whatever a codec raises: the client gets a 5xx, the log gets the traceback.
        except Exception as error:  # noqa: BLE001
            self._log.exception("job_failed", **self._telling.facts(parcel.plan, b""))
            return _wire(error if isinstance(error, ImgsrvError) else InternalError()), b""


def _stand_back() -> None:
    """Let fronts go first.  What this thread starts, such as the processes of codecs, inherits it."""
    thread = threading.get_native_id()
    # A sandbox may forbid it, and the kernel takes 19 for more.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BELOW_THE_FRONT)


def _wire(error: ImgsrvError) -> bytes:
    return json.dumps({"error": error.to_wire()}).encode()
