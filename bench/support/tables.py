"""The results of the benches as Markdown tables and as charts; one function for each kind of line."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import chart
from chart import figure
from report import Line

OURS = "imgsrv"

SUMMARISED = ("Express + cluster + sharp", "Express + sharp at imgsrv's effort", "thumbor")
"""The servers in the README's table, which has at most five columns; `peers_table` has them all."""

THIN_LINES = "thin lines: the lowest and the highest"


def of_kind(lines: Iterable[Line], kind: str) -> list[Line]:
    """Those of one kind."""
    return [line for line in lines if line["kind"] == kind]


def rows_table(lines: Iterable[Line]) -> str:
    """Figures that stand for themselves."""
    return _table(
        ("question", "median", "rounds from, to", "wanted", ""),
        [
            (
                line["question"],
                f"{figure(line['value'])} {line['unit']}",
                f"{figure(line['spread'][0])}, {figure(line['spread'][1])}",
                line["wanted"] or "–",
                "" if not line["wanted"] else "reached" if line["is_reached"] else "**missed**",
            )
            for line in of_kind(lines, "row")
        ],
    )


def scaling_table(lines: Iterable[Line]) -> str:
    """Workers against as many looped processes."""
    return _table(
        (
            *("workers", "pictures/s", "looped processes/s", "share of the limit", "speed-up", "efficiency"),
            *("p50", "p99", "cores used", "load's own", "memory (PSS)"),
        ),
        [
            (
                f"{line['workers']}{'' if line['workers'] <= line['cores'] else ' (beyond the cores)'}",
                _spread(line["rates"]),
                _spread(line["limits"]),
                _spread(line["shares"]),
                f"{_median(line['speed_ups']):.2f} ×",
                f"{_median(line['speed_ups']) / min(line['workers'], line['cores']):.0%}",
                f"{figure(line['p50_ms'])} ms",
                f"{figure(line['p99_ms'])} ms",
                f"{_median(line['cpu']):.2f}",
                f"{_median(line['load_cpu']):.2f}",
                f"{line['pss_mb']:.0f} MB",
            )
            for line in of_kind(lines, "scaling")
        ],
    )


def scaling_chart(lines: Iterable[Line]) -> str:
    """The same as columns."""
    groups = []
    for line in of_kind(lines, "scaling"):
        workers = line["workers"]
        is_beyond = workers > line["cores"]
        groups.append(
            chart.Group(
                f"{workers} worker{'s' * (workers > 1)}",
                [
                    _bar("plain processes that loop the pipeline: the limit", line["limits"], "", is_ours=False),
                    _bar(f"{OURS}, through HTTP", line["rates"], "", is_ours=True),
                ],
                [
                    f"{_median(line['speed_ups']):.2f} × one",
                    f"{_median(line['shares']):.0%} of the limit",
                    *["more than cores"] * is_beyond,
                ],
            )
        )
    return chart.columns(
        "6-megapixel JPEG → 720×588, by number of workers", f"pictures a second; {THIN_LINES} round", groups
    )


def latency_table(lines: Iterable[Line]) -> str:
    """Random arrivals against the ideal queue."""
    return _table(
        ("load", "p50", "p99", "p50 of the ideal queue", "p99 of the ideal queue", "p99 against the ideal"),
        [
            (
                f"{line['load']:.0%}",
                f"{figure(line['p50_ms'])} ms",
                f"{figure(line['p99_ms'])} ms",
                f"{figure(line['ideal_p50_ms'])} ms",
                f"{figure(line['ideal_p99_ms'])} ms",
                f"{line['p99_ms'] / line['ideal_p99_ms']:.2f} ×",
            )
            for line in of_kind(lines, "latency")
        ],
    )


def latency_chart(lines: Iterable[Line]) -> str:
    """The same as columns."""
    groups = [
        chart.Group(
            f"{line['load']:.0%} of capacity",
            [
                _bar("one ideal queue, simulated", line["ideal_p99_parts_ms"], "", line["ideal_p99_ms"], is_ours=False),
                _bar(OURS, line["p99_parts_ms"], "", line["p99_ms"], is_ours=True),
            ],
            [f"{line['p99_ms'] / line['ideal_p99_ms']:.2f} × the ideal"],
        )
        for line in of_kind(lines, "latency")
    ]
    return chart.columns(
        "Latency of random arrivals, 99th percentile", f"milliseconds; {THIN_LINES} fifth of the run", groups
    )


def sizes_table(lines: Iterable[Line]) -> str:
    """Small and large pictures."""
    return _table(
        ("picture", "pictures/s", "megapixels/s", "share of the limit", "p50", "p99"),
        [
            (
                line["name"],
                _spread(line["rates"]),
                figure(_median(line["rates"]) * line["megapixels"]),
                _spread(line["shares"]),
                f"{figure(line['p50_ms'])} ms",
                f"{figure(line['p99_ms'])} ms",
            )
            for line in of_kind(lines, "size")
        ],
    )


