"""When requests come, and what is said about how long they took.  No I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def poisson_arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests of a Poisson process of `rate` per second come, in seconds from its start."""
    generator = random.Random(seed)  # noqa: S311  no secret
    arrivals: list[float] = []
    at = generator.expovariate(rate)
    while at < seconds:
        arrivals.append(at)
        at += generator.expovariate(rate)
    return arrivals


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]
