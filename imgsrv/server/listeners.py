"""Where a server listens: what systemd handed over, else a unix socket, else a port; and who its workers are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from imgsrv.errors import CannotListen
from imgsrv.pool.child import KILL_GRACE_S
from imgsrv.pool.listen.shared import Owner, SharedListener, SystemdListener, UnixListener
from imgsrv.pool.listen.tcp import Listener
from imgsrv.pool.reload.exec import State
from imgsrv.pool.worker.identity import Identity, identity
from imgsrv.settings import Settings, inherited_sockets

UNIX_PREFIX = "unix:"

ASK_AGAIN_S = 0.05
"""Nobody tells when an address becomes free."""


def identity_of(settings: Settings) -> Identity:
    """Who the workers are to be.  Raises BadArgument where that may not be."""
    return identity(settings.user, settings.group)


def open_listener(settings: Settings, owner: Identity, state: State | None = None) -> Listener | SharedListener:
    """Listen.  owner: of the unix socket's file, if it has one.  state: what an earlier image has handed over.

    Raises CannotListen.
    """
    passed = None if state is None else state["listener"]
    if count := inherited_sockets() if passed is None else passed.get("count", 0):
        return SystemdListener(count, passed)
    if settings.host.startswith(UNIX_PREFIX):
        path = Path(settings.host.removeprefix(UNIX_PREFIX))
        rights = Owner(int(settings.socket_mode, 8), owner.user, owner.group)
        return UnixListener(path, settings.backlog, rights, passed)
    return Listener(settings.host, settings.port, settings.backlog, passed)


def inherit_address(settings: Settings, owner: Identity, tell: Callable[..., None]) -> Listener | SharedListener:
    """Listen in the place of an instance whose master was killed, as soon as its workers have let go of the address.

    They do at once, or, where a slow client is still to be accepted, within the time that a stop may take.
    tell: of the wait, as an event with facts, once.  Raises CannotListen where the time has passed.
    """
    longest_s = settings.shutdown_delay_s + settings.drain_s + KILL_GRACE_S
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
