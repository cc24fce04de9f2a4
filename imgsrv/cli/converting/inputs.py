"""The pictures that the inputs of `imgsrv convert` stand for, and what in a folder is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imgsrv.errors import BadArgument, UnsupportedFormat, joined
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.formats import SUFFIXES
from imgsrv.printable import printable

NAMED = 3
"""Files that a note names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture file.  below: the folder in which it lies, relative to the input that stands for it."""

    file: Path
    below: Path = Path()


@dataclass(slots=True)
class Found:
    """The pictures of all inputs, and what was left out: files that are no pictures, and folders in folders."""

    sources: list[Source] = field(default_factory=list)
    no_pictures: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """Say what was left out, a line for each kind."""
        if self.folders:
            yield f"not looked into: {_some(self.folders, 'folder')}; --recursive takes their pictures too"
        if self.no_pictures:
            yield f"left out, no picture by its name: {_some(self.no_pictures, 'file')}"


def existing(text: str) -> Path:
    """Return the path of an input.  Raises BadArgument if there is no such file."""
    if not Path(text).exists():
        raise BadArgument(f"there is no file {text}")
    return Path(text)


def pictures_of(text: str, out: Path, *, is_recursive: bool) -> Found:
    """Find the pictures that an input stands for: a file stands for itself, a folder for the pictures in it.

    A picture has the suffix of a format, or no suffix and the first bytes of one.  Hidden files and folders, links to
    folders and the folder `out` are passed over.  Raises BadArgument if there is no such file or no picture.
    """
    path, found = existing(text), Found()
    if not path.is_dir():
        return Found([Source(path)])
    for place, folders, files in os.walk(path, onerror=_cannot_be_read):
        here = Path(place)
        seen = sorted(name for name in folders if not name.startswith(".") and not _is_same(here / name, out))
        # os.walk goes into the folders that are left in its list; it never follows a link.
        folders[:] = seen if is_recursive else []
        found.folders += [] if is_recursive else [here / name for name in seen]
        for file in (here / name for name in sorted(files) if not name.startswith(".")):
            if not file.is_file():
                continue
            if file.suffix.lower() in SUFFIXES or (not file.suffix and format_of(file)):
                found.sources.append(Source(file, here.relative_to(path)))
            else:
                found.no_pictures.append(file)
    if not found.sources:
        there = "; " + "; ".join(found.notes()) if found.folders else ""
        raise BadArgument(f"there is no picture in {text}; pictures end with {joined(list(SUFFIXES))}{there}")
    return found


def format_of(file: Path) -> str | None:
    """Return the format by the first bytes of a file; None if it cannot be read or none is known."""
    try:
        with file.open("rb") as opened:
            return sniff(opened.read(SNIFF_BYTES))
    except (OSError, UnsupportedFormat):
        # The conversion meets the same error and reports it with the name of the file.
        return None


def _cannot_be_read(error: OSError) -> None:
    raise BadArgument(f"the folder {error.filename} cannot be read: {error.strerror}") from error


def _is_same(folder: Path, other: Path) -> bool:
    return other.exists() and folder.samefile(other)


def _some(paths: list[Path], kind: str) -> str:
    names = [printable(str(path)) for path in paths[:NAMED]]
    if rest := len(paths) - NAMED if len(paths) > NAMED else 0:
        names.append(f"{rest} more {kind if rest == 1 else kind + 's'}")
    return joined(names)
