"""Limits in the way of a request: charge it, say so in the answer, and go on without the store if need be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from imgsrv.errors import LimitsUnavailable, RateLimited, TooManyRequests, WorkLimited
from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.web.access.rates import Limit, Standing, whole_seconds
from imgsrv.web.access.stores.store import Charge, Store, StoreDown
from imgsrv.web.state import RequestState

RETRY_AFTER_S = 5
"""Seconds after which a client may ask again when the store is down."""

Charges = tuple[list[Charge], list[Charge]]
"""What a request costs at once, and the allowances from which its work is taken later."""


class Limiter:
    """Charges requests and their work.  store: None if there is no limit.  refuses: nobody is served without it."""

    def __init__(self, store: Store | None, row: Row, log: Logger, *, refuses: bool = False) -> None:
        self._store, self._row, self._log, self._refuses = store, row, log, refuses
        self._is_down = False

    async def admit(self, state: RequestState, charges: Charges) -> None:
        """Charge a request.  Raises RateLimited, LimitsUnavailable."""
        now, state.work = charges
        if not now or (standings := await self._taken(now)) is None:
            return
        _announce(state, now, standings)
        if not all(standing.is_admitted for standing in standings):
            raise _refused(now, standings)

    async def admit_work(self, state: RequestState, seconds: float) -> None:
        """Charge the predicted seconds of an engine.  Raises WorkLimited, LimitsUnavailable."""
        if not state.work:
            return
        state.charged_s = 0.0
        charges = _costing(state.work, seconds)
        if (standings := await self._taken(charges)) is None:
            return
        _announce(state, charges, standings)
        if not all(standing.is_admitted for standing in standings):
            raise _refused(charges, standings, seconds)
        state.charged_s = seconds

    async def admit_fetch(self, state: RequestState, seconds: float) -> None:
        """Charge what a question to another server costs, beside the job.  Raises WorkLimited, LimitsUnavailable."""
        if not state.work:
            return
        charges = _costing(state.work, seconds)
        standings = await self._taken(charges)
        if standings is not None and not all(standing.is_admitted for standing in standings):
            _announce(state, charges, standings)
            raise _refused(charges, standings, seconds)

    async def charge_fetched(self, state: RequestState, seconds: float) -> None:
        """Charge what was fetched.  It is here already, so nothing is refused for it but the next."""
        if state.work and seconds > 0 and self._store is not None:
            try:
                await self._store.correct(_costing(state.work, seconds))
            except StoreDown as error:
                self._down(error)

    async def settle_work(self, state: RequestState, seconds: float) -> None:
        """Charge the true seconds in place of the predicted ones; 0 for a job that was never begun."""
        if not state.work or seconds == state.charged_s or self._store is None:
            return
        try:
            await self._store.correct(_costing(state.work, seconds - state.charged_s))
        except StoreDown as error:
            self._down(error)
        state.charged_s = seconds

    async def close(self) -> None:
        """Give up the connections of the store."""
        if self._store is not None:
            await self._store.close()

    async def _taken(self, charges: Sequence[Charge]) -> list[Standing] | None:
        """What the store says; None if it is down and requests are served all the same.  Raises LimitsUnavailable."""
        if self._store is None:
            return None
        try:
            standings = await self._store.take(charges)
        except StoreDown as error:
            self._down(error)
            if self._refuses:
                raise LimitsUnavailable("the store of the limits does not answer", RETRY_AFTER_S) from error
            return None
        if self._is_down:
            self._is_down = False
            self._log.info("limit_store_back")
        return standings

    def _down(self, error: StoreDown) -> None:
        self._row.add("limit_store_failures")
        if not self._is_down:
            self._is_down = True
            self._log.warning("limit_store_down", reason=str(error), served="no" if self._refuses else "yes")


def _costing(charges: Sequence[Charge], seconds: float) -> list[Charge]:
    return [Charge(each.policy, each.holder, each.limit, seconds) for each in charges]


def _announce(state: RequestState, charges: Sequence[Charge], standings: Sequence[Standing]) -> None:
    """Say in the answer what is allowed and what is left (draft-ietf-httpapi-ratelimit-headers-10)."""
    policies = ", ".join(_policy(each.policy, each.limit) for each in charges)
    left = ", ".join(
        f'"{each.policy}";r={found.left};t={whole_seconds(found.full_s)}'
        for each, found in zip(charges, standings, strict=True)
    )
    state.headers += [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]


@lru_cache(maxsize=1024)
def _policy(name: str, limit: Limit) -> str:
    """One policy: quota and window; the burst where it is another number, which the draft has no parameter for."""
    burst = "" if limit.burst == limit.amount else f";burst={limit.burst:g}"
    unit = ';qu="engine-seconds"' if name.endswith("-work") else ""
    return f'"{name}";q={math.ceil(limit.amount)};w={limit.period_s}{burst}{unit}'


def _refused(
    charges: Sequence[Charge], standings: Sequence[Standing], needed_s: float | None = None
) -> TooManyRequests:
    """The error of the limit that is reached for longest."""
    wait_s, each = max(
        ((found.wait_s, each) for each, found in zip(charges, standings, strict=True)), key=lambda pair: pair[0]
    )
    facts = (each.policy, str(each.limit), whole_seconds(wait_s))
    return RateLimited(*facts) if needed_s is None else WorkLimited(*facts, needed_s)
