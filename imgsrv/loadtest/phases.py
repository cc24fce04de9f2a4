"""A load test in phases: first a closed loop for the highest rate, then open loops at percentages of that rate.

Each phase has a limited time.  It gives its results as a value, and the caller shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imgsrv.errors import BadArgument
from imgsrv.loadtest.closed_loop import WARM_UP_S, Asked, crowd, in_turn
from imgsrv.loadtest.conversation import Answer, Request
from imgsrv.loadtest.open_loop import Outcome, open_loop, percentile, planned, poisson_arrivals
from imgsrv.loadtest.target import Target

SEED = 1


@dataclass(frozen=True)
class Phase:
    """Results of a phase so far.  asked_rate: planned requests per second of an open loop; None for a closed loop.

    rate: pictures per second.  cpu_share: share of one core that the load itself used.  fault: the first wrong answer.
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
"""Called repeatedly with the phase while it runs."""


def first_answer(target: Target, requests: Sequence[Request]) -> list[Answer]:
    """Send each request once; its answer is what later answers must equal.  Raises BadArgument if that fails."""
    answers = []
    try:
        with crowd(target.port, 1, target.host) as one:
            for request in requests:
                found = one.load(in_turn([request]), 0.0, least=1)
                if found.faults or not found.answers:
                    fault = found.faults[0] if found.faults else "503: it accepts no work now"
                    raise BadArgument(f"{target.url} answers {fault}")
                answers.append(found.answers[0])
    except OSError as error:
        raise BadArgument(f"{target.url}: {error.strerror or error}; is the server running?") from error
    return answers


def closed_phase(target: Target, requests: Sequence[Request], connections: int, seconds: float, show: Show) -> Phase:
    """Run a closed loop on this number of connections; return its results."""
    phase = Phase(f"closed, {connections} connection{'s' * (connections > 1)}", seconds)

    def watch(found: Sequence[Asked]) -> None:
        elapsed_s = found[-1].done_s - found[0].began_s if found else 0.0
        show(_seen(phase, found, elapsed_s))

    with crowd(target.port, connections, target.host) as many:
        found = many.load(in_turn(requests), max(0.1, seconds - WARM_UP_S), watch)
    faults = replace(phase, refused=found.refused, faults=len(found.faults), fault="".join(found.faults[:1]))
    ended = _timed(faults, found.latencies_s, seconds)
    ended = replace(ended, rate=found.rate, cpu_share=found.cpu_share)
    show(ended)
    return ended


def open_phase(
    target: Target, requests: Sequence[Request], rate: float, seconds: float, name: str, show: Show
) -> Phase:
    """Run an open loop with random arrivals, `rate` per second; return its results.  Raises BadArgument."""
    phase = Phase(name, seconds, rate)
    plans = planned(poisson_arrivals(rate, seconds, SEED), in_turn(requests))

    def watch(found: Sequence[Outcome]) -> None:
        show(_seen(phase, found, max((outcome.done_s for outcome in found), default=0.0)))

    try:
        storm = open_loop(target.port, plans, target.host, watch)
    except OSError as error:
        raise BadArgument(f"{target.url} can no longer be reached: {error.strerror or error}") from error
    in_time = [outcome for outcome in storm.pictures if outcome.done_s <= seconds]
    seen = _seen(phase, storm.outcomes, seconds)
    ended = replace(seen, rate=len(in_time) / seconds, cpu_share=storm.cpu_share)
    show(ended)
    return ended


def _seen(phase: Phase, found: Sequence[Asked] | Sequence[Outcome], elapsed_s: float) -> Phase:
    """Return the phase with the results so far."""
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
