"""Patterns of paths, such as `photos/2026-*/**/*.jpg`, for folders and for buckets alike.

`*`, `?` and `[abc]` stand for signs within a name; `**` stands for any folders, also for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

SIGNS = "*?["

ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern below a fixed folder.  folder: empty for the current one.  names: a pattern for each part of a path."""

    folder: str
    names: tuple[str, ...]

    @property
    def depth(self) -> int | None:
        """The number of folders below the fixed one in which a file may lie; None for any number."""
        return None if ANY_FOLDERS in self.names else len(self.names) - 1

    def matches(self, parts: Sequence[str]) -> bool:
        """True for the path of a file below the folder, given as its parts.

        It follows all readings of the pattern at a time: a reading is the number of names that are used up.
        """
        readings = self._with_no_folders({0})
        for part in parts:
            readings = self._with_no_folders(
                {
                    number if self.names[number] == ANY_FOLDERS else number + 1
                    for number in readings
                    if number < len(self.names)
                    and (self.names[number] == ANY_FOLDERS or fnmatchcase(part, self.names[number]))
                }
            )
        return len(self.names) in readings

    def _with_no_folders(self, readings: set[int]) -> set[int]:
        """The readings, and those in which a `**` that comes next stands for no folder."""
        found = set(readings)
        for number in readings:
            at = number
            while at < len(self.names) and self.names[at] == ANY_FOLDERS:
                at += 1
                found.add(at)
        return found


def is_glob(text: str) -> bool:
    """Whether the text has a sign of a pattern."""
    return any(sign in text for sign in SIGNS)


def parse_glob(text: str) -> Glob:
    """Split a pattern into the folder that it names and the rest."""
    parts = text.split("/")
    fixed = next(number for number, part in enumerate(parts) if is_glob(part))
    folder = "/".join(parts[:fixed])
    names = tuple(part for part in parts[fixed:] if part)
    # `a/**` stands for the files below a, as a/**/* does.
    return Glob(folder or text[: text.startswith("/")], (*names, "*") if names[-1] == ANY_FOLDERS else names)
