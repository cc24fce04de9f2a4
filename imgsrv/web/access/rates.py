"""A limit as text and as numbers, and GCRA, the rule by which it is kept.  No I/O and no clock here.

GCRA (the generic cell rate algorithm of ITU-T I.371) keeps one time for each client: the moment at which its allowance
is full again.  A request moves that moment by its cost, and is refused if it would lie further ahead than the burst
allows.  So there is no window at whose border twice the rate passes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

from imgsrv.wording import RATE

PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

PATTERN = re.compile(RATE)

ALLOWED = "a rate such as 100/minute or 10/second,burst=50, by second, minute, hour or day, or empty"

NANOSECONDS = 1_000_000_000

LONGEST_S = 366 * 86_400
"""Longest time in which an allowance fills up."""


@dataclass(frozen=True)
class Limit:
    """So many units in a period, of which `burst` may come at once."""

    amount: float
    period_s: int
    burst: float

    @cached_property
    def unit_ns(self) -> int:
        """Time after which one more unit is allowed."""
        return max(1, round(self.period_s * NANOSECONDS / self.amount))

    @cached_property
    def window_ns(self) -> int:
        """Time in which the whole burst becomes allowed again."""
        return round(self.unit_ns * self.burst)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        period = next(name for name, seconds in PERIODS_S.items() if seconds == self.period_s)
        burst = "" if self.burst == self.amount else f",burst={self.burst:g}"
        return f"{self.amount:g}/{period}{burst}"


@dataclass(frozen=True, slots=True)
class Standing:
    """A client's allowance after a request.

    is_admitted: the request was within it.  left: units that may come now.  full_s: seconds until the whole burst is
    allowed again.  wait_s: seconds until a request like this one is admitted; 0 if it was.
    """

    is_admitted: bool
    left: int
    full_s: float
    wait_s: float


def parse_limit(text: str) -> Limit:
    """`100/minute` or `10/second,burst=50`.  Raises ValueError with what is allowed."""
    match = PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"it must be {ALLOWED}")
    amount, burst = float(match[1]), float(match[3] or match[1])
    if not amount or not burst:
        raise ValueError("a limit of 0 would let nothing through; leave it empty for no limit")
    limit = Limit(amount, PERIODS_S[match[2]], burst)
    if limit.window_ns > LONGEST_S * NANOSECONDS:
        raise ValueError("its burst would take more than a year to fill up; choose a smaller burst or a higher rate")
    return limit


def charge(full_at: int, now: int, cost: float, limit: Limit) -> tuple[int, int]:
    """Charge a cost to an allowance: when it is full then, and the time to wait before it can be; 0 if it is admitted.

    full_at, now, and the answer: in nanoseconds of one clock.  full_at: 0 for a new client.  A cost that is larger than
    the burst is admitted when the allowance is full, else it never would be.
    """
    # A moment further ahead than any charge can move it was not written by this rule.
    begin = now if full_at > now + max(limit.window_ns, LONGEST_S * NANOSECONDS) else max(full_at, now)
    after = begin + round(cost * limit.unit_ns)
    wait = begin + round(min(cost, limit.burst) * limit.unit_ns) - now - limit.window_ns
    return after, max(0, wait)


def standing(full_at: int, now: int, wait: int, limit: Limit) -> Standing:
    """What the answer says of an allowance that is full at that moment.  wait: of `charge`, in nanoseconds."""
    ahead = max(0, full_at - now)
    left = max(0, limit.window_ns - ahead) // limit.unit_ns
    return Standing(wait == 0, left, ahead / NANOSECONDS, wait / NANOSECONDS)


def whole_seconds(seconds: float) -> int:
    """Rounded up, and at least 1, as `Retry-After` needs it."""
    return max(1, math.ceil(seconds))
