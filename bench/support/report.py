"""The results of a bench run: lines of facts, the machine they were measured on, and the files that keep them.

Each bench has a file of its own, which is written again after each of its tests.  A run that is interrupted, or that
runs only some benches, leaves the lines of the others unchanged.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
QUICK_RESULTS = ROOT / ".benchmarks" / "quick"
"""Those of a quick run are no figures to keep."""

PHOTOS = ROOT.parent / "shared" / "corpus" / "photos"
SAMPLES = ROOT / "samples"

PACKAGES = ("pillow", "cykooz-resizer", "opencv-python-headless", "numpy", "httptools", "falcon")

EXTRAS = ("pylibjxl",)
"""Packages that make some of the figures where they are installed."""

MEASURED = ("imgsrv", "bench/*.py", "bench/peers")
"""What changes figures when it changes."""

Line = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One figure.  spread: lowest and highest of the rounds.  wanted: what it must reach, in words."""

    question: str
    value: float
    spread: tuple[float, float]
    unit: str
    wanted: str
    is_reached: bool


@dataclass
class Report:
    """The lines of the test that runs, and the rows of the whole run."""

    lines: list[Line] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Put a figure into the table."""
        self.record("row", **asdict(row))
        self.rows.append(row)

    def record(self, kind: str, **facts: Any) -> None:
        """Keep what a table of its own is made from; bench/support/tables.py has one for each kind."""
        line = {"kind": kind, **facts}
        # Here it fails the test that made it; when the file is written it would end the run.
        json.dumps(line)
        self.lines.append(line)

    def judge_least(
        self, question: str, values: Sequence[float], unit: str, value: float | None = None, *, at_least: float
    ) -> None:
        """Put a figure that must not be lower into the table: the median of its rounds, or another value."""
        value, spread = statistics.median(values) if value is None else value, (min(values), max(values))
        self.add(Row(question, value, spread, unit, f"at least {at_least:g}", is_reached=value >= at_least))

    def judge_most(self, question: str, values: Sequence[float], unit: str, *, at_most: float) -> None:
        """Put a figure that must not be higher into the table: the median of its rounds."""
        value, spread = statistics.median(values), (min(values), max(values))
        self.add(Row(question, value, spread, unit, f"at most {at_most:g}", is_reached=value <= at_most))

    def note(self, question: str, values: Sequence[float], unit: str, value: float | None = None) -> None:
        """Put a figure that nothing is asked of into the table: the median of its rounds, or another value."""
        value = statistics.median(values) if value is None else value
        self.add(Row(question, value, (min(values), max(values)), unit, "", is_reached=True))


def keep(file: Path, test: str, lines: Iterable[Line], known: Sequence[str]) -> None:
    """Replace the lines of one test in the file of its bench.  known: the functions that the bench has now."""
    before = [line for line in read(file) if line["test"].partition("[")[0] in known]
    new = [{"test": test, **_rounded(line), "machine": machine()} for line in lines]
    place = next((number for number, line in enumerate(before) if line["test"] == test), len(before))
    others = [line for line in before if line["test"] != test]
    kept = others[:place] + new + others[place:]
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in kept), encoding="utf-8")
    beside.replace(file)


def read(file: Path) -> list[Line]:
    """The lines of the file of a bench; none if it has not run."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def is_done(file: Path, test: str) -> bool:
    """True if that test has run to its end with the code that is measured now."""
    return any(
        line["test"] == test
        and line["kind"] == "test"
        and line["outcome"] == "passed"
        and line["machine"]["commit"] == machine()["commit"]
        for line in read(file)
    )


def _rounded(value: Any) -> Any:
    """Four digits are more than these figures are good for, and keep the files readable."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value


@cache
def machine() -> dict[str, str]:
    """Describe the machine and the commit of the figures."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "commit": _commit(),
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{gigabytes:.0f} GB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        **{name: version(name) if find_spec(name) else "not installed" for name in EXTRAS},
    }


def _commit() -> str:
    """The commit, and whether what is measured differs from it; what a run itself writes does not count."""
    changed = _git("status", "--porcelain", "--", *MEASURED)
    return f"{_git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607  whichever git the developer uses
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return done.stdout.strip()
