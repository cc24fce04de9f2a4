"""The positional arguments of `imgsrv convert`: which file becomes which.  They are checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsrv.bulk.inputs import Found, Source, existing, format_of, names_several, pictures_of
from imgsrv.bulk.work import Conversion
from imgsrv.errors import BadArgument, joined
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import SUFFIX as TEXT_SUFFIX
from imgsrv.imaging.codecs.placeholders import suffix_of
from imgsrv.imaging.formats import KNOWN_SUFFIXES, SUFFIXES, WRITTEN, written_as

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
    inputs = tuple(paths[: -2 if has_pipeline else -1])
    if not inputs:
        raise BadArgument(
            f"give a picture, then OUT; OUT is a folder, ends with / or has one of the suffixes {target_suffixes()}, "
            f"and {paths[-1]!r} {'is taken as the pipeline' if has_pipeline else 'is the only one given'}"
        )
    return Positionals(inputs, paths[-2], paths[-1]) if has_pipeline else Positionals(inputs, paths[-1])


def _is_target(text: str) -> bool:
    return text == STANDARD or is_folder(text) or Path(text).suffix.lower() in (*KNOWN_SUFFIXES, TEXT_SUFFIX)


def is_folder(text: str) -> bool:
    """Whether the text names a folder, or ends with / like a new one."""
    return text.endswith("/") or Path(text).is_dir()


def target_suffixes() -> str:
    """Return the suffixes of all formats that are written, for a message."""
    return joined([suffix for suffix, name in SUFFIXES.items() if name in WRITTEN])


@dataclass(frozen=True, slots=True)
class Plan:
    """The conversions.  notes: what in the folders was left out."""

    conversions: tuple[Conversion, ...]
    notes: tuple[str, ...] = ()


def plan(inputs: Sequence[str], out: str, output: Output, *, is_recursive: bool = False) -> Plan:
    """Plan the conversion of each picture.  A folder or a pattern among the inputs stands for pictures.

    is_recursive: also for those in its folders, whose results get folders of the same names.
    Raises BadArgument if an input does not exist, or if a result would overwrite an input or another result.
    """
    notes: tuple[str, ...] = ()
    if is_folder(out):
        found = Found()
        for text in inputs:
            _refuse_standard_input(text)
            found.add(pictures_of(text, Path(out), is_recursive=is_recursive))
        conversions = tuple(_into_folder(source, Path(out), output) for source in found.sources)
        notes = tuple(found.notes())
    elif len(inputs) > 1 or names_several(inputs[0]):
        raise BadArgument(f"several pictures need a folder as OUT, but {out} is not a folder; write out/ to make one")
    else:
        source = None if inputs[0] == STANDARD else existing(inputs[0])
        conversions = (Conversion(source, _file_target(out)),)
    _check_targets(conversions)
    return Plan(conversions, notes)


def _refuse_standard_input(text: str) -> None:
    if text == STANDARD:
        raise BadArgument("standard input is a single picture and needs a file as OUT, or -")


def _file_target(out: str) -> Path | None:
    if out == STANDARD:
        return None
    if not Path(out).parent.is_dir():
        raise BadArgument(f"there is no folder {Path(out).parent} to write {out} to")
    return Path(out)


def _into_folder(source: Source, folder: Path, output: Output) -> Conversion:
    """Return a conversion into the folder: the same name with the suffix of the result.  A correct suffix is kept."""
    file, place = source.file, folder / source.below
    own = format_of(file) if output.format is None else None
    name = output.format or (own and written_as(own))
    known = SUFFIXES.get(file.suffix.lower())
    if name is None or known == name:
        return Conversion(file, place / file.name)
    return Conversion(file, place / ((file.stem if known else file.name) + suffix_of(name)))


def _check_targets(conversions: Iterable[Conversion]) -> None:
    pairs = [(one.source, one.target) for one in conversions]
    sources = {source.resolve() for source, _ in pairs if source}
    taken: dict[Path, Path | None] = {}
    for source, target in pairs:
        if target is None:
            continue
        if target in taken:
            raise BadArgument(f"{taken[target]} and {source} would both become {target}")
        if target.resolve() in sources:
            raise BadArgument(f"{target} is one of the inputs and is never overwritten; choose another OUT")
        taken[target] = source
