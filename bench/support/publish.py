"""`python bench/support/publish.py [--check]`: write the results of the benches into the documents, or check them.

It makes bench/results/report.md and the charts beside it, and the sections of README.md and docs/performance.md that
stand between `<!-- measured: NAME -->` and `<!-- end -->`.  A run of `pytest bench/` does it at its end.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tables
from report import RESULTS, ROOT, Line, read

DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "performance.md")

SECTION = re.compile(r"^<!-- measured: (?P<name>.*?) -->\n(?P<body>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)

CHARTS: Mapping[str, tuple[str, Callable[[Sequence[Line]], str]]] = {
    "scaling.svg": ("scaling", tables.scaling_chart),
    "latency.svg": ("latency", tables.latency_chart),
    "peers.svg": ("peer", tables.peers_chart),
}
"""The file, the kind of line that it is drawn from, and how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing and name what is stale")
    is_check = parser.parse_args(arguments).check
    stale = [file for file, text in _files(RESULTS, documents=True).items() if _text(file) != text]
    if not is_check:
        for file in write(RESULTS, documents=True):
            print(f"written: {file}")
        return 0
    for file in stale:
        print(f"{file} is stale; run python bench/support/publish.py", file=sys.stderr)
    return int(bool(stale))


def write(results: Path, *, documents: bool) -> list[Path]:
    """Write what is made of a folder of results, and say which files changed."""
    changed = {file: text for file, text in _files(results, documents=documents).items() if _text(file) != text}
    for file, text in changed.items():
        file.write_text(text, encoding="utf-8")
    return list(changed)


def report_of(results: Path) -> str:
    """The report as Markdown: each bench with its question and its tables."""
    benches = _benches(results)
    taken_on = tables.machines(line for _question, lines in benches for line in lines)
    parts = [f"# What `pytest bench/` found\n\n{taken_on}\n"]
    for question, lines in benches:
        shown = [f"![{name}]({name})" for name, (kind, _draw) in CHARTS.items() if tables.of_kind(lines, kind)]
        # Benches that were run by themselves have a machine or a commit of their own.
        own = tables.machines(lines)
        found = [*shown, *_tables(lines), tables.endings(lines), own if own != taken_on else ""]
        parts.append(f"## {question}\n\n" + "\n\n".join(part for part in found if part) + "\n")
    return "\n".join(parts)


def sections(results: Path) -> dict[str, str]:
    """Every section that a document may ask for, by name."""
    benches = _benches(results)
    lines = [line for _question, found in benches for line in found]
    rows = [f"**{question}**\n\n{table}" for question, found in benches if (table := tables.rows_table(found))]
    return {
        "rows": "\n\n".join(rows),
        "scaling": tables.scaling_table(lines),
        "latency": tables.latency_table(lines),
        "sizes": tables.sizes_table(lines),
        "peers": tables.peers_table(lines),
        "peers-summary": tables.peers_summary(lines),
        "operations": tables.costs_table(lines, "operation"),
        "codecs": tables.costs_table(lines, "codec"),
        "machines": tables.machines(lines),
        "endings": tables.endings(lines),
    }


def render(text: str, found: Mapping[str, str]) -> str:
    """The text with every section as it should be; one that nothing is measured for stays as it is."""

    def fresh(match: re.Match[str]) -> str:
        body = found[match["name"]]
        return f"<!-- measured: {match['name']} -->\n{body}\n<!-- end -->" if body else match[0]

    return SECTION.sub(fresh, text)


def _tables(lines: Sequence[Line]) -> list[str]:
    return [
        tables.scaling_table(lines),
        tables.latency_table(lines),
        tables.sizes_table(lines),
        tables.peers_table(lines),
        tables.costs_table(lines, "operation"),
        tables.costs_table(lines, "codec"),
        tables.rows_table(lines),
    ]


def _files(results: Path, *, documents: bool) -> dict[Path, str]:
    lines = [line for _question, found in _benches(results) for line in found]
    made = {results / "report.md": report_of(results)}
    for name, (kind, draw) in CHARTS.items():
        if tables.of_kind(lines, kind):
            made[results / name] = draw(lines)
    if documents:
        found = sections(results)
        made |= {file: render(_text(file), found) for file in DOCUMENTS}
    return made


def _benches(results: Path) -> list[tuple[str, list[Line]]]:
    """The question of each bench, and what it found."""
    files = sorted(Path(__file__).parents[1].glob("test_*.py"))
    found = [(_question(file), read(results / f"{file.stem.removeprefix('test_')}.jsonl")) for file in files]
    return [(question, lines) for question, lines in found if lines]


def _question(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(_text(file))) or file.stem
    return docstring.partition("\n")[0]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
