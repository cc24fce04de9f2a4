"""One run of bulk work: what is left to do, an executor that does it, and a manifest of what became of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from imgsrv.bulk.known import Known
from imgsrv.bulk.manifest import Manifest
from imgsrv.bulk.there import There
from imgsrv.bulk.work import Conversion, Outcome, Recipe
from imgsrv.errors import RunStopped

Executor = Callable[[Sequence[Conversion], Recipe], Generator[Outcome]]
"""Does the conversions and yields their outcomes as they are done, in any order; a broken picture stops nothing."""


@dataclass(frozen=True, slots=True)
class Todo:
    """The conversions that are left.  skipped: those whose results exist.  done: pictures of runs before."""

    left: tuple[Conversion, ...]
    skipped: tuple[Conversion, ...] = ()
    done: int = 0


def left_of(conversions: Sequence[Conversion], known: Known, there: There, *, skips_existing: bool) -> Todo:
    """What is left to do, by the manifest and, if asked, by what exists."""
    left, skipped = list[Conversion](), list[Conversion]()
    for one in conversions:
        if known.is_done(one, there):
            continue
        exists = skips_existing and one.target is not None and there.length(one.target) is not None
        (skipped if exists else left).append(one)
    return Todo(tuple(left), tuple(skipped), len(conversions) - len(left) - len(skipped))


def run(todo: Todo, recipe: Recipe, executor: Executor, manifest: Manifest | None) -> Generator[Outcome]:
    """Do the conversions; yield each outcome after it stands in the manifest.

    Raises RunStopped after an outcome that every further picture would have, too.
    """
    if manifest is not None:
        for one in todo.skipped:
            manifest.skip(one)
    # Closed at once, whatever ends the run: an executor has processes to end, and a cluster to leave after that.
    with contextlib.closing(executor(todo.left, recipe)) as outcomes:
        for outcome in outcomes:
            if manifest is not None:
                manifest.record(outcome)
            yield outcome
            if outcome.stops:
                raise RunStopped(outcome.error or "")
