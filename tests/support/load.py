"""Clients that post a real picture again and again, and record the result of every request."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pictures import SAMPLES
from serving import DEADLINE_S, Server, wait_until
from wire import Answer, Wire, post

REQUEST = post("/resize?width=300", (SAMPLES / "coffee.jpg").read_bytes())


@dataclass
class Outcome:
    """The result of one request.  port: of the client."""

    port: int
    answer: Answer | None = None
    error: str = ""

    @property
    def is_picture(self) -> bool:
        return self.answer is not None and self.answer.status == 200 and self.answer.body.startswith(b"\xff\xd8")


@dataclass
class Client(threading.Thread):
    """One client; it ends on request, or when the port is closed."""

    server: Server
    keeps_connection: bool
    examine: Callable[[Answer], Answer]
    outcomes: list[Outcome] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                wire = Wire(self.server)
            except OSError:
                # The port is closed: whatever was accepted before has been answered or noted.
                return
            with wire:
                self._use(wire)

    def _use(self, wire: Wire) -> None:
        """Post pictures until the connection ends."""
        self.port = wire.local_port
        while not self.is_over.is_set():
            outcome = Outcome(wire.local_port)
            self.outcomes.append(outcome)
            try:
                wire.send(REQUEST)
                outcome.answer = self.examine(wire.answer())
            except (OSError, EOFError) as error:
                outcome.error = repr(error)[:200]
                return
            if outcome.answer.closes or not self.keeps_connection:
                return


@dataclass
class Load:
    """Several clients at once."""

    clients: list[Client]

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for client in self.clients for outcome in list(client.outcomes)]

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.is_picture]

    def wait_more(self, pictures: int) -> None:
        """Return when every client has this many more results."""
        goals = [len(client.outcomes) + pictures + 1 for client in self.clients]
        wait_until(
            lambda: all(len(client.outcomes) >= goal for client, goal in zip(self.clients, goals, strict=True)),
            f"every client gets {pictures} more pictures",
        )

    def join(self) -> None:
        """Return when every client has ended."""
        for client in self.clients:
            client.join(DEADLINE_S)
            assert not client.is_alive()


@contextlib.contextmanager
def loading(
    server: Server, *, keep_alive: int, fresh: int, examine: Callable[[Answer], Answer] = lambda answer: answer
) -> Iterator[Load]:
    """Load during the block.  fresh: clients that open a new connection for every picture.

    examine: looks at every answer and gives what is remembered of it.
    """
    load = Load([Client(server, number < keep_alive, examine) for number in range(keep_alive + fresh)])
    for client in load.clients:
        client.start()
    try:
        yield load
    finally:
        for client in load.clients:
            client.is_over.set()
        load.join()
