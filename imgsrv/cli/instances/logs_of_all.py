"""The logs of several instances as one: the last records in the order of their times, then new ones as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from imgsrv.observe.log.reader import LogReader, record_of

POLL_S = 0.2

Wanted = Callable[[bytes], bool]
Shown = Callable[[bytes], str]


def show_all(
    logs: Mapping[str, LogReader], count: int, wanted: Wanted, shown: Shown, *, follows: bool, as_json: bool
) -> None:
    """Print the last `count` records of each log, and then, if it follows, what comes.

    Each line begins with the name of its instance; as JSON, the name is a field of the record.
    """
    width = max(map(len, logs), default=0)

    def show(name: str, line: bytes) -> None:
        if as_json:
            print(shown(_with_instance(line, name)))
        else:
            print("\n".join(f"{name:<{width}} | {part}" for part in shown(line).splitlines()))

    for name, line in _last(logs, count, wanted):
        show(name, line)
    sys.stdout.flush()
    while follows:
        for name, log in logs.items():
            for line in filter(wanted, log.news()):
                show(name, line)
        sys.stdout.flush()
        time.sleep(POLL_S)


def _with_instance(line: bytes, name: str) -> bytes:
    """Return a record with the name of its instance as its first field; a line that is no record unchanged."""
    record = record_of(line)
    return line if record is None else json.dumps({"instance": name, **record}, ensure_ascii=False).encode()


def _last(logs: Mapping[str, LogReader], count: int, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    found = []
    for name, log in logs.items():
        when = ""
        for line in reversed(list(islice(filter(wanted, log.backwards()), count))):
            # A line that is no record has the time of the record before it.
            when = _time(line) or when
            found.append((when, name, line))
    yield from ((name, line) for _when, name, line in sorted(found, key=lambda one: one[0]))


def _time(line: bytes) -> str:
    record = record_of(line)
    return "" if record is None else str(record.get("timestamp", ""))
