"""Open the listener that the settings ask for: the socket of systemd, else a Unix socket, else a TCP port."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from imgsrv.environment import flag_name, inherited_sockets
from imgsrv.errors import CannotListen
from imgsrv.pool.listen import beside
from imgsrv.pool.listen.base import Listener
from imgsrv.pool.listen.systemd import SystemdListener
from imgsrv.pool.listen.tcp import TcpListener
from imgsrv.pool.listen.unix import Owner, UnixListener
from imgsrv.pool.reload.exec import Passed
from imgsrv.pool.signals import KILL_GRACE_S
from imgsrv.pool.worker.identity import Identity
from imgsrv.settings import Settings
from imgsrv.settings_checks import UNIX_PREFIX

ASK_AGAIN_S = 0.05
"""No event announces that an address becomes free."""

BESIDE = {"agent": "agent_listen", "metrics": "metrics_listen"}
"""The setting of each further address, by its name in the state that an image of the master passes to the next."""

Sockets = Mapping[str, socket.socket]
"""The sockets of further addresses, by the names in BESIDE."""


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


def open_beside(settings: Settings, passed: Passed | None) -> Sockets:
    """Listen on the further addresses that the settings name.  Raises CannotListen."""
    before = {} if passed is None else passed.get("shared", {})
    opened = {
        name: beside.listen_beside(getattr(settings, field), flag_name(field), before.get(name))
        for name, field in BESIDE.items()
    }
    return {name: each for name, each in opened.items() if each is not None}


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
