"""The model of docs/scaling.md agrees with what queueing theory knows exactly."""

from __future__ import annotations

import numpy as np
import pytest
from model.machines import (
    Floats,
    Machine,
    erlang_c,
    least_connections,
    queue_in_the_balancer,
    round_robin,
    times_in_system,
    weighted_round_robin,
)

COUNT = 60_000


def drawn(engines: int, load: float, seed: int = 3) -> tuple[Floats, Floats]:
    """Arrivals at random moments, and exponential service times with the mean 1."""
    dice = np.random.default_rng(seed)
    return np.cumsum(dice.exponential(1 / (load * engines), COUNT)), dice.exponential(1, COUNT)


def test_one_engine_has_the_mean_time_of_m_m_1() -> None:
    times = times_in_system([Machine(1)], round_robin(), *drawn(1, 0.5))
    assert times.mean() == pytest.approx(1 / (1 - 0.5), rel=0.05)


@pytest.mark.parametrize(("engines", "load"), [(2, 0.5), (4, 0.8)])
def test_engines_with_one_queue_have_the_mean_time_of_m_m_c(engines: int, load: float) -> None:
    times = times_in_system([Machine(engines)], round_robin(), *drawn(engines, load))
    waits = erlang_c(engines, load * engines) / (engines * (1 - load))
    assert times.mean() == pytest.approx(1 + waits, rel=0.05)


def test_erlang_c_is_that_of_the_tables() -> None:
    # Cooper, Introduction to Queueing Theory (1981): 2 servers with 1 erlang wait with probability 1/3.
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(1, 0.7) == pytest.approx(0.7)


def test_a_queue_in_the_balancer_is_one_queue_for_all_engines() -> None:
    arrivals, services = drawn(4, 0.8)
    one = times_in_system([Machine(4)], round_robin(), arrivals, services)
    kept = times_in_system([Machine(1), Machine(2), Machine(1)], queue_in_the_balancer(0), arrivals, services)
    assert np.sort(kept) == pytest.approx(np.sort(one))


def test_nothing_is_lost_by_any_way_of_choosing() -> None:
    arrivals, services = drawn(4, 0.8)
    machines = [Machine(1), Machine(2), Machine(1)]
    for policy in (least_connections(np.random.default_rng(1)), weighted_round_robin(machines)):
        times = times_in_system([Machine(1), Machine(2), Machine(1)], policy, arrivals, services)
        assert len(times) == COUNT
        assert times.min() > 0


def test_in_turn_by_engines_gives_each_machine_its_share() -> None:
    machines = [Machine(1), Machine(2), Machine(1)]
    choose = weighted_round_robin(machines)
    assert [choose(0.0, machines) for _ in range(8)] == [1, 0, 2, 1, 1, 0, 2, 1]
