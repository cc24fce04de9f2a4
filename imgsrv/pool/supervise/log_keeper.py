"""Keep the log file: open it again after it was moved, rotate it, compress old ones.  Nothing here waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from imgsrv.observe.log import compress
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.log.rotation import Rotation, Rotator
from imgsrv.observe.log.sink import LogFile, Sink
from imgsrv.trusted_paths import steady

LOOK_S = 0.2
"""The file is looked at once in this time."""

COMPRESS_S = 2.0
"""Files to compress are looked for once in this time, and not sooner than this after a rotation.

By then every worker has opened the new file, and a reader that follows the log has found the old one under its new
name.
"""

FAILED_S = 60.0
"""After a failed rotation or compression the next attempt waits so long."""


class LogKeeper:
    """Looks after the log, if it is a file.  rotation: None for no rotation.

    workers: pids; each gets SIGUSR1 when it has to open the file again.
    """

    def __init__(self, sink: Sink, rotation: Rotation | None = None) -> None:
        self._sink = sink
        self._rotator = Rotator(sink, rotation) if isinstance(sink, LogFile) and rotation else None
        self._look_at = self._rotate_at = self._compress_at = 0.0
        self._is_lost = False
        self._compressor: subprocess.Popen[bytes] | None = None
        self._at_work: Path | None = None
        self._log = get_logger()

    def tick(self, workers: Iterable[int]) -> None:
        """Do what is due; called in each turn of the loop."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        self._sink.flush()
        size = self._rotated(now)
        if self._is_lost:
            # Every worker has been told once and tries by itself before it writes.
            if self._sink.reopen():
                self.reopen(workers)
        elif self._sink.is_astray() and (fault := self.reopen(workers)) is not None:
            self._log.warning("log_not_reopened", reason=fault)
        elif size is not None:
            self._log.info("log_rotated", bytes=size)
        self._compress(now)

    def reopen(self, workers: Iterable[int]) -> str | None:
        """Let every process write to the file that now has the log's name; return the reason if this one cannot."""
        self._is_lost = not self._sink.reopen()
        for pid in workers:
            os.kill(pid, signal.SIGUSR1)
        return self._sink.fault if self._is_lost else None

    def count_lost_with(self, count: Callable[[int], None]) -> None:
        """Set the function that counts the records that this process loses."""
        self._sink.count_lost_with(count)

    def _rotated(self, now: float) -> int | None:
        if self._rotator is None or now < self._rotate_at:
            return None
        try:
            size = self._rotator.rotate_if_due()
            if size is not None:
                self._compress_at = max(self._compress_at, now + COMPRESS_S)
                self._rotator.delete_surplus()
        except OSError as error:
            # The log goes on in the same file, and so does this record.
            self._log.warning("log_not_rotated", reason=str(error))
            self._rotate_at = now + FAILED_S
            return None
        return size

    def _compress(self, now: float) -> None:
        if self._rotator is None or now < self._compress_at:
            return
        self._compress_at = now + COMPRESS_S
        if self._compressor is not None and self._compressor.poll() is None:
            return
        # The loop may have reaped its exit status; a file that is still there shows the failure too.
        failed, self._at_work = self._at_work, self._rotator.next_to_compress()
        if self._at_work is None:
            self._compressor = None
        elif self._at_work == failed:
            self._log.warning("log_not_compressed", file=failed.name)
            self._at_work, self._compress_at = None, now + FAILED_S
        else:
            self._begin_to_compress(self._at_work, now)

    def _begin_to_compress(self, file: Path, now: float) -> None:
        try:
            self._compressor = _compressor_of(file)
        except OSError as error:
            # A machine without room for a process must not end the master.
            self._log.warning("log_not_compressed", file=file.name, reason=error.strerror)
            self._at_work, self._compress_at = None, now + FAILED_S


def _compressor_of(file: Path) -> subprocess.Popen[bytes]:
    with steady(file.parent) as folder:
        return subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-I", "-S", compress.__file__, file.name],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
