"""Convert pictures file by file, in several processes.

A picture is written to a temporary file beside its target and renamed when it is whole.  A process that dies loses one
picture: the error names it, a new process replaces the dead one, and the others continue.
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
    """Source and target of one picture; None for standard input or output."""

    source: Path | None
    target: Path | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do with every picture.

    parts: further files by name, such as a watermark.  overwrites: whether a target that exists is replaced.
    """

    pipeline: Pipeline
    output: Output
    limits: Limits
    parts: Mapping[str, bytes] = field(default_factory=dict)
    overwrites: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one conversion: its size in pixels and its length in bytes, or the message of the error.

    is_broken: it shows only what was there of a broken picture.
    """

    conversion: Conversion
    size: Size = (0, 0)
    length: int = 0
    error: str | None = None
    is_broken: bool = False


def convert(conversion: Conversion, recipe: Recipe) -> Outcome:
    """Convert one picture in this process.  The outcome holds the message if the picture or a file cannot be used."""
    try:
        data = sys.stdin.buffer.read() if conversion.source is None else conversion.source.read_bytes()
        with _written_whole(conversion.target, overwrites=recipe.overwrites) as file:
            report = process_into(file, data, recipe.pipeline, recipe.output, recipe.limits, recipe.parts)
            return Outcome(conversion, report.size, file.seek(0, os.SEEK_END), is_broken=report.is_broken)
    except ImgsrvError as error:
        return Outcome(conversion, error=str(error))
    except FileExistsError:
        return Outcome(conversion, error=f"{conversion.target} exists, and --no-overwrite is given")
    except OSError as error:
        return Outcome(conversion, error=error.strerror or str(error))
    except MemoryError:
        return Outcome(conversion, error="there is not enough memory")


def convert_all(conversions: Iterable[Conversion], recipe: Recipe, processes: int) -> Iterator[Outcome]:
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
        if self._conversion.target is not None:
            _part(self._conversion.target, self._process.pid).unlink(missing_ok=True)

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


@contextlib.contextmanager
def _written_whole(target: Path | None, *, overwrites: bool) -> Iterator[BinaryIO]:
    """Yield a file.  Its content becomes the target if the block succeeds, and is deleted if not.

    Raises FileExistsError if the target exists and is not to be replaced.
    """
    if target is None:
        # Output to a pipe cannot be undone, so nothing is written before the picture is whole.
        file = io.BytesIO()
        yield file
        sys.stdout.buffer.write(file.getbuffer())
        sys.stdout.buffer.flush()
        return
    if not overwrites and target.exists():
        raise FileExistsError(target)
    part = _part(target, os.getpid())
    try:
        with part.open("wb+") as opened:
            yield opened
        if overwrites:
            part.replace(target)
        else:
            # Unlike a rename, a link never replaces a file that somebody else has made meanwhile.
            target.hardlink_to(part)
            part.unlink()
    except BaseException:
        # The file does not exist if opening it has failed.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _part(target: Path, pid: int | None) -> Path:
    """Return the temporary file of the process `pid` for a target."""
    return target.with_name(f".{target.name}.{pid}.part")
