"""What a bench run found: rows, and the machine they were measured on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PHOTOS = ROOT.parent / "shared" / "corpus" / "photos"


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
    """The rows of one run."""

    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Put a figure into the table."""
        self.rows.append(row)

    def judge_least(self, question: str, values: Sequence[float], unit: str, *, at_least: float) -> None:
        """Put a figure that must not be lower into the table: the median of its rounds."""
        value, spread = statistics.median(values), (min(values), max(values))
        self.add(Row(question, value, spread, unit, f"at least {at_least:g}", is_reached=value >= at_least))

    def judge_most(self, question: str, values: Sequence[float], unit: str, *, at_most: float) -> None:
        """Put a figure that must not be higher into the table: the median of its rounds."""
        value, spread = statistics.median(values), (min(values), max(values))
        self.add(Row(question, value, spread, unit, f"at most {at_most:g}", is_reached=value <= at_most))

    def note(self, question: str, values: Sequence[float], unit: str, value: float | None = None) -> None:
        """Put a figure that nothing is asked of into the table: the median of its rounds, or another value."""
        value = statistics.median(values) if value is None else value
        self.add(Row(question, value, (min(values), max(values)), unit, "", is_reached=True))


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  whichever git the developer uses
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    packages = ("pillow", "cykooz-resizer", "opencv-python-headless", "uvicorn", "falcon")
    return {
        "commit": commit.stdout.strip(),
        "cpu": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
