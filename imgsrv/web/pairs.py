"""The bound on the parameters of one query, which holds before anything of the query is read."""

from __future__ import annotations

from imgsrv.errors import UnusableParameters

MOST_PAIRS = 128
"""Every operation and output together have fewer names that can stand in one."""


def check_count(query: str) -> None:
    """Raise UnusableParameters for a query of too many parameters."""
    if (count := query.count("&") + 1) > MOST_PAIRS:
        raise UnusableParameters("the query", f"it has {count} parameters and may have {MOST_PAIRS}")
