"""A second address, which all workers share: for what a balancer or a monitor asks, not for clients.

Its socket has one accept queue for all workers, and whichever is awake answers.  A connection may be lost when the
server ends; who asks here asks again.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Any

from imgsrv.errors import CannotListen
from imgsrv.pool.descriptors import received
from imgsrv.settings_checks import split_address

BACKLOG = 128


def listen_beside(text: str, setting: str, passed: Mapping[str, Any] | None) -> socket.socket | None:
    """Listen on `HOST:PORT`; None for an empty text.

    setting: the name for messages.  passed: what `dump` gave to the image before; its socket is kept if the address is
    still the same, and else closed.  Raises CannotListen.
    """
    if passed is not None:
        if passed["text"] == text:
            return socket.socket(fileno=received(passed["file"]))
        os.close(passed["file"])
    return _bound(text, setting) if text else None


def dump(text: str, listening: socket.socket) -> dict[str, Any]:
    """What the next image needs to go on listening there."""
    return {"text": text, "file": listening.fileno()}


def _bound(text: str, setting: str) -> socket.socket:
    reasons = {
        errno.EADDRINUSE: f"another process already listens there; choose another {setting}",
        errno.EACCES: f"ports below 1024 need privileges; choose a higher {setting}",
        errno.EADDRNOTAVAIL: f"no interface of this machine has that address; choose another {setting}",
    }
    host, port = split_address(text)
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        reason = reasons.get(error.errno or 0, str(error))
        raise CannotListen(text, reason, error.errno == errno.EADDRINUSE) from error
    listening.setblocking(False)
    return listening
