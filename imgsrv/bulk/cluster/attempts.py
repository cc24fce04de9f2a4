"""Pictures on their way through a cluster: how often each was begun, and when that is enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from imgsrv.bulk.cluster.nodes import Node
from imgsrv.bulk.places import remove_part
from imgsrv.bulk.work import Conversion, Outcome

MOST_LOSSES, MOST_DEATHS = 20, 3
"""How often a picture is begun again after nodes were lost, and how often it may end the process that converts it."""

TASK_S, MOST_AT_ONCE = 0.5, 64
"""A task has as many pictures as take this long, at most so many: handing over a task costs some milliseconds."""


@dataclass(slots=True)
class Begun:
    """A picture that is to be done or is being done.

    lost: names of the nodes that had it and were lost.  deaths: processes that ended while they had it.
    mark: of its temporary file, of this attempt.
    """

    conversion: Conversion
    lost: list[str] = field(default_factory=list)
    deaths: int = 0
    mark: str = ""

    @property
    def is_again(self) -> bool:
        """It was lost before, and is then alone in its task: what ended a process may have been another picture."""
        return bool(self.lost) or self.deaths > 0

    def remove_part(self) -> None:
        """Delete the temporary file of this attempt.  A process that still lives, cut off, cannot finish without it."""
        remove_part(self.conversion.target, self.mark)

    def ends_with(self, outcome: Outcome) -> Outcome:
        """The outcome of this picture; the paths of a node are those from the root."""
        return replace(outcome, conversion=self.conversion, lost=" ".join(self.lost))

    def died(self) -> Outcome | None:
        """Count the end of a process; gives the outcome of a picture that has ended too many, None for another try."""
        self.deaths += 1
        error = f"the process that converted it died {self.deaths} times"
        return self._failed(error, may_try=self.deaths < MOST_DEATHS)

    def was_lost(self, node: Node, how: str) -> Outcome | None:
        """Count the loss of a node; gives the outcome of a picture that has lost too many, None for another try."""
        self.lost.append(node.name)
        error = f"the nodes that converted it were lost {len(self.lost)} times ({how})"
        return self._failed(error, may_try=len(self.lost) < MOST_LOSSES)

    def _failed(self, error: str, *, may_try: bool) -> Outcome | None:
        self.remove_part()
        return None if may_try else self.ends_with(Outcome(self.conversion, error=error))


@dataclass(frozen=True, slots=True)
class Task:
    """Pictures that a node was given at once."""

    batch: Sequence[Begun]
    node: Node

    def ended(self, give: Callable[[Begun], Outcome | None]) -> list[Outcome | None]:
        """Something for each picture of it; None for one that is to be begun again."""
        return [give(one) for one in self.batch]


class Waiting:
    """The pictures that are to be begun, and how long one takes."""

    def __init__(self, conversions: Sequence[Conversion]) -> None:
        self._all = deque(Begun(one) for one in conversions)
        self.picture_s = TASK_S

    def __bool__(self) -> bool:
        return bool(self._all)

    def again(self, one: Begun) -> None:
        """Begin this picture again, before all others."""
        self._all.appendleft(one)

    def learn(self, outcome: Outcome) -> None:
        """Note how long a picture took."""
        self.picture_s += (outcome.seconds - self.picture_s) / 10

    def batch(self, places: int) -> list[Begun]:
        """Take the pictures of the next task: several if they are quick, and not so many that other cores have none."""
        found = [self._all.popleft()]
        quick = int(TASK_S / max(self.picture_s, TASK_S / MOST_AT_ONCE))
        most = min(MOST_AT_ONCE, quick, len(self._all) // max(places, 1))
        while not found[0].is_again and len(found) < most and not self._all[0].is_again:
            found.append(self._all.popleft())
        return found
