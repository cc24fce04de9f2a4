"""What the kernel knows of the other end of a connection: its address, and whether it still listens."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

PROBE_S = 0.1


def addresses(accepted: socket.socket) -> tuple[tuple[str, int] | None, tuple[str, int | None]]:
    """The client's address, None on a Unix socket, and the server's: host and port, or the path of the socket."""
    own = accepted.getsockname()
    server = (str(own), None) if isinstance(own, str) else (str(own[0]), int(own[1]))
    try:
        peer = accepted.getpeername()
    except OSError:
        # The client has gone already.
        return None, server
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None, server


class Probe:
    """Finds out if a client that sends no more still listens, and aborts its connection if not.

    A closed socket and a half-closed socket look the same until something is sent.  A `100 Continue`, which every
    HTTP/1.1 client skips, gets a reset from the first and no reaction from the second.

    waits: returns whether the client still waits for its answer.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        descriptor: int,
        loop: asyncio.AbstractEventLoop,
        waits: Callable[[], bool],
    ) -> None:
        self._transport, self._descriptor, self._loop, self._waits = transport, descriptor, loop, waits

    def begin(self) -> None:
        """Send the `100 Continue`, and look until the answer is complete."""
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._loop.call_later(PROBE_S, self._look)

    def _look(self) -> None:
        if self._transport.is_closing() or not self._waits():
            return
        poll = select.poll()
        poll.register(self._descriptor, 0)
        if poll.poll(0):  # with no event asked for, only an error or a hang-up is reported
            self._transport.abort()
        else:
            self._loop.call_later(PROBE_S, self._look)
