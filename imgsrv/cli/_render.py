"""Print the answers of a running instance for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from imgsrv.observe.log.text import size_text
from imgsrv.printable import printable

Result = Mapping[str, Any]

LATEST_EVENTS = 5
"""Events that `imgsrv status` shows."""


def status(found: Result) -> None:
    """Print workers, queue, totals and latest events."""
    from imgsrv.cli._tables import console, say, show, table  # noqa: PLC0415  most commands print a line at most

    screen, totals = console(), found["totals"]
    latency = found["latency_s"]
    say(screen, f"{_headline(found)}, generation {found['generation']}, up {duration(found['uptime_s'])}")
    say(
        screen,
        f"{counted(totals['requests'], 'request')}, {counted(totals['jobs_done'], 'picture')}, "
        f"{found['queue']['waiting']} waiting (of {found['queue']['max']}), latency {_latency(latency)}",
    )
    for title in ("errors", "restarts", "cache"):
        # A server of an older version has no cache.
        if totals.get(title):
            say(screen, f"{title}: {', '.join(f'{name} {count}' for name, count in totals[title].items())}")
    screen.print()
    show(screen, table(WORKER_COLUMNS, map(_worker, found["workers"])))
    if found["events"]:
        screen.print()
        for event in found["events"][-LATEST_EVENTS:]:
            say(screen, event_line(event))


def instances(found: Sequence[Result]) -> None:
    """Print a line for each instance."""
    if not found:
        print("no instance runs")
        return
    from imgsrv.cli._tables import console, show, table  # noqa: PLC0415  as above

    rows = [
        (
            one["name"],
            one["state"],
            str(one.get("pid", "")),
            one.get("url", ""),
            str(one.get("size", "")),
            duration(one["uptime_s"]) if "uptime_s" in one else "",
            str(one["totals"]["requests"]) if "totals" in one else "",
        )
        for one in found
    ]
    show(console(), table(("name", "state", "pid", "url", "workers", "up", "requests"), rows))


def description(found: Result) -> None:
    """Print how the instance was started, and every setting."""
    from imgsrv.cli._tables import console, say, show, table  # noqa: PLC0415  as above

    screen = console()
    say(screen, _headline(found))
    for name, value in found.items():
        if name not in ("settings", "name", "version", "pid", "url", "state"):
            say(screen, f"{name}: {' '.join(value) if isinstance(value, list) else value}")
    screen.print()
    rows = [(name, str(one["value"]), one["source"]) for name, one in found.get("settings", {}).items()]
    show(screen, table(("setting", "value", "source"), rows))


def identity(found: Result) -> None:
    """Print one line: name, state, URL, version and pid."""
    print(_headline(found))


def outcome(found: Result | str) -> None:
    """Print the result of a command that changes something."""
    if isinstance(found, str):
        print(found)
        return
    print(_headline(found) if "state" in found else ", ".join(f"{name} {fact}" for name, fact in found.items()))


def event_line(event: Result) -> str:
    """Return one event of the master as a line."""
    facts = " ".join(f"{name}={value}" for name, value in event.items() if name not in ("time", "event"))
    return f"{time.strftime('%H:%M:%S', time.localtime(event['time']))}  {event['event']}  {printable(facts)}"


def counted(number: int, thing: str) -> str:
    """Return `1 picture` or `2 pictures`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def duration(seconds: float) -> str:
    """Return a duration as `5 s`, `3 min`, `2 h 5 min` or `4 d 3 h`."""
    whole = int(seconds)
    if whole < 60:  # noqa: PLR2004  of a minute
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if not hours:
        return f"{minutes} min"
    return f"{days} d {hours % 24} h" if days else f"{hours} h {minutes % 60} min"


WORKER_COLUMNS = (
    *("slot", "pid", "state", "gen", "up", "starts"),
    *("cpu", "memory", "open", "requests", "jobs", "job"),
)


def _worker(one: Result) -> tuple[str, ...]:
    job = f"{one['job']['age_s']:.1f} s" if one["job"] else "–"
    return (
        str(one["slot"]),
        str(one["pid"] or "–"),
        one["state"],
        str(one["generation"] or "–"),
        duration(one["uptime_s"]),
        str(one["starts"]),
        f"{one['cpu_s']:.1f} s",
        size_text(one["memory_bytes"]),
        str(one["connections"]),
        str(one["requests"]),
        str(one["jobs_done"]),
        job,
    )


def _headline(found: Result) -> str:
    return f"{found['name']} is {found['state']} on {found['url']} (imgsrv {found['version']}, pid {found['pid']})"


def _latency(found: Result) -> str:
    if found["p50"] is None:
        return "not known yet"
    return " · ".join(f"{name} {1000 * value:.0f} ms" for name, value in found.items())
