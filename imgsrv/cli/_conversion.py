"""Pictures converted file by file, on as many processes as asked for.

A picture is written beside its target and moved there when it is whole.  A process that dies takes one
picture with it: that one is named, the process is replaced, and the others go on.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import BinaryIO

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.model.limits import Limits, Size
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.imaging.process import process_into


@dataclass(frozen=True, slots=True)
class Conversion:
    """Where one picture comes from and goes to; None is standard input or output."""

    source: Path | None
    target: Path | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done with every picture.  parts: what a request would send beside it, such as a watermark."""

    pipeline: Pipeline
    output: Output
    limits: Limits
    parts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one conversion: the result's size in pixels and in bytes, or the error in words."""

    conversion: Conversion
    size: Size = (0, 0)
    length: int = 0
    error: str | None = None


def convert(conversion: Conversion, recipe: Recipe) -> Outcome:
    """Convert one picture in this process; a picture or a file that cannot be used becomes an error in words."""
    try:
        data = sys.stdin.buffer.read() if conversion.source is None else conversion.source.read_bytes()
        with _written_whole(conversion.target) as file:
            report = process_into(file, data, recipe.pipeline, recipe.output, recipe.limits, recipe.parts)
            return Outcome(conversion, report.size, file.seek(0, os.SEEK_END))
    except ImgsrvError as error:
        return Outcome(conversion, error=str(error))
    except OSError as error:
        return Outcome(conversion, error=error.strerror or str(error))
    except MemoryError:
        return Outcome(conversion, error="there is not enough memory")


def convert_all(conversions: Iterable[Conversion], recipe: Recipe, processes: int) -> Iterator[Outcome]:
    """Convert files on so many processes; outcomes come in the order in which they are done."""
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
        # Only an interrupted run has lanes left.
        for lane in lanes:
            lane.abort()


class _Lane:
    """A forked process that converts one picture after another.

    multiprocessing.Process rather than ProcessPoolExecutor: when a process dies, that one fails every picture
    it holds and does not say which was to blame.
    """

    def __init__(self, recipe: Recipe, siblings: Sequence[_Lane]) -> None:
        fork = get_context("fork")
        self.connection, theirs = fork.Pipe()
        not_theirs = [self.connection, *(lane.connection for lane in siblings)]
        self._process = fork.Process(target=_serve, args=(theirs, not_theirs, recipe), daemon=True)
        with warnings.catch_warnings():
            # The only other threads are OpenBLAS's own, which it stops and restarts around a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        self.is_alive = True
        self._conversion = Conversion(None, None)

    def begin(self, conversion: Conversion) -> None:
        self._conversion = conversion
        # A process that died while idle is met by `finish`, as end-of-file.
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(conversion)

    def finish(self) -> Outcome:
        """The outcome of what was begun; blocks until there is one."""
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.is_alive = False
            self._process.join()
            self._clear()
            return Outcome(self._conversion, error=f"the process that converted it {self._death()}")
        return outcome

    def stop(self) -> None:
        """End the process when it has nothing to do."""
        self.connection.close()
        self._process.join()

    def abort(self) -> None:
        """End the process in the middle of its work; what it was writing is removed."""
        self._process.terminate()
        self.stop()
        self._clear()

    def _clear(self) -> None:
        if self._conversion.target is not None:
            _part(self._conversion.target, self._process.pid).unlink(missing_ok=True)

    def _death(self) -> str:
        code = self._process.exitcode or 0
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _done(lanes: Sequence[_Lane]) -> list[_Lane]:
    """The lanes that have an outcome; blocks until there is one."""
    ready = wait([lane.connection for lane in lanes])
    return [lane for lane in lanes if lane.connection in ready]


def _serve(connection: Connection, not_ours: Iterable[Connection], recipe: Recipe) -> None:
    """The life of a lane's process: convert what comes until the other end is closed."""
    # Ctrl-C reaches the whole process group; the parent alone decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # `abort` ends a picture half way by an exception, which removes its part file.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for other in not_ours:
        # Held open here, it would keep a lane alive after its parent is gone.
        other.close()
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            connection.send(convert(connection.recv(), recipe))


@contextlib.contextmanager
def _written_whole(target: Path | None) -> Iterator[BinaryIO]:
    """A file whose content reaches the target when the block ends well, and nowhere when it does not."""
    if target is None:
        # A pipe cannot be taken back, so nothing is written before the picture is whole.
        file = io.BytesIO()
        yield file
        sys.stdout.buffer.write(file.getbuffer())
        sys.stdout.buffer.flush()
        return
    part = _part(target, os.getpid())
    try:
        with part.open("wb+") as opened:
            yield opened
        part.replace(target)
    except BaseException:
        # There is none where it could not even be opened.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _part(target: Path, pid: int | None) -> Path:
    """Where the process `pid` writes the picture until it is whole."""
    return target.with_name(f".{target.name}.{pid}.part")
