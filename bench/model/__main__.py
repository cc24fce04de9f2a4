"""Print the tables of docs/scaling.md: several machines behind a balancer, in a model.

    PYTHONPATH=bench python -m model            # all tables, about a minute
    PYTHONPATH=bench python -m model --quick    # a tenth of the requests

Nothing is measured here.  Service times are drawn from a log-normal distribution with the mean 1 and the spread that
the photographs of bench/test_latency.py have (SPREAD), so that times are in units of a mean picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from model.machines import (
    Floats,
    Machine,
    Policy,
    at_random,
    by_agent,
    erlang_c,
    least_connections,
    queue_in_the_balancer,
    round_robin,
    times_in_system,
    two_choices,
    weighted_round_robin,
)

SPREAD = 0.8
"""Standard deviation of the service time over its mean: 0.8 for photographs from 0.3 to 2 megabytes."""

LOAD = 0.8

REQUESTS = 200_000

SEED = 20

LONGEST_WAIT = 200.0
"""`max_wait_s` of 10 s in pictures of 50 ms."""

CLUSTERS = {"1 + 2 + 1": (1, 2, 1), "4 + 8 + 4": (4, 8, 4), "10 of 8": (8,) * 10, "100 of 8": (8,) * 100}

Make = Callable[[Sequence[Machine], np.random.Generator], Policy]

POLICIES: dict[str, Make] = {
    "one queue in the balancer": lambda _machines, _dice: queue_in_the_balancer(0),
    "one queue, one more sent ahead": lambda _machines, _dice: queue_in_the_balancer(1),
    "fewest requests for each engine": lambda _machines, dice: least_connections(dice),
    "the better of two drawn": lambda machines, dice: two_choices(dice, machines),
    "in turn, by engines": lambda machines, _dice: weighted_round_robin(machines),
    "at random, by what agents say": lambda _machines, dice: by_agent(dice, LONGEST_WAIT),
    "at random, by engines": lambda machines, dice: at_random(dice, machines),
    "in turn, all alike": lambda _machines, _dice: round_robin(),
}

ONE_QUEUE = POLICIES["in turn, all alike"]
"""With one machine there is nothing to choose."""


def main() -> None:
    """Print every table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m model", description="Model machines behind a balancer.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random numbers (%(default)s)")
    given = parser.parse_args()
    count = REQUESTS // 10 if given.quick else REQUESTS
    for table in (_policies, _many, _headroom):
        print("\n".join(table(count, given.seed)), end="\n\n")


def _policies(count: int, seed: int) -> list[str]:
    """The 99th percentile of each policy over that of one queue for all engines, at LOAD."""
    rows = [f"| the balancer chooses | {' | '.join(CLUSTERS)} |", "| --- " * (1 + len(CLUSTERS)) + "|"]
    ideal = {
        name: _p99((sum(engines),), POLICIES["in turn, all alike"], count, seed) for name, engines in CLUSTERS.items()
    }
    for policy, make in POLICIES.items():
        ratios = [_p99(engines, make, count, seed) / ideal[name] for name, engines in CLUSTERS.items()]
        rows.append(f"| {policy} | {' | '.join(_ratio(each) for each in ratios)} |")
    return rows


def _many(count: int, seed: int) -> list[str]:
    """The same up to 1,000 machines of 4 engines."""
    sizes = (1, 10, 100, 1000)
    chosen = (
        "fewest requests for each engine",
        "the better of two drawn",
        "in turn, by engines",
        "at random, by engines",
    )
    rows = [f"| machines of 4 engines | {' | '.join(chosen)} |", "| --- " * (1 + len(chosen)) + "|"]
    for size in sizes:
        times = [_p99((4,) * size, POLICIES[name], max(count // 4, 40 * size), seed) for name in chosen]
        rows.append(f"| {size} | {' | '.join(f'{each:.2f}' for each in times)} |")
    return rows


def _headroom(count: int, seed: int) -> list[str]:
    """The 99th percentile and the part that waits (M/M/c) by load, for engines with one queue."""
    loads = (0.5, 0.7, 0.8, 0.9, 0.95)
    rows = [
        f"| engines with one queue | {' | '.join(f'{load:.0%}' for load in loads)} |",
        "| --- " * (1 + len(loads)) + "|",
    ]
    for engines in (1, 2, 4, 8, 32):
        times = [_p99((engines,), ONE_QUEUE, count, seed, load) for load in loads]
        waits = [erlang_c(engines, load * engines) for load in loads]
        cells = [f"{time:.1f} ({wait:.0%})" for time, wait in zip(times, waits, strict=True)]
        rows.append(f"| {engines} | {' | '.join(cells)} |")
    return rows


def _p99(engines: Sequence[int], make: Make, count: int, seed: int, load: float = LOAD) -> float:
    """The 99th percentile of the time from arrival to answer, in mean service times."""
    dice = np.random.default_rng(seed)
    machines = [Machine(each) for each in engines]
    arrivals = np.cumsum(dice.exponential(1 / (load * sum(engines)), count))
    times = times_in_system(machines, make(machines, dice), arrivals, _services(count, dice))
    return float(np.percentile(times[count // 10 :], 99))


def _services(count: int, dice: np.random.Generator) -> Floats:
    """Log-normal times with the mean 1."""
    variance = np.log1p(SPREAD**2)
    return dice.lognormal(-variance / 2, np.sqrt(variance), count)


def _head(first: str, others: Iterable[str]) -> list[str]:
    """The first two lines of a table."""
    columns = [first, *others]
    return [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else "grows without end"


if __name__ == "__main__":
    main()
