"""Wait until an instance serves after a start or a restart, or has ended; and read the last records of its log."""

from __future__ import annotations

import json
import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgsrv.cli._control_client import ask
from imgsrv.errors import CommandFailed, NoSuchInstance
from imgsrv.observe.log.reader import Reader, record_of
from imgsrv.observe.log.text import BLOCKS, NO_WRAPPING, HumanRenderer
from imgsrv.pool.control.instances import Place
from imgsrv.printable import printable

POLL_S = 0.05

BOOT_S = 90.0
"""Longest wait for an instance: a boot may take 60 s, and the first may fail."""

LAST_LINES = 10


@contextmanager
def watched(pid: int) -> Iterator[int | None]:
    """Yield a descriptor that is readable when the process ends, even if its number is reused; None if it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def until_it_serves(place: Place, process: int | None) -> dict[str, Any]:
    """Wait until the instance serves; return its answer to `ping`.  process: from `watched`.

    Raises CommandFailed if the process ends or does not serve within BOOT_S.
    """
    end = time.monotonic() + BOOT_S
    while time.monotonic() < end:
        # Check the process first: an instance that answers and ends right afterwards has served.
        has_ended = process is None or bool(select.select([process], [], [], POLL_S)[0])
        try:
            found: dict[str, Any] = ask(place, "ping", patience_s=max(POLL_S, end - time.monotonic()))
        except (NoSuchInstance, CommandFailed):
            found = {}
        if found.get("state") == "serving":
            return found
        if has_ended:
            raise CommandFailed(f"{place.name} ended before it served requests")
    raise CommandFailed(f"{place.name} does not serve after {BOOT_S:g} s; `imgsrv status` shows its state")


def restarted(place: Place, on_progress: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Restart an instance; return its answer to `ping` afterwards.  The process keeps its number.

    on_progress: called with the progress.  Raises CommandFailed with the last lines of the log.
    """
    before = ask(place, "status")
    log_file = Path(before["log_file"]) if before["log_file"] else None
    log_size = size_of(log_file) if log_file else 0
    with watched(before["pid"]) as process:
        on_progress({"step": ask(place, "restart", on_progress=on_progress, patience_s=None)["state"]})
        try:
            found = until_it_serves(place, process)
            _refuse_old_code(place, before["events"])
        except CommandFailed as error:
            lines = last_lines(log_file, log_size) if log_file else []
            raise CommandFailed("\n  ".join([str(error), *lines])) from error
    return found


def _refuse_old_code(place: Place, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise CommandFailed if the old code still serves.  events: those of the time before the restart."""
    for event in ask(place, "status")["events"]:
        if event["event"] == "restart_failed" and event not in events:
            raise CommandFailed(f"{event['reason']}; the old code serves on")


def last_lines(log_file: Path, since: int = 0) -> list[str]:
    """Return the last records of a log as text.  since: size of the file at which to begin, in bytes."""
    try:
        reader = Reader(log_file, since)
    except OSError:
        return []
    try:
        seen: set[str] = set()
        return [as_text(_without_repeats(line, seen)) for line in deque(reader.lines(), LAST_LINES)]
    finally:
        reader.close()


def _without_repeats(line: bytes, seen: set[str]) -> bytes:
    """Return the record without a traceback that is in `seen`: all workers may fail to start in the same way."""
    record = record_of(line)
    if record is None:
        return line
    kept = {name: value for name, value in record.items() if name not in BLOCKS or value not in seen}
    seen.update(str(record[name]) for name in BLOCKS if record.get(name))
    return json.dumps(kept, ensure_ascii=False).encode()


def size_of(log_file: Path) -> int:
    """Return the size of a log file in bytes; 0 if there is none, or none that may be read."""
    try:
        return log_file.stat().st_size
    except OSError:
        return 0


def as_text(line: bytes) -> str:
    """Return a line of a log as text for a person."""
    try:
        return HumanRenderer(NO_WRAPPING, has_colours=False).render(json.loads(line))
    except (ValueError, AttributeError):
        # A line that is not a record is shown as it is.
        return printable(line.decode(errors="replace"))
