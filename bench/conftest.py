"""The report of a bench run: every row that a bench adds is printed as one table and written as JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from pace import QUICK_SHARE, Pace
from report import PHOTOS, RESULTS, Report, machine

_REPORT = Report()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption("--quick", action="store_true", help="short benches, to see that they work; no figures to keep")


@pytest.fixture(scope="session")
def pace(request: pytest.FixtureRequest) -> Pace:
    """How long a bench takes."""
    return Pace(QUICK_SHARE) if request.config.getoption("--quick") else Pace()


@pytest.fixture(scope="session")
def report() -> Report:
    """Where a bench puts its figures."""
    return _REPORT


@pytest.fixture(scope="session")
def street() -> bytes:
    """The 6-megapixel photograph that sharp's published benchmark uses; skips where it is missing."""
    file = PHOTOS / "street-6mp.jpg"
    if not file.exists():
        pytest.skip(f"{file.name} is not part of the project; put it into ../shared/corpus/photos")
    return file.read_bytes()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table and write the lines; those of a quick run are no figures to keep."""
    if not _REPORT.rows:
        return
    facts = machine()
    terminalreporter.section("imgsrv bench")
    terminalreporter.write_line(", ".join(f"{name} {value}" for name, value in facts.items()))
    width = max(len(row.question) for row in _REPORT.rows)
    for row in _REPORT.rows:
        low, high = row.spread
        mark = "reached" if row.is_reached else "MISSED"
        terminalreporter.write_line(
            f"{row.question:<{width}}  {row.value:8.3f} {row.unit:<6} "
            f"({low:.3f} to {high:.3f})  {row.wanted:<18} {mark}"
        )
    if config.getoption("--quick"):
        return
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "latest.jsonl"
    before = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    # A run of some benches replaces their rows and leaves the others, each with the machine and commit it was taken on.
    found = {**_groups(before), **_groups([{**asdict(row), "machine": facts} for row in _REPORT.rows])}
    lines = [json.dumps(row, ensure_ascii=False) for group in found.values() for row in group]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _groups(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows by the question that they answer; those that begin with `the same` belong to the one before."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if not row["question"].startswith("the same") or not found:
            found[row["question"]] = []
        found[next(reversed(found))].append(row)
    return found
