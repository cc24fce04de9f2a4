"""The jobs that the workers are working on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from imgsrv.pool.child import Child


@dataclass(frozen=True, slots=True)
class AtWork:
    """A running job.  request_id: empty in the first microseconds, when its plan is not in the crash box yet."""

    child: Child
    began_us: int
    request_id: str

    def __str__(self) -> str:
        return f"slot {self.child.slot.index} (request {self.request_id})"


def at_work(children: Iterable[Child], facts: Callable[[bytes], dict[str, Any]]) -> list[AtWork]:
    """Return the jobs that run now.  facts: returns what of a plan is for the log."""
    return [
        AtWork(child, began_us, str(child.box.facts(facts).get("request_id", "")))
        for child in children
        if (began_us := child.job_began_us())
    ]
