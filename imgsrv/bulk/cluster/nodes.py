"""The nodes of a cluster as the command knows them: which live, how much each is given, and which have fallen silent.

A node that is cut off while its connections stay open looks like a slow one.  So a node from which nothing has come for
much longer than a picture takes is asked, and one that does not answer gets nothing until it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PER_CORE = 2
"""Tasks that a node has for each core: one waits there, so that the core does not."""

SIZE_S = 5.0
"""Time between two questions for the nodes of the cluster, and between two to a node that has not answered."""

DOUBT_S, PICTURES = 10.0, 5
"""A node is asked when nothing has come from it for so long, and for as long as so many pictures take."""

SILENT_S = 20.0
"""A node that has not answered for so long is silent.  An answer takes a new process there, while all cores work."""


@dataclass(slots=True, eq=False)
class Node:
    """A node with cores.

    name: its address and the beginning of its identity.  held: tasks that it has.  heard: when something last came from
    it, or it got a task after it had none.  is_known: something has come from it, so that it is worth a queue.
    asked: since when it is in doubt; None if it is not.  sent: when it was last asked.  is_asked: that question has no
    end yet.  slow: how often in a row it was in doubt and answered; then it is asked less often.
    """

    identity: str
    name: str
    cores: int
    heard: float
    held: int = 0
    is_known: bool = False
    asked: float | None = None
    sent: float = float("-inf")
    is_asked: bool = False
    slow: int = 0

    @property
    def places(self) -> int:
        """How many tasks it may have at a time: none while it is in doubt."""
        if self.asked is not None:
            return 0
        return self.cores * PER_CORE if self.is_known else self.cores


class Nodes:
    """All nodes with cores.  listed: asks the cluster, as `ray.nodes` does."""

    def __init__(
        self, listed: Callable[[], Iterable[Mapping[str, Any]]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listed, self._clock = listed, clock
        self._looked = float("-inf")
        self._nodes: dict[str, Node] = {}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def places(self) -> int:
        """How many tasks all of them may have at a time."""
        return sum(node.places for node in self)

    def look(self) -> list[Node] | None:
        """Ask which nodes there are, if that is long ago; gives those that are gone, and None if nobody was asked."""
        now = self._clock()
        if now - self._looked < SIZE_S:
            return None
        self._looked = now
        alive = {
            each["NodeID"]: each for each in self._listed() if each["Alive"] and each["Resources"].get("CPU", 0) >= 1
        }
        gone = [self._nodes.pop(identity) for identity in [*self._nodes] if identity not in alive]
        for identity, each in alive.items():
            if identity not in self._nodes:
                name = f"{each['NodeManagerAddress']}/{identity[:8]}"
                self._nodes[identity] = Node(identity, name, int(each["Resources"]["CPU"]), now)
        return gone

    def free(self) -> Node | None:
        """The node that has the fewest tasks for its cores, if any may have one more."""
        return min(
            (node for node in self if node.held < node.places), key=lambda node: node.held / node.cores, default=None
        )

    def give(self, node: Node) -> None:
        """Count a task that a node is given."""
        if not node.held:
            node.heard = self._clock()
        node.held += 1

    def hear(self, node: Node) -> None:
        """Note that the outcomes of a task came from a node."""
        node.heard, node.asked, node.is_known, node.slow = self._clock(), None, True, 0

    def doubt(self, node: Node) -> None:
        """Give a node no task until it has answered: one of its tasks was lost, or Ray has begun it elsewhere."""
        if node.asked is None:
            node.asked = self._clock()

    def ask(self, node: Node) -> None:
        """Note that a node is asked."""
        self.doubt(node)
        node.sent, node.is_asked = self._clock(), True

    def answer(self, node: Node, *, is_lost: bool) -> None:
        """Note that a question has ended: with the answer of the node, or without one."""
        node.is_asked = False
        if not is_lost and node.asked is not None:
            node.heard, node.asked, node.slow = self._clock(), None, node.slow + 1

    def to_ask(self, picture_s: float) -> list[Node]:
        """The nodes that are to be asked now whether they live.  picture_s: how long a picture takes."""
        now = self._clock()
        patience_s = max(DOUBT_S, PICTURES * picture_s)
        for node in self:
            if node.held and now - node.heard >= patience_s * 2**node.slow:
                self.doubt(node)
        return [node for node in self if node.asked is not None and not node.is_asked and now - node.sent >= SIZE_S]

    def fallen_silent(self) -> list[tuple[Node, float]]:
        """The nodes that have tasks and have not answered in time, and the seconds since something came from them."""
        now = self._clock()
        found = [node for node in self if node.held and node.asked is not None and now - node.asked >= SILENT_S]
        for node in found:
            node.is_known = False
        return [(node, now - node.heard) for node in found]
