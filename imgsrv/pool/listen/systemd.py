"""The listening socket that systemd has bound (socket activation, sd_listen_fds(3))."""

from __future__ import annotations

import os
from collections.abc import Mapping
from socket import SO_ACCEPTCONN, SO_TYPE, SOCK_STREAM, SOL_SOCKET, socket
from typing import Any

from imgsrv.errors import CannotListen
from imgsrv.pool.descriptors import received
from imgsrv.pool.listen.base import SharedListener

FIRST_INHERITED = 3
"""The descriptor of the first socket that systemd passes: SD_LISTEN_FDS_START."""


class SystemdListener(SharedListener):
    """The socket that systemd has bound and passed on.

    systemd's own descriptor stays open, so that the next image of this process finds it too.
    count: of the sockets that systemd passes.  passed: the state from the image before.
    Raises CannotListen if there is not exactly one socket or it does not listen for streams.
    """

    def __init__(self, count: int, passed: Mapping[str, Any] | None = None) -> None:
        if passed is not None:
            super().__init__(socket(fileno=received(passed["sockets"][0])))
            return
        if count != 1:
            reason = f"there are {count}; give one ListenStream= to the .socket unit"
            raise CannotListen("the sockets of systemd", reason)
        found = socket(fileno=os.dup(FIRST_INHERITED))
        if found.getsockopt(SOL_SOCKET, SO_TYPE) != SOCK_STREAM or not found.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
            found.close()
            raise CannotListen(
                "the socket of systemd", "it does not listen for streams; use ListenStream= and Accept=no"
            )
        super().__init__(found)

    def dump(self) -> dict[str, Any]:
        """Return what the next image needs, also in its trial, to which systemd has passed nothing."""
        return {**super().dump(), "count": 1}

    def keep_only(self, _slot: int) -> None:
        """Close systemd's descriptor; no program that a worker starts needs it."""
        os.close(FIRST_INHERITED)
