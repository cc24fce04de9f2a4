"""Random disturbances of a server from a seed: signals, commands, garbage and kills; and its resources afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from load import Load
from serving import Server, wait_until

from imgsrv.cli._control_client import ask
from imgsrv.errors import CommandFailed
from imgsrv.pool.control.instances import Place

MOST_SLOTS = 4

BETWEEN = 10
"""Disturbances after which every client is to have got another answer."""

REST_S = 0.5

GARBAGE = (b"\x00\xff" * 500, b"{}\n", b'{"command": "stop"', b"[" * 60_000 + b"\n", b'{"command": 1}\n', b"\n" * 40)


@dataclass(frozen=True)
class Holdings:
    """Resources of all processes of a server: descriptors, memory files among them, threads and processes."""

    descriptors: int
    memfds: int
    threads: int
    processes: int
    zombies: int


def holdings(server: Server) -> Holdings:
    """The resources of the server now."""
    found = list[Holdings]()

    def is_counted() -> bool:
        # What goes away while it is counted is counted again.
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            found.append(_counted(server))
        return found != []

    wait_until(is_counted, "everything stays while it is counted")
    return found[0]


def _counted(server: Server) -> Holdings:
    master = psutil.Process(server.pid)
    found = [master, *master.children(recursive=True)]
    links = [link.readlink() for each in found for link in Path(f"/proc/{each.pid}/fd").iterdir()]
    return Holdings(
        descriptors=len(links),
        memfds=sum(str(link).startswith("/memfd:") for link in links),
        threads=sum(each.num_threads() for each in found),
        processes=len(found),
        zombies=sum(each.status() == psutil.STATUS_ZOMBIE for each in found),
    )


def holdings_at_rest(server: Server) -> Holdings:
    """What it has once that stays so: the client that asked last is dropped only in the next turn of its loop."""
    found, since = holdings(server), time.monotonic()

    def is_at_rest() -> bool:
        nonlocal found, since
        now = holdings(server)
        if now != found:
            found, since = now, time.monotonic()
        return time.monotonic() - since > REST_S

    wait_until(is_at_rest, "nothing changes")
    return found


def place(server: Server) -> Place:
    return Place(server.folder, "default")


def status(server: Server) -> Any:
    return ask(place(server), "status", patience_s=60)


def settled(server: Server, size: int) -> None:
    """Return when there are exactly this many workers and all are ready."""

    def is_settled() -> bool:
        found = status(server)
        return [worker["state"] for worker in found["workers"]] == ["ready"] * size and found["state"] == "serving"

    wait_until(is_settled, f"{size} workers are ready", 90)


class Disturber:
    """Disturbs a server.  done: number of disturbances of each kind."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server, self._choose, self.done = server, random.Random(seed), Counter[str]()  # noqa: S311  a test's dice
        self._size = 0
        self._deeds: dict[Callable[[], None], int] = {
            self._look: 20,
            self._scale: 20,
            self._signal: 30,
            self._garbage: 20,
            self._reload: 4,
            self._kill: 4,
        }

    def disturb(self, times: int, load: Load) -> None:
        """Disturb the server this many times; between disturbances, every client gets answers."""
        deeds, weights = list(self._deeds), list(self._deeds.values())
        for count in range(1, 1 + times):
            (deed,) = self._choose.choices(deeds, weights)
            deed()
            self.done[deed.__name__.strip("_")] += 1
            if count % BETWEEN == 0:
                load.wait_more(1)

    def _look(self) -> None:
        self._size = status(self._server)["size"]

    def _scale(self) -> None:
        self._say({"command": "scale", "argument": str(self._choose.randint(1, MOST_SLOTS))})

    def _reload(self) -> None:
        self._say({"command": "reload"})

    def _signal(self) -> None:
        self._look()
        names = ["SIGUSR1", "SIGTTOU", "SIGHUP", "SIGCHLD", "SIGWINCH"]
        weights = [4, 6, 1, 2, 2]
        if self._size < MOST_SLOTS:
            names, weights = [*names, "SIGTTIN"], [*weights, 6]
        self._server.signal(signal.Signals[self._choose.choices(names, weights)[0]])

    def _garbage(self) -> None:
        self._send(self._choose.choice(GARBAGE))

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self._choose.choice(self._server.workers()), signal.SIGKILL)

    def _say(self, request: dict[str, Any]) -> None:
        self._send(json.dumps(request).encode() + b"\n")

    def _send(self, data: bytes) -> None:
        """Send to the control socket, and close without waiting for an answer."""
        with socket.socket(socket.AF_UNIX) as control, contextlib.suppress(OSError):
            control.settimeout(10)
            control.connect(str(place(self._server).socket))
            control.sendall(data)


def put_in_order(server: Server, size: int) -> None:
    """Reload to this many new workers, and wait until nothing else is under way."""
    wait_until(lambda: status(server)["state"] == "serving", "what was under way is done", 90)
    # The last disturbance may have killed a worker while it booted, of which the next command hears.
    with contextlib.suppress(CommandFailed):
        ask(place(server), "scale", str(size), patience_s=90)
    ask(place(server), "scale", str(size), patience_s=90)
    settled(server, size)
    ask(place(server), "reload", patience_s=90)
    settled(server, size)
