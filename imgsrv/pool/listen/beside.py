"""A second address, which all workers share: for what a balancer or a monitor asks, not for clients.

Its socket has one accept queue for all workers, and whichever is awake answers.  A connection may be lost when the
server ends; who asks here asks again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from imgsrv.pool.descriptors import received
from imgsrv.pool.listen.refusals import Wish
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
    wish = Wish(text, setting, f"choose another {setting}", f"choose a higher {setting}")
    family, address = wish.resolve(*split_address(text))
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise wish.refused(error) from error
    listening.setblocking(False)
    return listening
