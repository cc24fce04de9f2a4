"""A load test in phases: first as many pictures as come, then random arrivals at parts of that.

Each phase is bounded in time.  What it found is a value; showing it is somebody else's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imgsrv.errors import BadArgument
from imgsrv.loadtest.closed_loop import WARM_UP_S, Asked, crowd, in_turn
from imgsrv.loadtest.conversation import Answer, Picture
from imgsrv.loadtest.open_loop import Outcome, open_loop, percentile, planned, poisson_arrivals
from imgsrv.loadtest.target import Target

SEED = 1


@dataclass(frozen=True)
class Phase:
    """What a phase found so far.  asked_rate: of an open loop, requests a second; None where each follows an answer.

    cpu_share: of one core, spent by the load itself.  fault: the first answer that should not have come.
    """

    name: str
    seconds: float
    asked_rate: float | None = None
    elapsed_s: float = 0.0
    pictures: int = 0
    rate: float = 0.0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    most_ms: float = 0.0
    refused: int = 0
    faults: int = 0
    fault: str = ""
    cpu_share: float = 0.0


Show = Callable[[Phase], None]
"""Is given a phase again and again while it runs."""


def first_answer(target: Target, pictures: Sequence[Picture]) -> list[Answer]:
    """Ask for each picture once, so that it is known what answers have to be.  Raises BadArgument if that fails."""
    answers = []
    try:
        with crowd(target.port, 1, target.host) as one:
            for picture in pictures:
                found = one.load(in_turn([picture]), 0.0, least=1)
                if found.faults or not found.answers:
                    fault = found.faults[0] if found.faults else "503, it takes no work now"
                    raise BadArgument(f"{target.url} answers {fault}")
                answers.append(found.answers[0])
    except OSError as error:
        raise BadArgument(f"{target.url}: {error.strerror or error}; is the server started?") from error
    return answers


def closed_phase(target: Target, pictures: Sequence[Picture], connections: int, seconds: float, show: Show) -> Phase:
    """As many pictures as come over so many connections, each asking again when it is answered."""
    phase = Phase(f"closed, {connections} connection{'s' * (connections > 1)}", seconds)

    def watch(found: Sequence[Asked]) -> None:
        elapsed_s = found[-1].done_s - found[0].began_s if found else 0.0
        show(_seen(phase, found, elapsed_s))

    with crowd(target.port, connections, target.host) as many:
        found = many.load(in_turn(pictures), max(0.1, seconds - WARM_UP_S), watch)
    faults = replace(phase, refused=found.refused, faults=len(found.faults), fault="".join(found.faults[:1]))
    ended = _timed(faults, found.latencies_s, seconds)
    ended = replace(ended, rate=found.rate, cpu_share=found.cpu_share)
    show(ended)
    return ended


def open_phase(
    target: Target, pictures: Sequence[Picture], rate: float, seconds: float, name: str, show: Show
) -> Phase:
    """Random arrivals, so many a second, whatever became of those before; latency counts from the planned moment."""
    phase = Phase(name, seconds, rate)
    plans = planned(poisson_arrivals(rate, seconds, SEED), in_turn(pictures))

    def watch(found: Sequence[Outcome]) -> None:
        show(_seen(phase, found, max((outcome.done_s for outcome in found), default=0.0)))

    try:
        storm = open_loop(target.port, plans, target.host, watch)
    except OSError as error:
        raise BadArgument(f"{target.url} went away: {error.strerror or error}") from error
    in_time = [outcome for outcome in storm.pictures if outcome.done_s <= seconds]
    seen = _seen(phase, storm.outcomes, seconds)
    ended = replace(seen, rate=len(in_time) / seconds, cpu_share=storm.cpu_share)
    show(ended)
    return ended


def _seen(phase: Phase, found: Sequence[Asked] | Sequence[Outcome], elapsed_s: float) -> Phase:
    """The phase with what has come of it."""
    faults = [each.answer.fault for each in found if each.answer.fault]
    counted = replace(
        phase,
        refused=sum(each.answer.is_refusal for each in found),
        faults=len(faults),
        fault="".join(faults[:1]),
    )
    return _timed(counted, [each.latency_s for each in found if each.answer.is_picture], elapsed_s)


def _timed(phase: Phase, latencies_s: Sequence[float], elapsed_s: float) -> Phase:
    if not latencies_s:
        return replace(phase, elapsed_s=elapsed_s)
    return replace(
        phase,
        elapsed_s=elapsed_s,
        pictures=len(latencies_s),
        rate=len(latencies_s) / elapsed_s if elapsed_s else 0.0,
        p50_ms=1000 * percentile(latencies_s, 50),
        p90_ms=1000 * percentile(latencies_s, 90),
        p99_ms=1000 * percentile(latencies_s, 99),
        most_ms=1000 * max(latencies_s),
    )
