"""Waiting for an instance: until it serves, anew or for the first time, or has ended; and what its log said last."""

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
from imgsrv.observe.log.reader import Reader
from imgsrv.observe.log.text import BLOCKS, NO_WRAPPING, HumanRenderer
from imgsrv.pool.control.instances import Place

LOOK_AGAIN_S = 0.05

BOOT_S = 90.0
"""Longest wait for an instance: a boot may take 60 s, and the first may fail."""

LAST_LINES = 10


@contextmanager
def watched(pid: int) -> Iterator[int | None]:
    """A descriptor of the process, readable when it ends, whoever has its number then; None: it has ended."""
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
    """Who serves, once it does.  process: from `watched`.  Raises CommandFailed where it ends, or takes too long."""
    end = time.monotonic() + BOOT_S
    while time.monotonic() < end:
        # Looked at first, so that one that ends after it had answered is not taken for one that never did.
        has_ended = process is None or bool(select.select([process], [], [], LOOK_AGAIN_S)[0])
        try:
            found: dict[str, Any] = ask(place, "ping", patience_s=max(LOOK_AGAIN_S, end - time.monotonic()))
        except (NoSuchInstance, CommandFailed):
            found = {}
        if found.get("state") == "serving":
            return found
        if has_ended:
            raise CommandFailed(f"{place.name} ended before it served")
    raise CommandFailed(f"{place.name} does not serve after {BOOT_S:g} s; `imgsrv status` tells what it does")


def restarted(place: Place, tell: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Who serves after a restart: the same process, which has begun anew.  Raises CommandFailed with its last words."""
    before = ask(place, "status")
    log_file = Path(before["log_file"]) if before["log_file"] else None
    log_size = size_of(log_file) if log_file else 0
    with watched(before["pid"]) as process:
        tell({"step": ask(place, "restart", on_progress=tell, patience_s=None)["state"]})
        try:
            found = until_it_serves(place, process)
            _refuse_the_old(place, before["events"])
        except CommandFailed as error:
            lines = last_lines(log_file, log_size) if log_file else []
            raise CommandFailed("\n  ".join([str(error), *lines])) from error
    return found


def _refuse_the_old(place: Place, events: Sequence[Mapping[str, Any]]) -> None:
    """Raises CommandFailed where what serves is the code from before.  events: those that were known then."""
    for event in ask(place, "status")["events"]:
        if event["event"] == "restart_failed" and event not in events:
            raise CommandFailed(f"{event['reason']}; it serves on with the code from before")


def last_lines(log_file: Path, since: int = 0) -> list[str]:
    """The last records of a log, for a person.  since: the size of the file before those that are meant."""
    if not log_file.exists():
        return []
    reader = Reader(log_file, since)
    try:
        seen: set[str] = set()
        return [for_a_person(_unrepeated(line, seen)) for line in deque(reader.lines(), LAST_LINES)]
    finally:
        reader.close()


def _unrepeated(line: bytes, seen: set[str]) -> bytes:
    """The record without a traceback that is among `seen`: every worker that starts may fail in the same way."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    kept = {name: value for name, value in record.items() if name not in BLOCKS or value not in seen}
    seen.update(str(record[name]) for name in BLOCKS if record.get(name))
    return json.dumps(kept, ensure_ascii=False).encode()


def size_of(log_file: Path) -> int:
    """Its size now; 0 where it is not there."""
    return log_file.stat().st_size if log_file.exists() else 0


def for_a_person(line: bytes) -> str:
    """A line of a log."""
    try:
        return HumanRenderer(NO_WRAPPING, has_colours=False).render(json.loads(line))
    except (ValueError, AttributeError):
        # What is no record is shown as it is.
        return line.decode(errors="replace")
