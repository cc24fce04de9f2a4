"""What `imgsrv convert` says while it works and at its end: errors, the pace, a summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

from imgsrv.bulk.pace import Pace
from imgsrv.bulk.places import Place
from imgsrv.bulk.run import Todo
from imgsrv.bulk.work import Outcome
from imgsrv.cli._failures import say
from imgsrv.installed import with_command
from imgsrv.printable import printable

BROKEN_NOTE = "it is broken; the result shows what was there"

LINE_S = 30.0
"""Seconds between two lines about the pace where there is no terminal for a bar."""


class Report:
    """What has become of the pictures so far.  It counts them, and keeps only the last outcome."""

    def __init__(self, todo: Todo, *, has_manifest: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._todo, self._has_manifest, self._clock = todo, has_manifest, clock
        self._started = self._said = clock()
        self._pace = Pace(len(todo.left), clock)
        self._last: Outcome | None = None
        self.done = self.failed = self._length = 0

    def add(self, outcome: Outcome) -> None:
        """Count a picture."""
        self._last = outcome
        self.done += outcome.error is None
        self.failed += outcome.error is not None
        self._length += outcome.length

    def shown(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield the outcomes and print errors and notes.  On a terminal, show a progress bar if there are several.

        Elsewhere a line tells the pace twice a minute.
        """
        if sys.stderr.isatty() and len(self._todo.left) > 1:
            yield from self._with_bar(outcomes)
            return
        for outcome in outcomes:
            for note in _notes(outcome):
                say(note)
            self._pace.count()
            yield outcome
            if line := self._line():
                say(line)

    def _with_bar(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  50 ms

        from imgsrv.cli._tables import Screen  # noqa: PLC0415  as above

        console = Screen(stderr=True, highlight=False, markup=False)
        columns = (TextColumn("converting"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        # Automatic refreshing would need a thread, and this process forks.
        with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
            task = progress.add_task("", total=len(self._todo.left))
            for outcome in outcomes:
                for note in _notes(outcome):
                    console.print(note, soft_wrap=True)
                self._pace.count()
                progress.update(task, advance=1, description=self._pace.words(), refresh=True)
                yield outcome

    def tell(self, stopped: BaseException | None = None) -> None:
        """Print the summary, if results went to files.  stopped: the error that ended the run before its time."""
        if not any(one.target for one in self._todo.left) and not self._todo.skipped and not self._todo.done:
            return
        end = ""
        if stopped is not None:
            how = "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"
            goes_on = (
                "the same command goes on from here" if self._has_manifest else "--skip-existing goes on from here"
            )
            end = f"; {how}, {len(self._todo.left) - self.done - self.failed} not converted: {goes_on}"
        say(self._summary() + end)

    def _line(self) -> str:
        """The pace, if it is time to tell it."""
        now = self._clock()
        if now - self._said < LINE_S or self._pace.done == self._pace.total:
            return ""
        self._said = now
        return f"{self._pace.done:,} of {self._pace.total:,}, {self.failed:,} failed, {self._pace.words()}"

    def _summary(self) -> str:
        one = self._last
        if len(self._todo.left) == 1 and one and one.error is None and not self._todo.skipped and not self._todo.done:
            return f"{printable(str(one.conversion.target))}: {one.size[0]}×{one.size[1]}, {one.length:,} bytes"
        seconds = self._clock() - self._started
        counts = f"{self.done} converted, {self.failed} failed{passed_over(self._todo)}"
        return f"{counts} in {seconds:.1f} s, {self._length:,} bytes written"


def _notes(outcome: Outcome) -> Iterator[str]:
    """What a person has to know of one picture."""
    name = name_of_source(outcome.conversion.source)
    if outcome.error is not None:
        yield f"{name}: {with_command(outcome.error)}"
    if outcome.is_broken:
        yield f"{name}: {BROKEN_NOTE}"


def name_of_source(source: Place | None) -> str:
    """The name of a picture for the user."""
    return "standard input" if source is None else printable(str(source))


def passed_over(todo: Todo) -> str:
    """How many pictures are left out, and why."""
    before = f", {todo.done} done before" if todo.done else ""
    return before + (f", {len(todo.skipped)} skipped that exist" if todo.skipped else "")
