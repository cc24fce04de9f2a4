"""Limits as text, and GCRA as a rule of numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from imgsrv.web.access.rates import NANOSECONDS, Limit, charge, parse_limit, standing, whole_seconds

SECOND = NANOSECONDS


def admitted(limit: Limit, times: list[int], cost: float = 1.0) -> list[bool]:
    """Which of the requests at these times pass, one after another."""
    full_at, passed = 0, []
    for now in times:
        after, wait = charge(full_at, now, cost, limit)
        passed.append(not wait)
        full_at = full_at if wait else after
    return passed


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param("100/minute", Limit(100, 60, 100), id="a-minute"),
        pytest.param("10/second,burst=50", Limit(10, 1, 50), id="with-a-burst"),
        pytest.param("0.5/hour", Limit(0.5, 3600, 0.5), id="less-than-one"),
        pytest.param("1/day,burst=2.5", Limit(1, 86_400, 2.5), id="half-a-unit"),
    ],
)
def test_a_limit_is_its_text_and_back(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit
    assert str(limit) == text


@pytest.mark.parametrize(
    "text",
    ["", "100", "100/week", "1e9/minute", "-1/minute", " 1/minute", "0/minute", "1/minute,burst=0", "1/day,burst=999"],
)
def test_a_text_that_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"rate such as|nothing through|more than a year"):
        parse_limit(text)


def test_exactly_the_burst_passes_at_once() -> None:
    assert admitted(parse_limit("100/minute"), [5] * 300) == [True] * 100 + [False] * 200


def test_after_the_burst_one_passes_in_each_interval() -> None:
    passed = admitted(parse_limit("60/minute,burst=1"), [quarter * SECOND // 4 for quarter in range(40)])
    assert passed == [True, False, False, False] * 10


def test_what_is_left_the_time_until_full_and_the_wait_are_told() -> None:
    limit = parse_limit("10/second,burst=5")
    after, wait = charge(0, SECOND, 3, limit)
    assert (standing(after, SECOND, wait, limit).left, wait) == (2, 0)
    assert standing(after, SECOND, wait, limit).full_s == pytest.approx(0.3)
    _after, wait = charge(after, SECOND, 4, limit)
    assert standing(after, SECOND, wait, limit).wait_s == pytest.approx(0.2)


def test_a_cost_above_the_burst_passes_when_the_allowance_is_full_and_is_paid_for() -> None:
    limit = parse_limit("10/minute")
    assert charge(0, SECOND, 25, limit) == (SECOND + 150 * SECOND, 0)
    assert charge(SECOND + 1, SECOND, 25, limit)[1] == 1


def test_a_moment_that_no_charge_could_reach_is_not_believed() -> None:
    assert charge(2**64 - 1, SECOND, 1, parse_limit("1/second")) == (2 * SECOND, 0)


@given(
    some.integers(1, 50),
    some.sampled_from([1, 60, 3600]),
    some.integers(1, 60),
    some.lists(some.integers(0, 90 * SECOND), min_size=1, max_size=80),
)
def test_no_window_lets_more_through_than_burst_and_rate(
    amount: int, period_s: int, burst: int, gaps: list[int]
) -> None:
    """Against the definition of a leaky bucket, in exact fractions: at most burst + rate × time, in every window."""
    limit = Limit(amount, period_s, burst)
    times, now = [], 0
    for gap in gaps:
        now += gap // len(gaps)
        times.append(now)
    passed = [time for time, is_in in zip(times, admitted(limit, times), strict=True) if is_in]
    rate = Fraction(1, limit.unit_ns)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * rate


@given(some.integers(1, 20), some.integers(1, 20))
def test_a_request_that_waits_as_long_as_it_is_told_passes(amount: int, burst: int) -> None:
    limit = Limit(amount, 1, burst)
    full_at = 0
    for _ in range(burst):
        full_at, _wait = charge(full_at, SECOND, 1, limit)
    _after, wait = charge(full_at, SECOND, 1, limit)
    assert wait > 0
    assert charge(full_at, SECOND + wait, 1, limit)[1] == 0
    assert charge(full_at, SECOND + wait - 1, 1, limit)[1] == 1


def test_retry_after_is_never_too_early() -> None:
    assert [whole_seconds(seconds) for seconds in (0.0, 0.2, 1.0, 1.1)] == [1, 1, 1, 2]
