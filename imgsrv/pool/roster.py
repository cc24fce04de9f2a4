"""The roster: the slots of a pool, the workers in them, and what all workers share.

Reload, replacement, scaling and shutdown act on the roster.  The roster itself decides nothing: it forks a worker for a
slot, hears what workers say, and clears up after a dead one.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from imgsrv.observe.scoreboard import SPARE_ROWS, Board
from imgsrv.pool.child import Child, WorkerLimits, exit_reason, fork_worker, last_job
from imgsrv.pool.events import Events
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.slot import Slot, State
from imgsrv.pool.worker.crashbox import CrashBox
from imgsrv.pool.worker.exchange import Exchange
from imgsrv.pool.worker.worker import FAILED, LONGEST_MESSAGE, READY, Surroundings, Work


@dataclass
class Inherited:
    """The part of a roster that survives a reload.

    past: the row of the board that keeps the counts of another version's board.  size: the image before was started
    with so many workers.  started: when the server was started, on the monotonic clock and in Unix time.
    """

    generation: int
    size: int
    started: tuple[float, float]
    board: Board
    past: int | None
    slots: list[Slot]
    children: dict[int, Child]
    events: list[dict[str, Any]]


@dataclass
class Roster:
    """The slots and workers on one listener.

    size: the number of slots that the settings ask for.
    let_go: called in each new worker; it closes what else is the master's.
    exchange: each generation has its own, so no engine gets a job from a front of other code.
    kept: workers that a rollout has replaced and may still take back; None outside a rollout.
    has_announced: the pool has served once.
    """

    listener: Listener
    work: Work
    size: int
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    events: Events = field(default_factory=Events)
    exchange: Exchange = field(default_factory=Exchange)
    let_go: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    inherited: Inherited | None = None
    selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    kept: list[Child] | None = field(init=False, default=None)
    is_stopping: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.has_announced = self.inherited is not None
        given = self.inherited or Inherited(
            generation=1,
            size=self.size,
            started=(self.clock(), time.time()),
            board=Board(0, spare=self.size + SPARE_ROWS),
            past=None,
            slots=[Slot(index) for index in range(self.size)],
            children={},
            events=[],
        )
        self.generation, self.started = given.generation, given.started
        self.board, self.past = given.board, given.past
        self.slots, self.children = given.slots, given.children
        self.events.recent.extend(given.events)

    def boards(self) -> list[Board]:
        """Return the board, and those of earlier images whose workers still serve."""
        boards = (self.board, *(child.board for child in self.children.values()))
        return list({id(board): board for board in boards}.values())

    def serving(self) -> list[Child]:
        """Return the workers that are to serve: one for each slot that is ready."""
        return [self.children[slot.pid] for slot in self.slots if slot.state is State.READY and slot.pid]

    def open(self) -> None:
        """Listen for clients in every slot, and to every worker that there is."""
        for slot in self.slots:
            self.listener.for_slot(slot.index)
        for child in self.children.values():
            self._listen_to(child)

    def fork(self, slot: Slot) -> bool:
        """Fork a worker for a slot; return False if the machine has no room for it."""
        try:
            child = self._new_child(slot)
        except OSError as error:
            slot.fork_failed(self.clock(), f"cannot fork: {error.strerror}")
            self.events.error("fork_failed", slot=slot.index, reason=error.strerror)
            return False
        slot.forked(child.pid, self.clock())
        child.row.add("starts")
        self.children[child.pid] = child
        self._listen_to(child)
        return True

    def bury(self, child: Child, exit_code: int) -> None:
        """Clear up after a worker that has ended."""
        self._hear(child)  # its last message may have come since the loop last listened
        self._stop_listening_to(child.line)
        child.line.close()
        child.clear_row()
        if self.kept is not None and child in self.kept:
            self.kept.remove(child)
        if child.board is not self.board and self.past is not None:
            self.board.add_counts(child.row, self.past, child.counted)
        slot, reason = child.slot, exit_reason(exit_code)
        was_wanted = child.retired_at is None and not self.is_stopping
        failures = slot.boot_failures
        slot.exited(child.pid, self.clock(), reason)
        # A worker of a reload that cannot boot is no death: the old one still serves, and takes its place again.
        is_attempt = self.kept is not None and slot.boot_failures > failures
        if slot.state is State.FAILED:
            self.listener.turn_away(slot.index)
        if was_wanted and not is_attempt:
            child.row.add("deaths")
        level = self.events.warning if was_wanted else self.events.info
        level("worker_exit", slot=slot.index, pid=child.pid, reason=reason, next=slot.state.value)

    def kill_all(self) -> None:
        """Kill every worker at once."""
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)

    def _new_child(self, slot: Slot) -> Child:
        taken = {child.row_index for child in self.children.values() if child.board is self.board}
        index = self.board.free_row(taken if self.past is None else {*taken, self.past})
        row = self.board.row(index)
        row.set("slot", slot.index)
        row.set("is_retired", 0)
        row.set("is_leaving", 0)
        row.set("is_silent", 0)
        row.set("generation", self.generation)
        theirs = [each for child in self.children.values() for each in (child.line, child.box)]
        given = Surroundings(slot.index, row, self.listener, self.exchange, self.board, os.getpid(), CrashBox())
        pid, line = fork_worker(self.work, given, partial(self._let_go, index), theirs)
        jobs = last_job(row, self.limits.jobs)
        return Child(pid, slot, self.board, index, line, jobs, self.clock(), self.generation, box=given.box)

    def _let_go(self, row: int) -> None:
        """In a worker: close what is the master's, and give up the right to write to rows of others."""
        self.selector.close()  # its epoll is shared
        for board in self.boards():
            board.restrict(row if board is self.board else None)
        self.let_go()

    def _listen_to(self, child: Child) -> None:
        self.selector.register(child.line, selectors.EVENT_READ, partial(self._hear, child))

    def _stop_listening_to(self, line: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(line)

    def _hear(self, child: Child) -> None:
        """Read a worker's message: it is ready, or it says why it cannot be.

        A worker that says anything else, or says a second thing, works no longer as it should and is killed.
        """
        try:
            message = child.line.recv(LONGEST_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if not message:
            # SIGCHLD tells when its exit can be reaped; until then nothing more comes.
            self._stop_listening_to(child.line)
        elif child.has_spoken or not message.startswith((READY, FAILED)):
            self._stop_listening_to(child.line)
            facts = {"slot": child.slot.index, "pid": child.pid, "message": repr(message[:100])}
            self.events.error("worker_talks_nonsense", **facts)
            os.kill(child.pid, signal.SIGKILL)
        elif message == READY:
            child.has_spoken = True
            replaced = child.slot.became_ready(child.pid, self.clock())
            self.events.info("worker_ready", slot=child.slot.index, pid=child.pid)
            if replaced is not None:
                self._replaced(self.children[replaced])
        else:
            child.has_spoken = True
            child.slot.boot_failed(message.removeprefix(FAILED).decode(errors="replace").strip())

    def _replaced(self, child: Child) -> None:
        """Let a worker go whose successor is ready; a rollout keeps it until all successors are ready."""
        if self.kept is None:
            child.retire(self.clock())
        else:
            self.kept.append(child)
