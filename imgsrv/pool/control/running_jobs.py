"""What the workers are at: the job of each, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from imgsrv.pool.child import Child


@dataclass(frozen=True, slots=True)
class AtWork:
    """A job at hand.  request_id: empty in the first microseconds of a job, when its plan is not in the box yet."""

    child: Child
    began_us: int
    request_id: str

    def __str__(self) -> str:
        return f"slot {self.child.slot.index} (request {self.request_id})"


def at_work(children: Iterable[Child], facts: Callable[[bytes], dict[str, Any]]) -> list[AtWork]:
    """The jobs that are worked on now.  facts: what a plan says of its job."""
    return [
        AtWork(child, began_us, str(facts(plan).get("request_id", "")) if (plan := child.box.plan()) else "")
        for child in children
        if (began_us := child.job_began_us())
    ]
