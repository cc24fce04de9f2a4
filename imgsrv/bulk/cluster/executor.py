"""One run on the nodes of a cluster: who is given what, and what becomes of it.

Each task belongs to one node.  What a node has when it is lost or falls silent is begun elsewhere, and whatever still
comes of it is dropped: results are written whole, and equal pictures give equal bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from imgsrv.bulk.cluster import on_node
from imgsrv.bulk.cluster.asking import VERSIONS, Elsewhere, checked, travelling
from imgsrv.bulk.cluster.attempts import Begun, Task, Waiting
from imgsrv.bulk.cluster.nodes import Node, Nodes
from imgsrv.bulk.places import Place, remove_part
from imgsrv.bulk.work import Conversion, Outcome, Recipe

LOOK_S = 1.0
"""The longest wait for an outcome between two looks at the nodes."""

START_S = 60.0
"""The longest wait for the first answers of nodes, whose processes load imgsrv for them."""

CALLS = 4
"""Empty tasks that wait where no node has cores: a cluster that grows by what waits sees them."""


def convert_all(
    ray: Any,
    conversions: Sequence[Conversion],
    recipe: Recipe,
    out: Path | None,
    fonts: Path | None,
    tell: Callable[[str], None],
) -> Generator[Outcome]:
    """Convert pictures on the nodes; yield the outcomes as they are done.

    ray: the module, which has joined a cluster.  out: the folder of the results; None for a bucket.  tell: takes what
    the user is to know of the nodes.  Raises BadArgument for an unfit node.
    """
    token = secrets.token_hex(4)
    sign = out.absolute() / f".imgsrv-{token}" if out is not None and conversions else None
    with contextlib.ExitStack() as stack:
        if sign is not None:
            sign.touch()
            stack.callback(sign.unlink, missing_ok=True)
        run = _Run(ray, conversions, ray.put(on_node.pack(recipe, fonts, sign)), token, tell)
        run.check_nodes()
        stack.callback(run.leave, sign)
        yield from run.outcomes()


class _Run:
    """waiting: pictures.  running, questions: tasks, and the nodes that are asked, by what Ray knows them by.

    calls: empty tasks.  dropped: target and mark of attempts whose node was lost, and may still live.
    """

    def __init__(
        self, ray: Any, conversions: Sequence[Conversion], work: Any, token: str, tell: Callable[[str], None]
    ) -> None:
        self._ray, self._tell, self._work = ray, tell, work
        self._function = ray.remote(travelling())
        self._belongs = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        self._marks = (f"{token}-{number}" for number in itertools.count())
        self._nodes = Nodes(ray.nodes)
        self._waiting = Waiting(conversions)
        self._running: dict[Any, Task] = {}
        self._questions: dict[Any, Node] = {}
        self._calls: set[Any] = set()
        self._dropped: list[tuple[Place | None, str]] = []

    def check_nodes(self) -> None:
        """Ask every node for its versions, formats and folders.  Raises BadArgument for an unfit one.

        A node that is lost meanwhile is none, and one that does not answer gets nothing until it does.
        """
        self._nodes.look()
        for node in self._nodes:
            self._ask(node)
        end = time.monotonic() + START_S
        while self._questions and (left_s := end - time.monotonic()) > 0:
            for ref in self._ray.wait(list(self._questions), num_returns=1, timeout=left_s)[0]:
                self._take_answer(ref)
        for node in self._questions.values():
            self._tell(f"the node {node.name} does not answer; it is given no picture until it does")

    def outcomes(self) -> Generator[Outcome]:
        """Yield the outcomes of all pictures."""
        while self._waiting or self._running:
            yield from self._of_lost_nodes()
            self._give()
            for ref in self._ready():
                if ref in self._running:
                    yield from self._finish(ref, self._outcomes_of(ref, self._running[ref]))
                elif ref in self._questions:
                    self._take_answer(ref)
                else:
                    self._calls.discard(ref)

    def leave(self, sign: Path | None) -> None:
        """Delete the temporary files of pictures that are not done.  In their middle, leave the cluster first.

        That ends their processes.  `ray.cancel` would do, but a task that ends at that moment ends this process (Ray
        2.60, `Check failed` in task_manager.cc).  sign: the file without which no node begins a picture.
        """
        if sign is not None:
            sign.unlink(missing_ok=True)
        if self._running:
            self._ray.shutdown()
        for task in self._running.values():
            for one in task.batch:
                one.remove_part()
        for target, mark in self._dropped:
            remove_part(target, mark)

    # ---- to the nodes ----------------------------------------------------------------------------------

    def _give(self) -> None:
        while self._waiting and (node := self._nodes.free()):
            batch = self._waiting.batch(self._nodes.places)
            for one, mark in zip(batch, self._marks):  # noqa: B905  the marks have no end
                one.mark = mark
            tasks = on_node.packed_tasks((one.conversion, one.mark, one.is_again) for one in batch)
            # Soft: a cluster that grows counts such tasks.  One that Ray moves to another node does nothing there.
            options = {"num_cpus": 1, "scheduling_strategy": self._belongs(node.identity, soft=True)}
            self._running[self._begin(options, node.identity, tasks)] = Task(batch, node)
            self._nodes.give(node)

    def _ask(self, node: Node) -> None:
        """Ask a node whether it lives, in a process beside those that convert pictures."""
        options = {"num_cpus": 0, "scheduling_strategy": self._belongs(node.identity, soft=False)}
        self._questions[self._begin(options, node.identity, b"")] = node
        self._nodes.ask(node)

    def _begin(self, options: dict[str, Any], belongs_to: str, tasks: bytes) -> Any:
        return self._function.options(max_retries=0, **options).remote(VERSIONS, self._work, belongs_to, tasks)

    # ---- from the nodes --------------------------------------------------------------------------------

    def _ready(self) -> Sequence[Any]:
        """Wait a moment for something to end."""
        refs = [*self._running, *self._questions, *self._calls]
        if not refs:
            time.sleep(LOOK_S)  # every node has fallen silent, and is asked again soon
            return ()
        ready: Sequence[Any] = self._ray.wait(refs, num_returns=1, timeout=LOOK_S)[0]
        return ready

    def _of_lost_nodes(self) -> Iterator[Outcome]:
        """Look at the nodes; begin elsewhere what those have that are gone or silent."""
        gone = self._nodes.look()
        for node in gone or ():
            yield from self._abandon(node, "the cluster has lost it", is_gone=True)
        for node, seconds in self._nodes.fallen_silent():
            yield from self._abandon(node, f"nothing came from it for {seconds:.0f} s", is_gone=False)
        for node in self._nodes.to_ask(self._waiting.picture_s):
            self._ask(node)
        if gone is not None and not len(self._nodes):
            while len(self._calls) < CALLS:
                self._calls.add(self._begin({"num_cpus": 1}, "", b""))

    def _abandon(self, node: Node, how: str, *, is_gone: bool) -> Iterator[Outcome]:
        """Begin elsewhere what a node has; whatever it still does with it is dropped."""
        refs = [ref for ref, task in self._running.items() if task.node is node]
        ended = self._ray.wait(refs, num_returns=len(refs), timeout=0)[0] if refs else ()
        for ref in ended:
            yield from self._finish(ref, self._outcomes_of(ref, self._running[ref]))
        if ended and not is_gone:
            return  # it has just answered
        tasks = {ref: self._running[ref] for ref in refs if ref in self._running}
        held = [one for task in tasks.values() for one in task.batch]
        if held:
            self._tell(f"the node {node.name} is left out: {how}; begun elsewhere of what it had: {len(held)}")
        self._dropped += [(one.conversion.target, one.mark) for one in held]
        for ref, task in tasks.items():
            yield from self._finish(ref, task.ended(lambda one: one.was_lost(node, how)))

    def _finish(self, ref: Any, outcomes: Iterable[Outcome | None]) -> Iterator[Outcome]:
        """Take a task off its node, and begin again what has no outcome.

        There are fewer outcomes than pictures if one stops the run.
        """
        task = self._running.pop(ref)
        task.node.held -= 1
        for one, outcome in zip(task.batch, outcomes, strict=False):
            if outcome is None:
                self._waiting.again(one)
            else:
                yield outcome

    def _outcomes_of(self, ref: Any, task: Task) -> Sequence[Outcome | None]:
        """The outcomes of a task that has ended.  Raises BadArgument if it is unfit."""
        errors = self._ray.exceptions
        try:
            outcomes = on_node.outcomes_of(checked(self._ray.get(ref)))
        except Elsewhere:
            self._nodes.doubt(task.node)
            return task.ended(lambda _one: None)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            self._nodes.doubt(task.node)  # it may have been the whole node
            return task.ended(Begun.died)
        except errors.RayTaskError as error:
            self._nodes.hear(task.node)
            reason = f"the node failed: {error.cause!r}"
            return task.ended(lambda one: one.ends_with(Outcome(one.conversion, error=reason)))
        except errors.RayError as error:
            self._nodes.doubt(task.node)
            how = type(error).__name__
            return task.ended(lambda one: one.was_lost(task.node, how))
        self._nodes.hear(task.node)
        for outcome in outcomes:
            self._waiting.learn(outcome)
        return [one.ends_with(outcome) for one, outcome in zip(task.batch, outcomes, strict=False)]

    def _take_answer(self, ref: Any) -> None:
        """Note that a question has ended; one without an answer is asked again.  Raises BadArgument if it is unfit."""
        node = self._questions.pop(ref)
        try:
            checked(self._ray.get(ref))
        except (self._ray.exceptions.RayError, Elsewhere):
            self._nodes.answer(node, is_lost=True)
        else:
            self._nodes.answer(node, is_lost=False)
