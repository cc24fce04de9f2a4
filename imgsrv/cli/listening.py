"""Where a server listens: what systemd handed over, else a unix socket, else a port; and who its workers are."""

from __future__ import annotations

from pathlib import Path

from imgsrv.config import Settings, inherited_sockets
from imgsrv.pool.identity import Identity, identity
from imgsrv.pool.shared import Owner, SharedListener, UnixListener, inherited
from imgsrv.pool.sockets import Listener

UNIX_PREFIX = "unix:"


def identity_of(settings: Settings) -> Identity:
    """Who the workers are to be.  Raises BadArgument where that may not be."""
    return identity(settings.user, settings.group)


def open_listener(settings: Settings, owner: Identity) -> Listener | SharedListener:
    """Listen.  owner: of the unix socket's file, if it has one.  Raises CannotListen."""
    if count := inherited_sockets():
        return inherited(count)
    if settings.host.startswith(UNIX_PREFIX):
        path = Path(settings.host.removeprefix(UNIX_PREFIX))
        return UnixListener(path, settings.backlog, Owner(int(settings.socket_mode, 8), owner.user, owner.group))
    return Listener(settings.host, settings.port, settings.backlog)