def costs_table(lines: Iterable[Line], kind: str) -> str:
    """The table of what a megapixel costs in an operation or a codec."""
    return _table(
        (kind, "ms for a megapixel", "beside Pillow", "in copies of the picture", "wanted", ""),
        [
            (
                line["name"],
                figure(_median(line["ms"])),
                f"{_median(line['against_pillow']):.2f} ×" if line["against_pillow"] else "–",
                figure(_median(line["copies"])),
                f"at most {line['at_most']:.3g} ×" if line["at_most"] else "–",
                ("reached" if _median(line["against_pillow"]) <= line["at_most"] else "**missed**")
                if line["at_most"]
                else "",
            )
            for line in of_kind(lines, kind)
        ],
    )


def peers_table(lines: Iterable[Line]) -> str:
    """Each work, done by all servers."""
    rows = []
    for work, found in _works(lines).items():
        for line in found:
            if "why" in line:
                rows.append((work, _server(line), f"– ({line['why']})", "", "", "", "", "", ""))
                continue
            rows.append(
                (
                    work,
                    _server(line),
                    _spread(line["rates"]),
                    f"{_median(line['ours_against']):.2f} ×" if line["ours_against"] else "–",
                    f"{figure(line['p99_ms'])} ms" if line["p99_ms"] else "–",
                    f"{line['bytes'] / 1000:.1f} kB",
                    f"{line['ssim']:.4f}",
                    f"at least {line['wanted']:g} ×" if line["wanted"] else "",
                    ("reached" if _median(line["ours_against"]) >= line["wanted"] else "**missed**")
                    if line["wanted"] and line["ours_against"]
                    else "",
                )
            )
    heads = (*("work", "server", "pictures/s", f"{OURS} against it", "p99", "bytes", "SSIM", "wanted"), "")
    return _table(heads, rows)


def peers_summary(lines: Iterable[Line]) -> str:
    """Pictures a second by work, of ours and the `SUMMARISED` servers; in brackets, how many times as fast ours is."""
    found = _works(lines)
    measured = {line["server"] for each in found.values() for line in each}
    servers = [server for server in (OURS, *SUMMARISED) if server in measured]
    rows = []
    for work, each in found.items():
        by_server = {line["server"]: line for line in each}
        rows.append([work, *(_summary(by_server.get(server)) for server in servers)])
    return _table(["pictures a second", *servers], rows)


def _summary(line: Line | None) -> str:
    if line is None or "why" in line:
        return "–"
    rate = figure(_median(line["rates"]))
    return f"{rate} ({_median(line['ours_against']):.2f} ×)" if line["ours_against"] else f"**{rate}**"


def peers_chart(lines: Iterable[Line]) -> str:
    """The same as bars."""
    groups = []
    for work, found in _works(lines).items():
        measured = [line for line in found if "why" not in line]
        shown = [
            _bar(
                line["server"],
                line["rates"],
                f"{figure(_median(line['rates']))} · SSIM {line['ssim']:.3f}",
                is_ours=line["server"].startswith(OURS),
            )
            for line in measured
        ]
        if shown:
            groups.append(chart.Group(work, sorted(shown, key=lambda bar: -bar.value)))
    return chart.bars(
        "The same pictures, through HTTP, on the same cores in turn", f"pictures a second; {THIN_LINES} round", groups
    )


def endings(lines: Iterable[Line]) -> str:
    """List the tests that failed or were left out, with the reasons."""
    return "\n".join(
        f"- `{line['test']}` {line['outcome']}: {line['why']}"
        for line in of_kind(lines, "test")
        if line["outcome"] != "passed"
    )


def machines(lines: Iterable[Line]) -> str:
    """Name the machine of each measurement, in a sentence for each."""
    found: dict[str, None] = {}
    for line in lines:
        facts = dict(line["machine"])
        start = f"Commit {facts.pop('commit')}, {facts.pop('cores')} cores ({facts.pop('cpu')})"
        names = (f"{name} {value}" for name, value in facts.items())
        found[f"{start}, {', '.join(names)}."] = None
    return "\n\n".join(found)


def _works(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in of_kind(lines, "peer"):
        found.setdefault(line["work"], []).append(line)
    return found


def _server(line: Line) -> str:
    name = f"**{OURS}**" if line["server"] == OURS else line["server"]
    return f"{name} ({line['version']})" if line["version"] else str(name)


def _bar(name: str, values: Sequence[float], says: str, value: float | None = None, *, is_ours: bool) -> chart.Bar:
    shown = _median(values) if value is None else value
    low, high = min([shown, *values]), max([shown, *values])
    return chart.Bar(name, shown, low, high, says or figure(shown), is_ours)


def _spread(values: Sequence[float]) -> str:
    return f"{figure(_median(values))} ({figure(min(values))} to {figure(max(values))})"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table, or nothing if it has no rows."""
    if not rows:
        return ""
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
