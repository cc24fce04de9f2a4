"""The executor of a Ray cluster: a task has a few pictures for one core, on any node.

Only names and outcomes travel; the nodes read and write the pictures.  A task whose node or process is lost is begun
again.  ray is an extra, and is imported when a cluster is joined.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import platform
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from imgsrv import __version__
from imgsrv.bulk import on_node
from imgsrv.bulk.places import remove_part
from imgsrv.bulk.work import Conversion, Outcome, Recipe
from imgsrv.errors import BadArgument

MOST_LOSSES, MOST_DEATHS = 20, 3
"""How often a picture is begun again after nodes were lost, and how often it may end the process that converts it."""

PER_CORE, AT_LEAST = 2, 4
"""Tasks that are given to the cluster at a time: some wait there, so that no core does, and a cluster can grow."""

TASK_S, MOST_AT_ONCE = 0.5, 64
"""A task has as many pictures as take this long, at most so many: handing over a task costs some milliseconds."""

SIZE_S = 5.0
"""Time between two questions for the nodes of the cluster."""

GRACE_S = 20.0
"""After a node was lost, what was begun before and has not ended by then is begun again.

Ray names a task as lost when its connection breaks, which takes minutes for a machine that was cut off.
"""

AUTO, EXAMPLE = "auto", "such as 10.0.0.1:6379"

ANSWER_S = 5.0
"""The longest wait for the head to take a connection."""

VERSIONS = (__version__, platform.python_version())


@dataclass(slots=True)
class _Begun:
    """A picture that is to be done or is being done.  mark: of its temporary file, of this attempt.  at: its begin."""

    conversion: Conversion
    losses: int = 0
    deaths: int = 0
    mark: str = ""
    at: float = 0.0

    @property
    def is_again(self) -> bool:
        """It was lost before, and is then alone in its task: what ended a process may have been another picture."""
        return bool(self.losses + self.deaths)


class Cluster:
    """A Ray cluster that this process has joined.  address: of its head, or `auto` for the one of this machine."""

    def __init__(self, address: str) -> None:
        """Join the cluster.  Raises BadArgument if ray is not installed, or the cluster cannot be joined."""
        if find_spec("ray") is None:
            raise BadArgument("--ray needs the extra `ray`: pip install 'imgsrv[ray]'")
        _check_address(address)
        self._ray: Any = import_module("ray")
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            raise BadArgument(_why_not_joined(address, str(error))) from error
        self._room, self._asked = AT_LEAST, -SIZE_S
        self._alive = frozenset[str]()
        self._lost_at = -GRACE_S
        self._mean_s = TASK_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ray.shutdown()

    def executor(
        self, out: Path | None, fonts: Path | None
    ) -> Callable[[Sequence[Conversion], Recipe], Generator[Outcome]]:
        """The executor of a run.  out: the folder of the results, which all nodes must share; None for a bucket."""
        return lambda conversions, recipe: self._convert_all(conversions, recipe, out, fonts)

    def _convert_all(
        self, conversions: Sequence[Conversion], recipe: Recipe, out: Path | None, fonts: Path | None
    ) -> Generator[Outcome]:
        """Convert pictures on the nodes; yield the outcomes as they are done.  Raises BadArgument for an unfit node."""
        token = secrets.token_hex(4)
        sign = out.absolute() / f".imgsrv-{token}" if out is not None and conversions else None
        if sign is not None:
            sign.touch()
        try:
            work = self._ray.put(on_node.pack(recipe, fonts, sign))
            perform = self._ray.remote(_function())
            self._check_nodes(perform, work)
            tasks = perform.options(num_cpus=1, max_retries=0)
            yield from self._done(conversions, tasks, work, sign, token)
        finally:
            if sign is not None:
                sign.unlink(missing_ok=True)

    def _check_nodes(self, perform: Any, work: Any) -> None:
        """Ask every node for its versions, formats and folders.  A node that is lost meanwhile is none."""
        at = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        asked = [
            perform.options(num_cpus=0, max_retries=0, scheduling_strategy=at(node, soft=False)).remote(
                VERSIONS, work, b""
            )
            for node in nodes
        ]
        for ref in asked:
            with contextlib.suppress(self._ray.exceptions.RayError):
                _checked(self._ray.get(ref))

    def _done(
        self, conversions: Sequence[Conversion], perform: Any, work: Any, sign: Path | None, token: str
    ) -> Generator[Outcome]:
        waiting = deque(_Begun(one) for one in conversions)
        running: dict[Any, list[_Begun]] = {}
        marks = (f"{token}-{number}" for number in itertools.count())
        try:
            while waiting or running:
                while waiting and len(running) < self._places():
                    batch = self._taken(waiting)
                    for one, mark in zip(batch, marks):  # noqa: B905  the marks have no end
                        one.mark, one.at = mark, time.monotonic()
                    tasks = on_node.packed_tasks((one.conversion, one.mark, one.is_again) for one in batch)
                    running[perform.remote(VERSIONS, work, tasks)] = batch
                ready, _ = self._ray.wait(list(running), num_returns=1, timeout=SIZE_S)
                for ref in dict.fromkeys([*ready, *self._cut_off(running)]):
                    outcomes = self._outcomes(ref, running[ref], is_ready=ref in ready)
                    for one, outcome in zip(running.pop(ref), outcomes, strict=False):
                        if outcome is None:
                            # Its process may still live, cut off: without its file it cannot finish.
                            remove_part(one.conversion.target, one.mark)
                            waiting.appendleft(one)
                        else:
                            yield outcome
        finally:
            if running:
                self._break_off(sign, [one for batch in running.values() for one in batch])

    def _break_off(self, sign: Path | None, running: Iterable[_Begun]) -> None:
        """Leave the cluster in the middle of pictures, which ends their processes, and delete their temporary files.

        `ray.cancel` would do, but a task that ends at that moment ends this process (Ray 2.60, `Check failed` in
        task_manager.cc).
        """
        if sign is not None:
            sign.unlink(missing_ok=True)  # so that no node begins a file any more
        self._ray.shutdown()
        for one in running:
            remove_part(one.conversion.target, one.mark)

    def _taken(self, waiting: deque[_Begun]) -> list[_Begun]:
        """Take the pictures of the next task: several if they are quick, and not so many that other cores have none."""
        batch = [waiting.popleft()]
        most = min(MOST_AT_ONCE, int(TASK_S / max(self._mean_s, TASK_S / MOST_AT_ONCE)), len(waiting) // self._room)
        while not batch[0].is_again and len(batch) < most and not waiting[0].is_again:
            batch.append(waiting.popleft())
        return batch

    def _outcomes(self, ref: Any, batch: list[_Begun], *, is_ready: bool) -> Sequence[Outcome | None]:
        """The outcomes of a task; None for a picture that was lost and is to be begun again.

        There are fewer than pictures if one stops the run.  Raises BadArgument for an unfit node.
        """
        errors = self._ray.exceptions
        if not is_ready:
            return [_lost(one, "cut off") for one in batch]
        try:
            outcomes = on_node.outcomes_of(_checked(self._ray.get(ref)))
        except (errors.WorkerCrashedError, errors.OutOfMemoryError):
            return [_died(one) for one in batch]
        except errors.RayTaskError as error:
            return [Outcome(one.conversion, error=f"the node failed: {error.cause!r}") for one in batch]
        except errors.RayError as error:
            return [_lost(one, type(error).__name__) for one in batch]
        for outcome in outcomes:
            self._mean_s += (outcome.seconds - self._mean_s) / 10
        # The paths of the node are those from the root.
        return [replace(outcome, conversion=one.conversion) for one, outcome in zip(batch, outcomes, strict=False)]

    def _places(self) -> int:
        """How many tasks the cluster is given at a time, by its nodes of today."""
        now = time.monotonic()
        if now - self._asked >= SIZE_S:
            self._asked = now
            nodes = [node for node in self._ray.nodes() if node["Alive"]]
            cores = sum(node["Resources"].get("CPU", 0) for node in nodes)
            self._room = max(AT_LEAST, PER_CORE * int(cores))
            alive = frozenset(node["NodeID"] for node in nodes)
            if self._alive - alive:
                self._lost_at = now
            self._alive = alive
        return self._room

    def _cut_off(self, running: Mapping[Any, list[_Begun]]) -> list[Any]:
        """The tasks that were begun before a node was lost, and should have ended long ago."""
        self._places()
        if time.monotonic() < self._lost_at + GRACE_S:
            return []
        return [ref for ref, batch in running.items() if batch[0].at < self._lost_at]


def _died(one: _Begun) -> Outcome | None:
    """Count the end of a process; gives the outcome of a picture that has ended too many, None for another try."""
    one.deaths += 1
    if one.deaths < MOST_DEATHS:
        return None
    remove_part(one.conversion.target, one.mark)
    return Outcome(one.conversion, error=f"the process that converted it died {one.deaths} times")


def _lost(one: _Begun, how: str) -> Outcome | None:
    """Count the loss of a node; gives the outcome of a picture that has lost too many, None for another try."""
    one.losses += 1
    if one.losses < MOST_LOSSES:
        return None
    remove_part(one.conversion.target, one.mark)
    return Outcome(one.conversion, error=f"the nodes that converted it were lost {one.losses} times ({how})")


def _function() -> Callable[..., tuple[str, Any]]:
    """The function that runs on a node.  As an inner one it travels itself, so it also runs where imgsrv is missing."""

    def convert_pictures(versions: tuple[str, str], work: bytes, tasks: bytes) -> tuple[str, Any]:
        import platform  # noqa: PLC0415  on the node
        from importlib import import_module  # noqa: PLC0415

        # Several nodes may have one address.
        identity = import_module("ray").get_runtime_context().get_node_id()
        node = f"{import_module('ray.util').get_node_ip_address()}/{identity[:8]}"
        try:
            import imgsrv  # noqa: PLC0415

            found: str | None = imgsrv.__version__
        except ImportError:
            found = None
        if (found, platform.python_version()) != versions:
            return "versions", (node, found, platform.python_version())
        from imgsrv.bulk.on_node import perform, unfit  # noqa: PLC0415

        if reason := unfit(work):
            return "unfit", (node, reason)
        return "done", perform(work, tasks, node) if tasks else b""

    return convert_pictures


def _checked(answer: tuple[str, Any]) -> bytes:
    """What a node has done.  Raises BadArgument if it cannot do the work."""
    kind, facts = answer
    if kind == "versions":
        node, found, python = facts
        theirs = f"imgsrv {found} and Python {python}" if found else f"no imgsrv, and Python {python}"
        raise BadArgument(
            f"the node {node} has {theirs}, and this command imgsrv {VERSIONS[0]} and Python {VERSIONS[1]}; install "
            "the same versions on all nodes"
        )
    if kind == "unfit":
        raise BadArgument("the node {} cannot take part: {}".format(*facts))
    return bytes(facts)


def _check_address(address: str) -> None:
    """Raise BadArgument if it is no address, or nothing answers there: Ray itself would try for minutes."""
    if address == AUTO:
        return
    if "://" in address:
        raise BadArgument(
            f"--ray {address} is the address of a Ray client; run this command on a node of the cluster, and give "
            f"{AUTO}, or the address of the head, {EXAMPLE}"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise BadArgument(f"--ray {address} is no address; give {AUTO}, or the address of the head, {EXAMPLE}")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise BadArgument(_why_not_joined(address, str(error))) from error


def _why_not_joined(address: str, reason: str) -> str:
    if "ersion mismatch" in reason:
        theirs, _, ours = reason.partition("This process")
        return (
            f"--ray {address}: the cluster has {_versions(theirs)}, and this command {_versions(ours)}; "
            "install the same versions of both on all nodes"
        )
    return (
        f"--ray {address}: no Ray cluster can be joined there: {' '.join(reason.split())[:300]}; start one with "
        f"`ray start --head`, or give the address of its head, {EXAMPLE}"
    )


def _versions(text: str) -> str:
    """`Ray 2.60.0 and Python 3.11.7` of Ray's own message."""
    lines = (line.strip().partition(": ") for line in text.splitlines())
    found = [f"{name} {value}" for name, _, value in lines if name in ("Ray", "Python")]
    return " and ".join(found)
