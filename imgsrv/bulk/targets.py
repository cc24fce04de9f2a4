"""The positional arguments of `imgsrv convert`: which file becomes which.  They are checked before any work."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsrv.bulk.bucket_inputs import object_of, objects_of
from imgsrv.bulk.buckets import check_installed
from imgsrv.bulk.clerk import Clerk
from imgsrv.bulk.inputs import Found, Source, existing, format_of, names_several, pictures_of
from imgsrv.bulk.places import Blob, Place, below, is_folder, is_url, place_of, refuse_other_url
from imgsrv.bulk.work import Conversion
from imgsrv.errors import BadArgument, joined
from imgsrv.imaging.codecs.output import SAME, Output
from imgsrv.imaging.codecs.placeholders import SUFFIX as TEXT_SUFFIX
from imgsrv.imaging.codecs.placeholders import suffix_of
from imgsrv.imaging.formats import KNOWN_SUFFIXES, SUFFIXES, WRITTEN, written_as
from imgsrv.imaging.operations import OPERATIONS

STANDARD = "-"
"""The argument for standard input or output in place of a file."""


@dataclass(frozen=True, slots=True)
class Positionals:
    """The arguments without a flag: inputs, target and pipeline."""

    inputs: tuple[str, ...]
    out: str
    pipeline: str = ""


def split_positionals(paths: Sequence[str]) -> Positionals:
    """Split the arguments into IN…, OUT and the pipeline.  Raises BadArgument if there is no IN."""
    has_pipeline = not _is_target(paths[-1])
    if steps := _steps_apart(paths):
        raise BadArgument(f"write the steps as one argument, with slashes between them: {'/'.join(steps)}")
    inputs = tuple(paths[: -2 if has_pipeline else -1])
    if not inputs:
        raise BadArgument(
            f"give a picture, then OUT; OUT is a folder, ends with / or has one of the suffixes {target_suffixes()}, "
            f"and {paths[-1]!r} {'is taken as the pipeline' if has_pipeline else 'is the only one given'}"
        )
    return Positionals(inputs, paths[-2], paths[-1]) if has_pipeline else Positionals(inputs, paths[-1])


def _steps_apart(paths: Sequence[str]) -> Sequence[str]:
    """The arguments behind a target that are steps of one pipeline; none where there is at most one."""
    last = max((at for at in range(1, len(paths)) if _is_target(paths[at])), default=len(paths))
    behind = paths[last + 1 :]
    are_steps = len(behind) > 1 and all(text.partition(":")[0] in OPERATIONS for text in behind)
    return behind if are_steps else ()


def _is_target(text: str) -> bool:
    return (
        text == STANDARD
        or is_url(text)
        or is_folder(text)
        or Path(text).suffix.lower() in (*KNOWN_SUFFIXES, TEXT_SUFFIX)
    )


def target_suffixes() -> str:
    """Return the suffixes of all formats that are written, for a message."""
    return joined([suffix for suffix, name in SUFFIXES.items() if name in WRITTEN])


@dataclass(frozen=True, slots=True)
class Plan:
    """The conversions.  notes: what in the folders was left out."""

    conversions: tuple[Conversion, ...]
    notes: tuple[str, ...] = ()


def plan(inputs: Sequence[str], out: str, output: Output, clerk: Clerk, *, is_recursive: bool = False) -> Plan:
    """Plan the conversion of each picture.  A folder or a pattern among the inputs stands for pictures.

    clerk: asks buckets.  is_recursive: also for the pictures in folders of a folder, whose results get folders of the
    same names.  Raises BadArgument if an input does not exist, or if a result would overwrite an input or another one.
    """
    if is_url(out):
        check_installed(out)
    refuse_other_url(out)
    if not is_folder(out):
        if len(inputs) > 1 or names_several(inputs[0]):
            raise BadArgument(
                f"several pictures need a folder as OUT, but {out} is not a folder; write out/ to make one"
            )
        conversions: tuple[Conversion, ...] = (_into_file(inputs[0], out, clerk),)
        _check_targets(conversions)
        return Plan(conversions)
    found, folder = Found(), place_of(out)
    for text in inputs:
        _refuse_standard_input(text)
        if is_url(text):
            found.add(objects_of(text, folder, clerk, is_recursive=is_recursive, has_format=not _is_open(output)))
        else:
            found.add(pictures_of(text, folder if isinstance(folder, Path) else None, is_recursive=is_recursive))
    conversions = tuple(_into_folder(source, folder, output) for source in found.sources)
    _check_targets(conversions)
    return Plan(conversions, tuple(found.notes()))


def _refuse_standard_input(text: str) -> None:
    if text == STANDARD:
        raise BadArgument("standard input is a single picture and needs a file as OUT, or -")


def _into_file(text: str, out: str, clerk: Clerk) -> Conversion:
    target = _file_target(out)
    if text == STANDARD:
        return Conversion(None, target)
    if is_url(text):
        one = object_of(text, clerk)
        return Conversion(one.place, target, version=one.version)
    return Conversion(existing(text), target)


def _file_target(out: str) -> Place | None:
    if out == STANDARD:
        return None
    if is_url(out):
        return place_of(out)
    try:
        is_there = stat.S_ISDIR(Path(out).parent.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except OSError as error:
        raise BadArgument(f"{out} cannot be written: {error.strerror}; choose another OUT") from error
    if not is_there:
        raise BadArgument(f"there is no folder {Path(out).parent} to write {out} to")
    return place_of(out)


def _is_open(output: Output) -> bool:
    """No format is named: each picture keeps its own."""
    return output.format in (None, SAME)


def _into_folder(source: Source, folder: Place, output: Output) -> Conversion:
    """Return a conversion into the folder: the same name with the suffix of the result.  A correct suffix is kept.

    Without a format, a file keeps that of its content, and an object that of its name.
    """
    file = source.place.file if isinstance(source.place, Blob) else source.place
    known = SUFFIXES.get(file.suffix.lower())
    own = (known if isinstance(source.place, Blob) else format_of(source.place)) if _is_open(output) else None
    name = (own and written_as(own)) if _is_open(output) else output.format
    is_right = name is None or known == name
    new = file.name if is_right else (file.stem if known else file.name) + suffix_of(name or "")
    by_name = name if isinstance(source.place, Blob) and _is_open(output) else None
    return Conversion(source.place, below(folder, source.below / new), by_name, source.version)


def _check_targets(conversions: Iterable[Conversion]) -> None:
    pairs = [(one.source, one.target) for one in conversions]
    sources = {_identity(source) for source, _ in pairs if source}
    taken: dict[Place, Place | None] = {}
    for source, target in pairs:
        if target is None:
            continue
        if target in taken:
            raise BadArgument(f"{taken[target]} and {source} would both become {target}")
        if _identity(target) in sources:
            raise BadArgument(f"{target} is one of the inputs and is never overwritten; choose another OUT")
        taken[target] = source


def _identity(place: Place) -> Place:
    return place.resolve() if isinstance(place, Path) else place
