"""The files of public suites that are invalid, and those that are read otherwise than by most, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

KNOWN = Path(__file__).with_name("known.tsv")


@dataclass(frozen=True, slots=True)
class Known:
    """rows: a meaning, a pattern of paths, and a reason."""

    rows: Sequence[tuple[str, str, str]]

    @classmethod
    def read(cls, path: Path) -> Known:
        """The rows of a file; lines that begin with # are comments.  Raises ValueError for a line of another kind."""
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        rows = []
        for line in lines:
            meaning, pattern, reason = line.split("\t")
            rows.append((meaning, pattern, reason))
        return cls(rows)

    def meaning(self, path: Path) -> tuple[str, str]:
        """The meaning and the reason of the first row that fits; two empty texts where none does."""
        found = (row for row in self.rows if fnmatchcase(f"/{path.as_posix().lstrip('/')}", row[1]))
        meaning, _pattern, reason = next(found, ("", "", ""))
        return meaning, reason
