"""Logs of one or several instances: the last records in the order of their times, then new ones as they come."""

from __future__ import annotations

import heapq
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from imgsrv.observe.log.reader import LogReader, record_of

POLL_S = 0.2

Wanted = Callable[[bytes], bool]
Shown = Callable[[bytes], str]
ShownOf = Callable[[str, bytes], str]
"""Makes text of the name of an instance and a line of its log."""


def show_logs(logs: Mapping[str, LogReader], count: int, wanted: Wanted, shown: ShownOf, *, follows: bool) -> None:
    """Print the last `count` records of each log, and then, if it follows, what comes."""
    for name, line in _last(logs, count, wanted):
        print(shown(name, line))
    sys.stdout.flush()
    while follows:
        for name, log in logs.items():
            for line in filter(wanted, log.news()):
                print(shown(name, line))
        sys.stdout.flush()
        time.sleep(POLL_S)


def with_names(names: Mapping[str, object], shown: Shown, *, as_json: bool) -> ShownOf:
    """Begin each line with the name of its instance; as JSON, the name is a field of the record."""
    width = max(map(len, names), default=0)

    def with_name(name: str, line: bytes) -> str:
        if as_json:
            return shown(_with_instance(line, name))
        return "\n".join(f"{name:<{width}} | {part}" for part in shown(line).splitlines())

    return with_name


def _with_instance(line: bytes, name: str) -> bytes:
    """Return a record with the name of its instance as its first field; a line that is no record unchanged."""
    record = record_of(line)
    return line if record is None else json.dumps({"instance": name, **record}, ensure_ascii=False).encode()


def _last(logs: Mapping[str, LogReader], count: int, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    found = [_dated(name, log, count, wanted) for name, log in logs.items()]
    yield from ((name, line) for _when, name, line in heapq.merge(*found, key=lambda one: one[0]))


def _dated(name: str, log: LogReader, count: int, wanted: Wanted) -> list[tuple[str, str, bytes]]:
    """Return the last lines of a log in their order, each with a time and the name."""
    found, when = [], ""
    for line in reversed(list(islice(filter(wanted, log.backwards()), count))):
        # A line that is no record has the time of the record before it.
        when = _time(line) or when
        found.append((when, name, line))
    return found


def _time(line: bytes) -> str:
    record = record_of(line)
    return "" if record is None else str(record.get("timestamp", ""))
