"""What a process on a node of a Ray cluster does with a picture.  It reads and writes by itself: only names travel."""

from __future__ import annotations

import functools
import io
import pickle
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imgsrv.bulk.places import Place, read
from imgsrv.bulk.work import Conversion, Outcome, Recipe, convert
from imgsrv.errors import BadSetting, ImgsrvError
from imgsrv.imaging import formats
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.lettering.fonts import fallback_names, use_fallbacks, use_fonts
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.pipelines.pipeline import parse_pipeline
from imgsrv.imaging.prepare import prepare_process
from imgsrv.imaging.process import process_into

SIGN_S = 5.0
"""A file that one machine has made may be seen late by another one, through a folder that they share."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is the same for all pictures of a run.

    pipeline: its text.  fonts: folder of further fonts.  fallbacks: those for what a font lacks.  sign: a file in
    OUT, which a node sees if it shares that folder; None for a bucket.  formats: those that the command reads and
    writes; the extras of a node must be the same.
    """

    pipeline: str
    output: Output
    limits: Limits
    parts: Mapping[str, bytes]
    overwrites: bool
    fonts: Path | None
    fallbacks: tuple[str, ...]
    sign: Path | None
    formats: tuple[tuple[str, ...], tuple[str, ...]]


def pack(recipe: Recipe, fonts: Path | None, sign: Path | None) -> bytes:
    """The work of a run as bytes."""
    pipeline, given = str(recipe.pipeline), (recipe.output, recipe.limits, recipe.parts, recipe.overwrites)
    return pickle.dumps(Work(pipeline, *given, fonts, fallback_names(), sign, formats_here()))


@dataclass(frozen=True, slots=True)
class Task:
    """One picture.  mark: of its temporary file.  is_again: it was begun before, on a node that was lost."""

    conversion: Conversion
    mark: str
    is_again: bool = False


def packed_tasks(given: Iterable[tuple[Conversion, str, bool]]) -> bytes:
    """Tasks as bytes: conversion, mark and whether it is begun again.

    The paths are from the root: a process on a node has another current folder.
    """
    return pickle.dumps([Task(_from_root(conversion), mark, is_again) for conversion, mark, is_again in given])


def _from_root(conversion: Conversion) -> Conversion:
    source, target = (
        place.absolute() if isinstance(place, Path) else place for place in (conversion.source, conversion.target)
    )
    return replace(conversion, source=source, target=target)


def outcomes_of(packed: bytes) -> list[Outcome]:
    """The outcomes that a node has packed."""
    outcomes: list[Outcome] = pickle.loads(packed)  # noqa: S301  from a node of this run
    return outcomes


def formats_here() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the formats that are read and written here."""
    return tuple(formats.FORMATS), tuple(formats.WRITTEN)


@functools.cache
def unfit(packed: bytes) -> str:
    """Why this node cannot do the work; empty if it can.  It makes this process ready for it."""
    prepare_process()
    work = _work(packed)
    for which, wanted, here in zip(("read", "write"), work.formats, formats_here(), strict=True):
        if wanted != here:
            names = ", ".join(sorted(set(wanted) ^ set(here)))
            return (
                f"it does not {which} the same formats as this command: {names}; install the same extras on all nodes"
            )
    try:
        if work.fonts is not None:
            use_fonts(work.fonts)
        use_fallbacks(work.fallbacks)
    except BadSetting as error:
        return f"it cannot use the fonts: {error}"
    if work.sign is not None and not _appears(work.sign):
        return f"it does not see {work.sign.parent}; OUT must be a folder that all nodes share, or a bucket"
    return ""


def perform(packed: bytes, tasks: bytes, node: str) -> bytes:
    """Convert pictures; gives the packed outcomes, the last of which may stop the run.

    packed: the work.  node: the name of this one.
    """
    outcomes = list[Outcome]()
    for task in pickle.loads(tasks):  # noqa: S301  from the command that has started it
        outcomes.append(replace(_performed(_work(packed), _recipe(packed), task, node), node=node))
        if outcomes[-1].stops:
            break
    return pickle.dumps(outcomes)


def _performed(work: Work, recipe: Recipe, task: Task, node: str) -> Outcome:
    if work.sign is not None and not work.sign.exists():
        return Outcome(task.conversion, error="the run has ended", stops=True)
    outcome = convert(task.conversion, recipe, task.mark)
    source = task.conversion.source
    if outcome.error is None:
        return outcome
    if task.is_again and not recipe.overwrites and (found := _made_before(task.conversion, recipe)):
        return found
    if isinstance(source, Path) and not source.exists():
        return replace(outcome, error=f"node {node} sees no {source}; its folder must be shared by all nodes")
    return outcome


@functools.cache
def _work(packed: bytes) -> Work:
    work: Work = pickle.loads(packed)  # noqa: S301  from the command that has started it
    return work


@functools.cache
def _recipe(packed: bytes) -> Recipe:
    work = _work(packed)
    return Recipe(parse_pipeline(work.pipeline), work.output, work.limits, work.parts, work.overwrites)


def _appears(file: Path) -> bool:
    end = time.monotonic() + SIGN_S
    while not file.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _made_before(conversion: Conversion, recipe: Recipe) -> Outcome | None:
    """The outcome of a picture whose node was lost after it had written the result; None if somebody else wrote it.

    Equal pictures give equal bytes.
    """
    target: Place | None = conversion.target
    began = time.monotonic()
    try:
        data, version = read(conversion.source)
        file = io.BytesIO()
        report = process_into(file, data, recipe.pipeline, recipe.output_of(conversion), recipe.limits, recipe.parts)
        if bytes(read(target)[0]) != file.getvalue():
            return None
    except (ImgsrvError, OSError, MemoryError):
        return None
    seconds = time.monotonic() - began
    return Outcome(
        conversion, report.size, len(file.getvalue()), None, report.is_broken, report.format, version, seconds
    )
