"""The screen of `imgsrv monit`: the status of an instance, and rates between two samples.  80 columns, 24 lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from imgsrv.cli._render import duration, event_line
from imgsrv.observe.log.text import size_text

COLUMNS = ("slot", "pid", "state", "gen", "cpu", "memory", "open", "jobs/s", "jobs", "up", "job")

FIXED_LINES = 9
"""Lines other than workers and events: three of the head, two rules, column heads, message, keys, one empty."""

LEAST_EVENTS = 4

STYLES = {
    "ready": "green",
    "starting": "yellow",
    "draining": "yellow",
    "backoff": "red",
    "failed": "bold red",
    "not responding": "bold red",
}

BAR, BAR_WIDTH = "█", 20


@dataclass(frozen=True, slots=True)
class Sample:
    """A status, and the time of the request for it in seconds of the monotonic clock."""

    at: float
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """The content of the screen.  message: result of the last key.  keys: the list of keys.

    log: the name of the log file and its last lines, shown in place of the events.
    """

    now: Sample
    before: Sample | None
    message: str
    keys: str
    log: tuple[str, Sequence[str]] | None = None


def draw(view: View, screen: ConsoleDimensions) -> RenderableType:
    """Return the whole screen."""
    status = view.now.status
    workers = status["workers"]
    most_workers = max(1, screen.height - FIXED_LINES - LEAST_EVENTS)
    shown = workers[:most_workers]
    left = max(1, screen.height - FIXED_LINES - len(shown))
    if view.log is None:
        title, lines = "latest events", [event_line(event) for event in reversed(status["events"][-left:])]
    else:
        title, lines = f"last lines of {view.log[0]}", list(view.log[1][-left:])
    hidden = f" · {len(workers) - len(shown)} more workers" if len(shown) < len(workers) else ""
    return Group(
        *_head(view),
        Rule(style="dim"),
        _workers(view, shown),
        Rule(f"{title}{hidden}", style="dim", align="left"),
        *map(_line, lines),
        _line(view.message, "bold"),
        _line(view.keys, "dim"),
    )


def _head(view: View) -> Iterable[Text]:
    status = view.now.status
    totals, queue = status["totals"], status["queue"]
    yield _line(
        f"{status['name']} {status['state']} on {status['url']} · pid {status['pid']} · imgsrv {status['version']} · "
        f"up {duration(status['uptime_s'])}",
        "bold",
    )
    filled = round(BAR_WIDTH * min(1.0, queue["waiting"] / max(1, queue["max"])))
    yield _line(
        f"{_rate(view, 'requests'):6.1f} requests/s {_rate(view, 'jobs_done'):6.1f} jobs/s  queue "
        f"{BAR * filled:·<{BAR_WIDTH}} {queue['waiting']} of {queue['max']}"
    )
    latency = " ".join(
        f"{name} {'–' if seconds is None else f'{1000 * seconds:.0f} ms'}"
        for name, seconds in status["latency_s"].items()
    )
    errors, restarts = sum(totals["errors"].values()), totals["restarts"]
    why = ", ".join(f"{name} {count}" for name, count in restarts.items()) or "none"
    yield _line(f"latency {latency} · {errors} errors · restarts: {why}")
    if cache := totals.get("cache"):
        hits, missed = cache.get("hits", 0) + cache.get("not_modified", 0), cache.get("misses", 0)
        rate = f"{100 * hits / (hits + missed):.0f}%" if hits + missed else "–"
        waits, faults = cache.get("waits", 0), cache.get("faults", 0)
        yield _line(f"cache {hits} hits ({rate}) · {waits} waits · {cache.get('evicted', 0)} evicted · {faults} faults")


def _workers(view: View, workers: Iterable[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), expand=False)
    for name in COLUMNS:
        table.add_column(name, no_wrap=True, justify="left" if name in ("state", "job") else "right")
    before = {one["pid"]: one for one in view.before.status["workers"]} if view.before else {}
    passed_s = view.now.at - view.before.at if view.before else 0.0
    for one in workers:
        earlier = before.get(one["pid"]) if passed_s else None
        cpu = f"{100 * (one['cpu_s'] - earlier['cpu_s']) / passed_s:.0f}%" if earlier else "–"
        jobs = f"{(one['jobs_done'] - earlier['jobs_done']) / passed_s:.1f}" if earlier else "–"
        table.add_row(
            str(one["slot"]),
            str(one["pid"] or "–"),
            Text(one["state"], STYLES.get(one["state"], "")),
            str(one["generation"] or "–"),
            cpu,
            size_text(one["memory_bytes"]),
            str(one["connections"]),
            jobs,
            str(one["jobs_done"]),
            duration(one["uptime_s"]),
            f"for {one['job']['age_s']:.1f} s" if one["job"] else "idle",
        )
    return table


def _rate(view: View, total: str) -> float:
    """Return the growth of a total per second since the last sample; for the first sample, since the start."""
    now = view.now.status
    if view.before is None or view.now.at <= view.before.at:
        return float(now["totals"][total] / max(1.0, now["uptime_s"]))
    return float((now["totals"][total] - view.before.status["totals"][total]) / (view.now.at - view.before.at))


def _line(text: str, style: str = "") -> Text:
    """Return one line of the screen, cut if it is too long."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")
