"""What do clients notice of a reload, and how long does it take until every worker is a new one?

Requests arrive as a Poisson process at half of the server's capacity, in turn without and with a reload.  A reload
first tries the new code in a separate process, then starts every new worker before an old one ends.  Both take time
from the cores that serve.
"""

from __future__ import annotations

import threading
import time
from typing import Self

import psutil
import pytest
from pace import Pace
from report import Report
from serving import Server, serving, wait_until

from imgsrv.cli._control_client import ask
from imgsrv.loadtest.closed_loop import always, crowd
from imgsrv.loadtest.conversation import posted
from imgsrv.loadtest.open_loop import Storm, open_loop, percentile, planned, poisson_arrivals
from imgsrv.pool.control.instances import Place

PATH = "/resize?width=720&height=588&fit=fill"
WORKERS, CONNECTIONS, SEED = 2, 8, 22
LOAD = 0.5

ROUNDS, SECONDS = 5, 4.0
"""Each of so long without a reload and as long from the beginning of one."""

LEAST_S = 2.0
"""Also where no figure is kept: a shorter load is over before a new worker serves."""

LONGEST_S = 60.0


@pytest.mark.timeout(240)
def test_reload_at_half_of_the_capacity(picture: bytes, report: Report, pace: Pace) -> None:
    choose = always(posted(PATH, picture))
    found = _Found()
    with serving("--workers", str(WORKERS), "--no-access-log") as server:
        with crowd(server.port, CONNECTIONS) as many:
            rate = LOAD * many.load(choose, pace.seconds(4), least=1).checked().rate
        for number in range(pace.rounds(ROUNDS)):
            plans = planned(poisson_arrivals(rate, max(LEAST_S, pace.seconds(SECONDS)), SEED + number), choose)
            found.calm.append(open_loop(server.port, plans))
            with _Reload(server) as reload:
                found.reloaded.append(open_loop(server.port, plans))
            found.reloads.append(reload)
    found.add_to(report)


class _Reload(threading.Thread):
    """A reload that begins with the block.

    ready_s: from the command until all new workers serve.  replaced_s: until no old one does.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._place, self._old = Place(server.folder, "default"), server.workers()
        self.ready_s = self.replaced_s = 0.0

    def run(self) -> None:
        began = time.monotonic()
        ask(self._place, "reload", patience_s=LONGEST_S)
        self.ready_s = time.monotonic() - began
        wait_until(lambda: not any(map(psutil.pid_exists, self._old)), "the old workers end", LONGEST_S)
        self.replaced_s = time.monotonic() - began

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join(2 * LONGEST_S)
        assert self.replaced_s, "the reload failed"


class _Found:
    """The figures of the rounds."""

    def __init__(self) -> None:
        self.calm: list[Storm] = []
        self.reloaded: list[Storm] = []
        self.reloads: list[_Reload] = []

    def add_to(self, report: Report) -> None:
        """The rows."""
        asked = sum(len(storm.outcomes) for storm in self.reloaded)
        lost = sum(len(storm.outcomes) - len(storm.pictures) for storm in self.reloaded)
        report.judge_most(
            f"requests lost or refused of {asked} beside {len(self.reloads)} reloads", [lost], "", at_most=0
        )
        report.note("from the command until all new workers serve", [each.ready_s for each in self.reloads], "s")
        report.note("from the command until no old worker is left", [each.replaced_s for each in self.reloads], "s")
        calm_ms = [_latencies_ms(storm, storm.seconds) for storm in self.calm]
        beside_ms = [
            _latencies_ms(storm, reload.replaced_s) for storm, reload in zip(self.reloaded, self.reloads, strict=True)
        ]
        for percent in (50, 99):
            calm = [percentile(each, percent) for each in calm_ms]
            beside = [percentile(each, percent) for each in beside_ms]
            report.note(f"latency at {LOAD:.0%} of the capacity, p{percent}, before a reload", calm, "ms")
            report.note("in the same run: until no old worker is left", beside, "ms")
        report.note("the load's own share of a core", [storm.cpu_share for storm in self.reloaded], "cores")


def _latencies_ms(storm: Storm, until_s: float) -> list[float]:
    return [1000 * each.latency_s for each in storm.pictures if each.plan.due_s < until_s]
