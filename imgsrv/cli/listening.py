"""Where a server listens: what systemd handed over, else a unix socket, else a port; and who its workers are."""

from __future__ import annotations

from pathlib import Path
from socket import socket

from imgsrv.config import Settings, inherited_sockets
from imgsrv.pool.identity import Identity, identity
from imgsrv.pool.shared import Owner, SharedListener, UnixListener, inherited
from imgsrv.pool.sockets import Listener
from imgsrv.pool.takeover import State, received

UNIX_PREFIX = "unix:"


def identity_of(settings: Settings) -> Identity:
    """Who the workers are to be.  Raises BadArgument where that may not be."""
    return identity(settings.user, settings.group)


def open_listener(settings: Settings, owner: Identity, state: State | None = None) -> Listener | SharedListener:
    """Listen.  owner: of the unix socket's file, if it has one.  state: what an earlier image has handed over.

    Raises CannotListen.
    """
    passed = None if state is None else state["listener"]
    if count := inherited_sockets():
        return inherited(count) if passed is None else SharedListener(socket(fileno=received(passed["sockets"][0])))
    if settings.host.startswith(UNIX_PREFIX):
        path = Path(settings.host.removeprefix(UNIX_PREFIX))
        rights = Owner(int(settings.socket_mode, 8), owner.user, owner.group)
        return UnixListener(path, settings.backlog, rights, passed)
    return Listener(settings.host, settings.port, settings.backlog, passed)
