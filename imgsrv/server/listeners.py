"""Open the listener that the settings ask for: the socket of systemd, else a Unix socket, else a TCP port."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from imgsrv.environment import inherited_sockets
from imgsrv.errors import CannotListen
from imgsrv.pool.child import KILL_GRACE_S
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.listen.systemd import SystemdListener
from imgsrv.pool.listen.tcp import TcpListener
from imgsrv.pool.listen.unix import Owner, UnixListener
from imgsrv.pool.reload.exec import Passed
from imgsrv.pool.worker.identity import Identity
from imgsrv.settings import Settings

UNIX_PREFIX = "unix:"

ASK_AGAIN_S = 0.05
"""No event announces that an address becomes free."""


def open_listener(settings: Settings, owner: Identity, state: Passed | None = None) -> Listener:
    """Listen.  owner: of a Unix socket's file.  state: from the image before.  Raises CannotListen."""
    passed = None if state is None else state["listener"]
    if count := inherited_sockets() if passed is None else passed.get("count", 0):
        return SystemdListener(count, passed)
    if settings.host.startswith(UNIX_PREFIX):
        path = Path(settings.host.removeprefix(UNIX_PREFIX))
        rights = Owner(int(settings.socket_mode, 8), owner.user, owner.group)
        return UnixListener(path, settings.backlog, rights, passed)
    return TcpListener(settings.host, settings.port, settings.backlog, passed)


def wait_for_address(settings: Settings, owner: Identity, tell: Callable[..., None]) -> Listener:
    """Listen in the place of an instance whose master was killed, as soon as its workers have left the address.

    They leave it at once, or, if a slow client is still to be accepted, within the time that a stop may take.
    tell: called once, if there is a wait, with the name and facts of an event.
    Raises CannotListen if the address is still taken after that time.
    """
    longest_s = settings.shutdown_delay_s + settings.drain_s + settings.send_timeout_s + KILL_GRACE_S
    end, has_told = time.monotonic() + longest_s, False
    while True:
        try:
            return open_listener(settings, owner)
        except CannotListen as error:
            if not error.is_taken or time.monotonic() >= end:
                raise
            if not has_told:
                tell("waiting_for_address", address=error.address, longest_s=longest_s)
                has_told = True
        time.sleep(ASK_AGAIN_S)
