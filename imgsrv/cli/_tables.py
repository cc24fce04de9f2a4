"""Tables and lines on a terminal of any width, drawn by rich; loading it takes 30 ms that few commands need."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

UNLIMITED_COLUMNS = 10_000
"""Width for a pipe or a file, so that each row is one line."""


class Screen(Console):
    """A console that leaves it to `main` what becomes of a command whose output nobody reads; rich would end it."""

    def on_broken_pipe(self) -> None:
        """Raise the error of the output.  Errors that nobody reads are dropped, as `say` drops them."""
        if not self.stderr:
            raise  # noqa: PLE0704  rich calls this where it has caught the BrokenPipeError
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def console() -> Screen:
    """Return a console on standard output, as wide as the terminal or as COLUMNS says."""
    width = shutil.get_terminal_size((UNLIMITED_COLUMNS, 0)).columns
    return Screen(highlight=False, markup=False, emoji=False, width=width)


def say(screen: Screen, text: str) -> None:
    """Print a line without wrapping it, so that a command in it can be copied."""
    screen.print(Text(text), soft_wrap=True)


def paragraph(screen: Screen, text: str) -> None:
    """Print running text, broken between words where the screen ends."""
    show(screen, Text(text))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """Return a table without lines between its columns."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        # As Text, because rich reads a string in brackets as markup.
        made.add_row(*map(Text, row))
    return made


def show(screen: Screen, made: Table | Text) -> None:
    """Print a table or a text without the spaces at the ends of its lines."""
    with screen.capture() as captured:
        screen.print(made)
    for line in captured.get().splitlines():
        print(line.rstrip())
