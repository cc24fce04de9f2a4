"""The executor of this machine: several processes, each with one picture at a time.

A process that dies loses one picture: the error names it, a new process replaces the dead one, and the others continue.
"""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from imgsrv.bulk.places import remove_part
from imgsrv.bulk.work import Conversion, Outcome, Recipe, convert, own_mark


def convert_all(conversions: Iterable[Conversion], recipe: Recipe, processes: int) -> Generator[Outcome]:
    """Convert files in this number of processes; yield the outcomes as they are done."""
    waiting = deque(conversions)
    lanes: list[_Lane] = []
    try:
        while waiting or lanes:
            while waiting and len(lanes) < processes:
                lanes.append(_Lane(recipe, lanes))
                lanes[-1].begin(waiting.popleft())
            for lane in _done(lanes):
                yield lane.finish()
                if waiting and lane.is_alive:
                    lane.begin(waiting.popleft())
                else:
                    lanes.remove(lane)
                    lane.stop()
    finally:
        # Only an interrupted run still has lanes here.
        for lane in lanes:
            lane.abort()


class _Lane:
    """A forked process that converts one picture after another.

    It is a multiprocessing.Process, because a ProcessPoolExecutor whose process dies fails every picture that it holds
    and does not say which one was the cause.
    """

    def __init__(self, recipe: Recipe, siblings: Sequence[_Lane]) -> None:
        fork = get_context("fork")
        self.connection, theirs = fork.Pipe()
        not_theirs = [self.connection, *(lane.connection for lane in siblings)]
        self._process = fork.Process(target=_serve, args=(theirs, not_theirs, recipe), daemon=True)
        with warnings.catch_warnings():
            # The only other threads are those of OpenBLAS, which stops and restarts them around a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        self.is_alive = True
        self._conversion = Conversion(None, None)

    def begin(self, conversion: Conversion) -> None:
        self._conversion = conversion
        # If the process died while idle, `finish` reads end-of-file.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(conversion)

    def finish(self) -> Outcome:
        """Wait for the outcome of the conversion that was begun and return it."""
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.is_alive = False
            self._process.join()
            self._clear()
            return Outcome(self._conversion, error=f"the process that converted it {self._death()}")
        return outcome

    def stop(self) -> None:
        """End the process; it must be idle."""
        self.connection.close()
        self._process.join()

    def abort(self) -> None:
        """End the process during its work and delete its temporary file."""
        self._process.terminate()
        self.stop()
        self._clear()

    def _clear(self) -> None:
        remove_part(self._conversion.target, own_mark(self._process.pid))

    def _death(self) -> str:
        code = self._process.exitcode or 0
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _done(lanes: Sequence[_Lane]) -> list[_Lane]:
    """Wait until a lane has an outcome; return all lanes that have one."""
    ready = wait([lane.connection for lane in lanes])
    return [lane for lane in lanes if lane.connection in ready]


def _serve(connection: Connection, not_ours: Iterable[Connection], recipe: Recipe) -> None:
    """Main function of the process of a lane: convert what arrives until the other end is closed."""
    # Ctrl-C reaches the whole process group, but only the parent reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # `abort` raises an exception here in the middle of a picture, so that its temporary file is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for other in not_ours:
        # An open copy would keep another lane alive after the parent has ended.
        other.close()
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            connection.send(convert(connection.recv(), recipe))
