"""The counts since the start over all workers, dead ones too, for `status`, `monit` and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imgsrv.errors import CODES
from imgsrv.observe.answers import PICTURE_FIELDS
from imgsrv.observe.fields import BUCKETS_S, CACHE_COUNTS, REPLACED_FOR, SOURCE_COUNTS, SOURCES
from imgsrv.observe.scoreboard import Board

TOTALS = ("requests", "jobs_done", "jobs_skipped", "bytes_in", "bytes_out")

PERCENTILES = (50, 90, 99)


def totals_of(board: Board) -> dict[str, Any]:
    """Return the counts; of errors, replacements and the cache only those that are not 0."""
    errors = {code: count for code in CODES if (count := board.total(f"error_{code}"))}
    restarts = {reason: count for reason in REPLACED_FOR if (count := board.total(f"replaced_{reason}"))}
    deaths = board.total("deaths")
    return {
        **{field: board.total(field) for field in TOTALS},
        "errors": errors,
        "restarts": restarts | ({"death": deaths} if deaths else {}),
        "cache": {name: count for name in CACHE_COUNTS if (count := board.total(f"cache_{name}"))},
    }


def sources_of(board: Board) -> dict[str, dict[str, int]]:
    """Return what is counted of each kind of source that was ever asked; times in microseconds."""
    return {
        kind: {name: board.total(f"source_{kind}_{name}") for name in SOURCE_COUNTS}
        for kind in SOURCES
        if board.total(f"source_{kind}_asked")
    }


def pictures_of(board: Board) -> dict[str, int]:
    """Return how many pictures there were in each format that was ever given."""
    return {name: count for name, field in PICTURE_FIELDS.items() if (count := board.total(field))}


def latency_counts(board: Board) -> list[int]:
    """Return the number of requests in each bucket of BUCKETS_S, and in the last one without a bound."""
    return [board.total(f"bucket_{index}") for index in range(len(BUCKETS_S) + 1)]


def latency_of(board: Board) -> dict[str, float | None]:
    """Return percentiles of the time from a request's head to its answer, in seconds; None before the first request."""
    counts, most_s = latency_counts(board), round(slowest_s(board), 4)
    found = {f"p{percent}": quantile(counts, percent / 100) for percent in PERCENTILES}
    # Within its bucket, a quantile may lie above all that was seen.
    return {name: None if value is None else min(value, most_s) for name, value in found.items()}


def slowest_s(board: Board) -> float:
    """Return the time of the slowest request, in seconds; 0 before the first."""
    return max((row["slowest_us"] for row in board.rows()), default=0) * 1e-6


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return the latency that a share of the requests does not exceed, interpolated linearly within its bucket.

    counts: of each bucket.  The last bucket has no upper bound; its lower bound is returned.
    """
    rank, below = share * sum(counts), 0
    if not rank:
        return None
    for count, lower, upper in zip(counts, (0.0, *BUCKETS_S), (*BUCKETS_S, BUCKETS_S[-1]), strict=True):
        if count and below + count >= rank:
            return round(lower + (upper - lower) * (rank - below) / count, 4)
        below += count
    return BUCKETS_S[-1]
