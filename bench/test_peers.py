"""How many pictures a second do other servers make on the same cores, and how good are their results?

All servers run all the time and get load in turn, each with the same number of connections.  In each round imgsrv, the
limit and sharp follow each other, forwards and backwards in turn, so the most important comparisons are closest in
time.  `python bench/peers/install.py` installs the other servers.  A server that is missing, does not start or gives a
wrong answer is left out, with the reason.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

import pytest
from looping import looped_rate
from opponents import COPIES, CORES, Running, copy_name, opponents, other, running
from pace import Pace
from report import Report
from serving import serving
from workloads import FALCON_DRAFT, LIMIT, SHARP, Work, likeness, works

from imgsrv import __version__
from imgsrv.errors import LoadFailed
from imgsrv.imaging.codecs.turbojpeg import WHEEL
from imgsrv.loadtest.closed_loop import Slice, crowd, in_turn
from imgsrv.loadtest.conversation import Request, posted
from imgsrv.loadtest.open_loop import percentile

OURS, OURS_PLAIN = "imgsrv", "imgsrv without turbo"
CONNECTIONS = 8
ROUNDS, SECONDS, LEAST = 5, 1.0, 2 * CONNECTIONS
"""A slow server is asked for longer, until so many pictures have come."""

WORKS = works()

ONCE = "Express + PM2 + sharp"
"""Is asked for the first work only: it runs the same program as the one with cluster."""

WITHOUT_TURBO = f"import sys; sys.modules[{WHEEL!r}] = None; from imgsrv.cli.main import main; sys.exit(main())"
"""A program as it is where the extra is not installed."""

TAIL = 100
"""Fewer answers than this have no 99th percentile worth the name."""


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """Start the servers; ours comes first."""
    scratch = tmp_path_factory.mktemp("peers")
    folder = request.config.getoption("--peer-folder") or scratch / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for file in {file for work in WORKS for file in work.files}:
        shutil.copy(file, folder)
        for copy in range(COPIES if request.config.getoption("--peer") else 0):
            shutil.copy(file, folder / copy_name(file, copy))
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(serving("--workers", str(CORES), "--no-access-log"))
        found = [Running(OURS, __version__, ours.port, _our_request)]
        for number, opponent in enumerate(opponents()):
            why = opponent.missing()
            if not why:
                try:
                    found.append(stack.enter_context(running(opponent, folder, scratch / f"server-{number}")))
                    continue
                except (AssertionError, OSError) as error:
                    why = f"does not start: {_line(error)}"
            found.append(Running(opponent.name, opponent.version, 0, opponent.request, why=why))
        found += [other(text) for text in request.config.getoption("--peer")]
        if find_spec(WHEEL):
            program = [sys.executable, "-c", WITHOUT_TURBO]
            plain = stack.enter_context(serving("--workers", str(CORES), "--no-access-log", program=program))
            found.append(Running(OURS_PLAIN, __version__, plain.port, _our_request))
        yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.test_id)
def test_the_same_work(servers: list[Running], work: Work, report: Report, pace: Pace) -> None:
    if not work.files:
        pytest.skip("no such picture among the samples; put the corpus into ../shared/corpus/photos")
    if not pace.is_full:
        # To see that every server answers, one picture is enough.
        work = replace(work, files=work.files[:1])
    connections = pace.rounds(CONNECTIONS)
    contest = _Contest(work, connections)
    asked = [server for server in servers if _is_asked(server.name, work)]
    for server in asked:
        contest.meet(server)
    least = max(connections, pace.rounds(LEAST))
    for number in range(pace.rounds(ROUNDS)):
        contest.turn(asked, pace.seconds(SECONDS), least, is_back=bool(number % 2))
    for server in asked:
        contest.add(report, server)
    contest.add_limit(report)
    contest.judge(report)


def _is_asked(name: str, work: Work) -> bool:
    """True if a server does something of its own in this work."""
    if name == ONCE:
        return work.test_id == WORKS[0].test_id
    if name == OURS_PLAIN:
        return work.format == "jpeg"
    return name != FALCON_DRAFT or any(file.suffix == ".jpg" for file in work.files)


class _Contest:
    """One work, done by all servers in turn."""

    def __init__(self, work: Work, connections: int) -> None:
        self._work = work
        self._connections = connections
        self._pictures: dict[str, list[Request]] = {}
        self._slices: dict[str, list[Slice]] = {}
        self._limits: list[float] = []
        self._why: dict[str, str] = {}
        self._likeness: dict[str, float] = {}

    def meet(self, server: Running) -> None:
        """Ask for each picture once, and look at what comes."""
        if server.why:
            self._why[server.name] = server.why
            return
        pictures = server.requests(self._work, self._work.files)
        with self._or_left_out(server.name):
            with crowd(server.port, 1, server.host) as one:
                for picture in pictures:
                    one.load(in_turn([picture]), 0.0, least=1).checked()
            # Copies have the same result.
            found = [
                likeness(self._work, file, each.expected)
                for file, each in zip(self._work.files, pictures, strict=False)
            ]
            self._likeness[server.name] = statistics.fmean(found)
            self._pictures[server.name] = pictures
            self._slices[server.name] = []

    def turn(self, servers: list[Running], seconds: float, least: int, *, is_back: bool) -> None:
        """One round of all, ours and the limit at the same end of it."""
        for server in reversed(servers) if is_back else servers:
            if server.name == OURS:
                self._take_limit(seconds)
            if server.name not in self._why:
                self._take(server, seconds, least)

    def _take_limit(self, seconds: float) -> None:
        bodies = [file.read_bytes() for file in self._work.files]
        self._limits.append(looped_rate(bodies, self._work.pipeline, CORES, seconds, self._work.output))

    def _take(self, server: Running, seconds: float, least: int) -> None:
        with (
            self._or_left_out(server.name),
            crowd(server.port, self._connections, server.host, server.others) as many,
        ):
            pictures = self._pictures[server.name]
            found = many.load(in_turn(pictures), seconds, least=least, turn=len(self._work.files)).checked()
            self._slices[server.name].append(found)

    @contextlib.contextmanager
    def _or_left_out(self, name: str) -> Iterator[None]:
        """A server that fails is asked no more, and the others go on; ours has to work."""
        try:
            yield
        except (AssertionError, LoadFailed, OSError) as error:
            if name == OURS:
                raise
            self._why[name] = _line(error)

    def add(self, report: Report, server: Running) -> None:
        """Add the figures of one server."""
        facts = {"work": self._work.name, "server": server.name, "version": server.version}
        if server.name in self._why:
            report.record("peer", **facts, rates=[], why=self._why[server.name])
            return
        slices = self._slices[server.name]
        latencies_ms = [1000 * latency_s for each in slices for latency_s in each.latencies_s]
        report.record(
            "peer",
            **facts,
            rates=[each.rate for each in slices],
            ours_against=[] if server.name == OURS else self._against(server.name),
            p50_ms=percentile(latencies_ms, 50),
            p99_ms=percentile(latencies_ms, 99) if len(latencies_ms) >= TAIL else None,
            answers=len(latencies_ms),
            load_cpu=statistics.median(each.cpu_share for each in slices),
            bytes=self._bytes(server.name),
            ssim=self._likeness[server.name],
            wanted=self._work.wanted.get(server.name, 0),
        )

    def add_limit(self, report: Report) -> None:
        """The pipeline without a server."""
        report.record(
            "peer",
            work=self._work.name,
            server=LIMIT,
            version="",
            rates=self._limits,
            ours_against=self._against(LIMIT),
            p99_ms=None,
            bytes=self._bytes(OURS),
            ssim=self._likeness[OURS],
            wanted=self._work.wanted.get(LIMIT, 0),
        )

    def judge(self, report: Report) -> None:
        """Compare the figures with what they must reach."""
        name = self._work.name
        for server, least in self._work.wanted.items():
            if server not in self._why:
                report.judge_least(f"{name}: against {server}", self._against(server), "×", at_least=least)
        if SHARP not in self._why:
            likeness_ratio = self._likeness[OURS] / self._likeness[SHARP]
            report.judge_least(f"{name}: SSIM against sharp's", [likeness_ratio], "×", at_least=1)
            size_ratio = self._bytes(OURS) / self._bytes(SHARP)
            report.judge_most(f"{name}: bytes against sharp's", [size_ratio], "×", at_most=1.05)

    def _against(self, name: str) -> list[float]:
        ours = [each.rate for each in self._slices[OURS]]
        theirs = self._limits if name == LIMIT else [each.rate for each in self._slices[name]]
        return [mine / rate for mine, rate in zip(ours, theirs, strict=True)]

    def _bytes(self, name: str) -> float:
        return statistics.fmean(len(picture.expected) for picture in self._pictures[name])


def _our_request(work: Work, file: Path) -> Request:
    query = {"ops": work.pipeline, "format": work.format, **work.quality_facts}
    return posted(f"/pipeline?{urlencode(query)}", file.read_bytes())


def _line(error: Exception) -> str:
    """The last line that says something."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)])[-1][:200]
