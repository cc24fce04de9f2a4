"""What a store of allowances does, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from imgsrv.web.access.rates import Limit, Standing


class StoreDown(Exception):
    """The store cannot say now whether a request is within its limit; the reason is the message."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A cost for one allowance.  policy: the name of the limit.  holder: whose allowance it is, one for each policy."""

    policy: str
    holder: str
    limit: Limit
    cost: float = 1.0

    @property
    def name(self) -> str:
        """The name of the allowance.  One with another limit is another allowance."""
        return f"{self.policy}|{self.limit}|{self.holder}"


class Store(Protocol):
    """Takes costs from allowances, for all workers at once."""

    async def take(self, charges: Sequence[Charge]) -> list[Standing]:
        """Charge all of these, or none of them if one is beyond its limit.  Raises StoreDown."""
        ...

    async def correct(self, charges: Sequence[Charge]) -> None:
        """Charge without asking, also less than nothing: the true cost is known now.  Raises StoreDown."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...
