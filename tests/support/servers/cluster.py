"""Several machines with imgsrv behind a balancer, and clients that ask again as a client should."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Event, Lock

from servers.haproxy import Behind
from servers.machines import IP, Machine, machines
from serving import Server, serving, wait_until

AGENT_PORT = 8001
"""Each machine has its own ports."""

TRIES, PAUSE_S = 20, 0.05


@dataclass
class Cluster:
    """Machines with a server each.  flags: of every server."""

    made: list[Machine]
    servers: list[Server]
    stack: ExitStack
    flags: tuple[str, ...] = ()

    def behind(self) -> list[Behind]:
        """They as a balancer sees them."""
        return [
            Behind(f"machine-{index}", machine.address, server.port, AGENT_PORT)
            for index, (machine, server) in enumerate(zip(self.made, self.servers, strict=True))
        ]

    def replace(self, index: int, workers: int) -> None:
        """Stop a server as an operator does, and start another on its machine and port."""
        old = self.servers[index]
        old.signal(signal.SIGTERM)
        assert old.wait_exit(120) == 0
        self.servers[index] = self.stack.enter_context(
            _server(self.made[index], workers, (*self.flags, f"--port={old.port}"))
        )

    def cable(self, index: int, state: str) -> None:
        """Pull or plug in the cable of a machine: `down` or `up`."""
        subprocess.run([IP, "link", "set", self.made[index].cable, state], check=True, capture_output=True)


@contextlib.contextmanager
def cluster(workers: Sequence[int], *flags: str) -> Iterator[Cluster]:
    """Run a server with so many workers on each machine during the block."""
    with ExitStack() as stack:
        made = stack.enter_context(machines(len(workers)))
        servers = [
            stack.enter_context(_server(machine, count, flags)) for machine, count in zip(made, workers, strict=True)
        ]
        yield Cluster(made, servers, stack, flags)


def _server(machine: Machine, workers: int, flags: tuple[str, ...]) -> contextlib.AbstractContextManager[Server]:
    given = (f"--workers={workers}", "--host=0.0.0.0", f"--agent-listen=0.0.0.0:{AGENT_PORT}", *flags)
    return serving(*given, program=[*machine.inside, sys.executable, "-m", "imgsrv"])


@dataclass
class Told:
    """What clients met.  answers: of whole requests, after all attempts.  attempts: of every single one."""

    answers: Counter[int] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def add(self, counter: Counter[int], status: int) -> None:
        """Count a status in one of both, from any thread."""
        with self._lock:
            counter[status] += 1


BROKEN = 0
"""In place of a status: the connection broke."""


def attempt(port: int, path: str, body: bytes) -> int:
    """The status of one POST on a connection of its own."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        try:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return BROKEN
        return answer.status


@contextlib.contextmanager
def asking(port: int, path: str, body: bytes, clients: int, told: Told) -> Iterator[None]:
    """During the block so many clients post one picture after another.

    Each asks again after a broken connection, or a status that is not 200, up to TRIES times.
    """
    stop = Event()

    def ask() -> None:
        while not stop.is_set():
            for _ in range(TRIES):
                status = attempt(port, path, body)
                told.add(told.attempts, status)
                if status == http.client.OK:
                    break
                time.sleep(PAUSE_S)
            told.add(told.answers, status)

    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(ask) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
        for each in asked:
            each.result(120)


def wait_for_answers(told: Told, count: int) -> None:
    """Return when so many further requests have been answered."""
    least = told.answers[http.client.OK] + count
    wait_until(lambda: told.answers[http.client.OK] >= least, f"{count} further answers", 120)
