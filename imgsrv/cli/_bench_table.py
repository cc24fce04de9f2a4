"""The table of `imgsrv bench`: it fills while the load runs and stays on the screen afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imgsrv.loadtest.phases import Phase
from imgsrv.printable import printable

HEADS = ("pictures/s", "p50 ms", "p99 ms", "most ms", "refused", "faults", "own CPU")

BAR_WIDTH = 40


class View:
    """A table that is live on a terminal; elsewhere it is printed once, at the end."""

    def __init__(self, console: Console, url: str, answers: Sequence[str]) -> None:
        self._console = console
        self._url = url
        self._answers = list(dict.fromkeys(answers))
        self._phases: dict[str, Phase] = {}
        # Automatic refreshing would need a thread, which takes processor time from the load.
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        if kind is None:
            self._console.print(self._table())

    def show(self, phase: Phase) -> None:
        """Update the row of a phase."""
        self._phases[phase.name] = phase
        if self._console.is_terminal:
            share = min(1.0, phase.elapsed_s / phase.seconds)
            bar = ProgressBar(total=1.0, completed=share, width=BAR_WIDTH)
            self._live.update(Group(self._table(), bar), refresh=True)

    def _table(self) -> Group:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for head in HEADS:
            table.add_column(head, justify="right", no_wrap=True)
        for phase in self._phases.values():
            table.add_row(phase.name, *_cells(phase))
        found = [printable(phase.fault[:300]) for phase in self._phases.values() if phase.fault]
        faults = [Text(f"fault: {fault}", style="red") for fault in found]
        return Group(Text(f"\n{self._url} → {'; '.join(self._answers)}\n"), table, *faults)


def _cells(phase: Phase) -> tuple[str, ...]:
    times = (phase.p50_ms, phase.p99_ms, phase.most_ms)
    asked = f" of {phase.asked_rate:.1f}" if phase.asked_rate else ""
    return (
        f"{phase.rate:.1f}{asked}",
        *(f"{time_ms:.1f}" if phase.pictures else "–" for time_ms in times),
        str(phase.refused),
        str(phase.faults),
        f"{phase.cpu_share:.0%}" if phase.cpu_share else "–",
    )
