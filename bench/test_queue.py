"""What does the one queue gain with few connections, and what does it cost when every engine is busy?

Few connections: with a queue for each worker, the kernel's choice of a worker for each connection decides how many
engines work at all.  With one queue the choice must not matter.  Many connections: the way through the exchange is
longer than a queue inside one process, and must not be slower by more than a few percent.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pace import Pace
from PIL import Image
from report import Report
from serving import Server, serving, wait_until

from imgsrv.loadtest.closed_loop import Crowd, always, crowd
from imgsrv.loadtest.conversation import Request, posted

PATH = "/resize?width=720&height=588&fit=fill"
SMALL_PATH = "/resize?width=160&height=130&fit=fill"
SMALL_SIZE = (320, 261)
"""Of a picture of 20 KB."""

MANY = 8
STARTS, SEPARATE_PAIRS, ROUNDS = 20, 8, 5

SLICES, SLICE_S = 3, 0.4
"""Of each kind, in turn: a change of the machine's speed meets both."""

CONTROLS = 10
"""How much of the worst start is the measuring: the same of as many connections as are open, which are all alike."""

SATURATED_S, WARM_UP_S = 1.5, 0.2

LEAST_EACH, BALANCE_TRIES = 3, 100

SEPARATE = [sys.executable, str(Path(__file__).parent / "support" / "separate.py")]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("workers", [2, 4])
def test_as_many_connections_as_workers(street: bytes, report: Report, pace: Pace, workers: int) -> None:
    picture = posted(PATH, street)
    shares = []
    for _ in range(pace.rounds(STARTS)):
        with serving(*_flags(workers)) as server, crowd(server.port, MANY) as many:
            shares.append(_share_of_many(server, many, workers, picture, pace))
    question = f"{workers} workers: {workers} connections, throughput against {MANY}"
    report.judge_least(f"{question}, worst of {len(shares)} starts", shares, "×", min(shares), at_least=0.9)
    report.note(f"{question}, median start", shares, "×")


@pytest.mark.timeout(120)
def test_two_connections_without_the_exchange(street: bytes, report: Report, pace: Pace) -> None:
    # Only with as many workers as cores: with more, few engines are enough to keep all cores busy.
    picture = posted(PATH, street)
    with serving(*_flags(2), program=SEPARATE) as server, _balanced(server) as many:
        shares = [_share_of_many(server, many, 2, picture, pace) for _ in range(pace.rounds(SEPARATE_PAIRS))]
    question = f"the same with a queue for each worker, 2 workers, worst of {len(shares)} pairs of connections"
    report.note(question, shares, "×", min(shares))


@pytest.mark.timeout(120)
def test_as_many_connections_as_are_open(street: bytes, report: Report, pace: Pace) -> None:
    picture = posted(PATH, street)
    with serving(*_flags(2)) as server, crowd(server.port, MANY) as many:
        shares = [_share_of_many(server, many, MANY, picture, pace) for _ in range(pace.rounds(CONTROLS))]
    report.note(
        f"for comparison: {MANY} connections against {MANY} others, worst of {len(shares)}", shares, "×", min(shares)
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("size", ["0.8 MB", "20 KB"])
def test_many_connections_against_no_exchange(street: bytes, report: Report, pace: Pace, size: str) -> None:
    picture = posted(PATH, street) if size == "0.8 MB" else posted(SMALL_PATH, _reduced(street))
    ratios, rates = [], []
    with serving(*_flags(2)) as ours, serving(*_flags(2), program=SEPARATE) as separate:
        for number in range(pace.rounds(ROUNDS)):
            with _balanced(ours) as our_many, _balanced(separate) as separate_many:
                in_turn = (our_many, separate_many) if number % 2 else (separate_many, our_many)
                found = {
                    many: many.load(always(picture), pace.seconds(SATURATED_S), least=1).checked() for many in in_turn
                }
                ratios.append(found[our_many].rate / found[separate_many].rate)
                rates.append(found[our_many].rate)
    report.judge_least(f"{MANY} connections, {size}, throughput against no exchange", ratios, "×", at_least=0.97)
    report.note("in the same run: pictures a second", rates, "/s")


def _share_of_many(server: Server, many: Crowd, few: int, picture: Request, pace: Pace) -> float:
    """The throughput of `few` fresh connections, as a share of that of `many` that are open."""
    choose = always(picture)
    rates: tuple[list[float], list[float]] = [], []
    with crowd(server.port, few) as fresh:
        many.load(choose, WARM_UP_S)
        for number in range(pace.rounds(SLICES)):
            # Back and forth rather than round and round: a machine that slows down steadily favours neither.
            for which in (0, 1) if number % 2 else (1, 0):
                rates[which].append((fresh, many)[which].load(choose, SLICE_S, least=1).checked().rate)
    return statistics.fmean(rates[0]) / statistics.fmean(rates[1])


def _flags(workers: int) -> tuple[str, ...]:
    return "--workers", str(workers), "--no-access-log"


@contextlib.contextmanager
def _balanced(server: Server) -> Iterator[Crowd]:
    """Connections of which every worker has at least three, so that none runs dry whatever the queue is like."""
    for _ in range(BALANCE_TRIES):
        with crowd(server.port, MANY) as many:
            wait_until(lambda: sum(_connections(server)) == MANY, "every connection has its worker")
            if min(_connections(server)) >= LEAST_EACH:
                yield many
                return
    raise AssertionError(f"no even distribution of {MANY} connections in {BALANCE_TRIES} tries")


def _connections(server: Server) -> list[int]:
    """Count the clients of each worker."""
    return [
        sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == server.port
            for each in psutil.Process(pid).net_connections("tcp")
        )
        for pid in server.workers()
    ]


def _reduced(picture: bytes) -> bytes:
    """The picture as one of about 20 KB."""
    result = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.resize(SMALL_SIZE, Image.Resampling.LANCZOS).save(result, "JPEG", quality=85)
    return result.getvalue()
