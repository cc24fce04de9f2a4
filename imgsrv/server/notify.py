"""Messages to systemd: ready, reloading, stopping, a line for `systemctl status`, and the watchdog (sd_notify(3)).

The notifier observes the master's events and is called in each turn of its loop.  Without systemd there is none.  A
message that cannot be sent is dropped, so that the master never waits.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from imgsrv.errors import BadSetting
from imgsrv.printable import printable

ABSTRACT = "@"
"""The first character of an abstract socket's name in NOTIFY_SOCKET; in the system call it is a zero byte."""

SIGNS_PER_PERIOD = 2
"""Signs of life in a watchdog period, as systemd advises, so that one may come late."""


class Notifier:
    """Sends messages to the socket of systemd.  watchdog_s: the period for signs of life; None for none.

    Raises BadSetting if the address is none.
    """

    def __init__(
        self, address: str, watchdog_s: float | None = None, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        if not address.startswith(("/", ABSTRACT)):
            raise BadSetting(f"NOTIFY_SOCKET={address}", "it is neither a path nor begins with @")
        self._address = "\0" + address[1:] if address.startswith(ABSTRACT) else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._sign_s = watchdog_s / SIGNS_PER_PERIOD if watchdog_s else None
        self._clock, self._sign_due, self._is_ready = clock, 0, False
        self._is_stopping = False

    def observe(self, event: str, facts: dict[str, Any]) -> None:
        """Pass on an event of the master, if it concerns systemd."""
        if event == "serving":
            self.ready(f"serving on {facts['url']} with {facts['workers']} workers")
        elif event in ("reloading", "restarting"):
            # systemd compares the time with its own clock, to know which READY=1 belongs to which reload.
            self._send("RELOADING=1", f"MONOTONIC_USEC={self._clock() // 1000}", f"STATUS={event}")
        elif event in ("reloaded", "reload_failed") and not self._is_stopping:
            self.ready("reloaded" if event == "reloaded" else f"reload failed: {facts.get('reason', '')}")
        elif event == "waiting_for_address":
            self._send(f"STATUS=waiting until the workers of a killed master let go of {facts['address']}")
        elif event == "stopping" and facts["restarts"]:
            # A restart does not say STOPPING=1: systemd would kill the service when its stop timeout is over.
            self._send("STATUS=restarting: finishing open requests")
        elif event == "stopping":
            self._is_stopping = True
            self._send("STOPPING=1", "STATUS=finishing open requests")
        elif event in ("worker_exit", "worker_replaced") and self._is_ready:
            self._send(f"STATUS=worker {facts['slot']} {_words(event)}: {facts['reason']}")

    def ready(self, status: str) -> None:
        """Say that the service works, for the first time or again."""
        self._is_ready = True
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def turn(self, is_healthy: bool) -> None:  # noqa: FBT001  the loop's one fact
        """Send a sign of life, if one is due and the pool does its work; called in each turn of the master's loop."""
        now = self._clock()
        if self._sign_s is not None and is_healthy and now >= self._sign_due:
            self._sign_due = now + int(self._sign_s * 1e9)
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, *lines: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(printable(line.replace("\n", " ")) for line in lines).encode(), self._address)


def _words(event: str) -> str:
    return event.removeprefix("worker_").replace("exit", "ended")
