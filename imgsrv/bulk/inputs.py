"""The pictures that the inputs of `imgsrv convert` stand for, and what in a folder is left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from imgsrv.bulk.globs import Glob, is_glob, parse_glob
from imgsrv.bulk.places import Place, is_folder, is_url, refuse_other_url
from imgsrv.errors import BadArgument, UnsupportedFormat, joined
from imgsrv.imaging.codecs.sniff import SNIFF_BYTES, sniff
from imgsrv.imaging.formats import SUFFIXES
from imgsrv.printable import printable

HERE = PurePosixPath()

NAMED = 3
"""Files that a note names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture.  below: the folder in which it lies, relative to the input that stands for it.

    version: of an object, as its listing has it.
    """

    place: Place
    below: PurePosixPath = HERE
    version: str = ""


@dataclass(slots=True)
class Found:
    """The pictures of all inputs, and what was left out: files that are no pictures, and folders in folders."""

    sources: list[Source] = field(default_factory=list)
    no_pictures: list[Place] = field(default_factory=list)
    folders: list[Place] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """Say what was left out, a line for each kind."""
        if self.folders:
            yield f"not looked into: {_some(self.folders, 'folder')}; --recursive takes their pictures too"
        if self.no_pictures:
            yield f"left out, no picture by its name: {_some(self.no_pictures, 'file')}"

    def add(self, other: Found) -> None:
        """Add what another input stands for."""
        self.sources += other.sources
        self.no_pictures += other.no_pictures
        self.folders += other.folders


def existing(text: str) -> Path:
    """Return the path of an input.  Raises BadArgument if there is no such file."""
    try:
        Path(text).stat()
    except (FileNotFoundError, NotADirectoryError):
        refuse_other_url(text)
        raise BadArgument(f"there is no file {text}") from None
    except OSError as error:
        raise BadArgument(f"{text} cannot be read: {error.strerror}") from error
    return Path(text)


def names_several(text: str) -> bool:
    """Whether an input is a folder or a pattern.  A name with signs of a pattern is that of a file if there is one."""
    return _is_pattern(text) or is_folder(text)


def _is_pattern(text: str) -> bool:
    # os.path, because the methods of Path raise for a folder that is closed.
    return is_glob(text) and (is_url(text) or not os.path.exists(text))  # noqa: PTH110


def pictures_of(text: str, out: Path | None, *, is_recursive: bool) -> Found:
    """Find the pictures that an input stands for: a file stands for itself, a folder for the pictures in it.

    A pattern stands for the pictures whose path matches; the folders that it matched are those of the results.
    A picture has the suffix of a format, or no suffix and the first bytes of one.  Hidden files and folders, links to
    folders and the folder `out`, if the results go to one, are passed over.
    Raises BadArgument if there is no such file or no picture.
    """
    glob = parse_glob(text) if _is_pattern(text) else None
    if glob is None and not existing(text).is_dir():
        return Found([Source(Path(text))])
    found = Found()
    for file, below in _files_like(glob, out) if glob else _files_in(Path(text), out, found, is_recursive=is_recursive):
        if file.suffix.lower() in SUFFIXES or (not file.suffix and format_of(file)):
            found.sources.append(Source(file, PurePosixPath(below)))
        else:
            found.no_pictures.append(file)
    return checked(found, text, is_pattern=glob is not None)


def checked(found: Found, text: str, *, is_pattern: bool) -> Found:
    """What an input stands for.  Raises BadArgument if that is no picture."""
    if not found.sources:
        there = "; " + "; ".join(found.notes()) if found.folders else ""
        where = f"no picture matches {text}" if is_pattern else f"there is no picture in {text}"
        raise BadArgument(f"{where}; pictures end with {joined(list(SUFFIXES))}{there}")
    return found


def format_of(file: Path) -> str | None:
    """Return the format by the first bytes of a file; None if it cannot be read or none is known."""
    try:
        with file.open("rb") as opened:
            return sniff(opened.read(SNIFF_BYTES))
    except (OSError, UnsupportedFormat):
        # The conversion meets the same error and reports it with the name of the file.
        return None


def _files_in(folder: Path, out: Path | None, found: Found, *, is_recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Yield the files in a folder, each with its folder relative to that one; note the folders not looked into."""
    for below, folders, files in _walk(folder, out):
        if not is_recursive:
            found.folders += [folder / below / name for name in folders]
            folders.clear()
        yield from ((folder / below / name, below) for name in files)


def _files_like(glob: Glob, out: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the files that match a pattern, each with its folder relative to the fixed folder of the pattern."""
    folder = existing(glob.folder or ".")
    for below, folders, files in _walk(folder, out):
        if len(below.parts) == glob.depth:
            folders.clear()
        yield from ((folder / below / name, below) for name in files if glob.matches((*below.parts, name)))


def _walk(folder: Path, out: Path | None) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder, relative to the first, with the names of its folders and files, sorted.

    What the caller removes from the list of folders is not looked into.
    """
    for place, folders, files in os.walk(folder, onerror=_cannot_be_read):
        here = Path(place)
        # os.walk goes into the folders that are left in its list; it never follows a link.
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_same(here / name, out))
        named = (name for name in sorted(files) if not name.startswith("."))
        yield here.relative_to(folder), folders, [name for name in named if (here / name).is_file()]


def _cannot_be_read(error: OSError) -> None:
    raise BadArgument(f"the folder {error.filename} cannot be read: {error.strerror}") from error


def _is_same(folder: Path, other: Path | None) -> bool:
    return other is not None and other.exists() and folder.samefile(other)


def _some(paths: Sequence[Place], kind: str) -> str:
    names = [printable(str(path)) for path in paths[:NAMED]]
    if rest := len(paths) - NAMED if len(paths) > NAMED else 0:
        names.append(f"{rest} more {kind if rest == 1 else kind + 's'}")
    return joined(names)
