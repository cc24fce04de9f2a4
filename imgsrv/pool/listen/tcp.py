"""A TCP port with one listening socket for each slot, bound and kept by the master.

A slot's socket lives as long as the slot, whichever worker accepts from it.  So a connection that waits in its accept
queue survives the death or replacement of the worker.  A BPF program (bpf.py) chooses which socket gets a new
connection: that of a slot that serves, or, when the server stops, the wall, which lets nobody in.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping, Sequence
from socket import (
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_INFO,
    socket,
)
from typing import Any, Self

from imgsrv.errors import CannotListen
from imgsrv.pool.descriptors import received
from imgsrv.pool.listen.bpf import TO_THE_WALL, choose_one_of, steer
from imgsrv.pool.listen.refusals import Wish

TCP_INFO_BYTES = 104
TCP_INFO_UNACKED = 24
"""The place in `struct tcp_info` of linux/tcp.h; for a listening socket `unacked` is the length of its accept queue."""

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
MOST_HOPS = 255
"""The wall accepts only packets with this hop count: those of a system on the same network that sends with the most."""


class TcpListener:
    """A port with a listening socket for each slot, and the wall.

    The wall is the first socket of the port.  It is bound without SO_REUSEPORT, which the kernel grants to only one
    socket, and gets the option once it listens.  So a second server on the port is refused; with SO_REUSEPORT alone it
    would silently share the port.  A lock would do this too, but any user could hold it to keep the server from
    starting.

    When the server stops, new connections are steered to the wall, which drops their packets, while the accept queues
    of the slots are emptied: closing a listening socket resets the connections that wait in it.  A packet filter on
    each socket would do the same, but some kernels (6.18.44) accept one on a TCP socket from root only.

    passed: the state from the image before.  Raises CannotListen.
    """

    def __init__(self, host: str, port: int, backlog: int, passed: Mapping[str, Any] | None = None) -> None:
        self._host, self._port, self._backlog = host, port, backlog
        self._sockets: list[socket] = []
        self._wish = Wish(
            f"{_bracketed(host)}:{port}",
            "--host",
            "stop it or choose another --port",
            "choose a higher --port, or grant CAP_NET_BIND_SERVICE",
        )
        self._family, self._address = self._wish.resolve(host, port)
        if passed is not None:
            self._port = passed["port"]
            self._wall, *self._sockets = [socket(fileno=received(each)) for each in passed["sockets"]]
            return
        self._wall = self._new()
        try:
            self._take()
        except CannotListen:
            self.close()
            raise

    has_queues = True

    def dump(self) -> dict[str, Any]:
        """Return what the next image needs to go on listening."""
        sockets = [each.fileno() for each in (self._wall, *self._sockets)]
        return {"port": self._port, "sockets": sockets}

    @property
    def port(self) -> int:
        """The port, also if 0 was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104  compared, not bound
        return f"http://{_bracketed(host)}:{self.port}"

    @property
    def name(self) -> str:
        """The address with the port."""
        return f"{_bracketed(self._host)}:{self.port}"

    def for_slot(self, slot: int) -> socket:
        """Return the socket of a slot; bind it when it is first asked for.  Raises CannotListen."""
        while len(self._sockets) <= slot:
            self._sockets.append(self._bound())
        return self._sockets[slot]

    def choose(self, slots: Sequence[int]) -> None:
        """Give new connections to these slots only; the queues of the others stay as they are."""
        steer(self._sockets[0], choose_one_of(slots))

    def close_last(self, slot: int) -> None:
        """Close the socket of a slot that has gone, if it is the last one: the kernel moves the last one into a gap."""
        if slot == len(self._sockets) - 1:
            self._sockets.pop().close()

    def turn_away(self, slot: int) -> None:
        """Close the connections in the queue of a slot that will never have a worker, so that no client waits."""
        with contextlib.suppress(OSError):  # none is left, or there is no descriptor for the next
            while True:
                self._sockets[slot].accept()[0].close()

    def leave(self) -> None:
        """Close the master's sockets; the port is free when the last worker closes its copies."""
        for each in (self._wall, *self._sockets):
            each.close()

    def keep_only(self, slot: int) -> None:
        """In a worker: close every socket except the wall and that of its own slot."""
        for index, other in enumerate(self._sockets):
            if index != slot:
                other.close()

    def refuse_new(self, slot: int) -> None:
        """Let no further connection into the queues; those in them can still be accepted."""
        steer(self._sockets[slot], (TO_THE_WALL,))

    def let_go(self) -> None:
        """Close the wall, so that the port is free when the last slot's socket is closed."""
        self._wall.close()

    def has_waiting(self, slot: int) -> bool:
        """Return whether connections wait in the queue of a slot."""
        return waiting_connections(self._sockets[slot]) > 0

    def close(self) -> None:
        """Free the port."""
        self.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self) -> None:
        """Bind the wall, if no other process listens on the port or is about to, and the first slot's socket."""
        self._wall.setsockopt(IPPROTO_IP, IP_MINTTL, MOST_HOPS)
        if self._family == AF_INET6:
            self._wall.setsockopt(IPPROTO_IPV6, IPV6_MINHOPCOUNT, MOST_HOPS)
        self._listen(self._wall, 0)
        self._port = int(self._wall.getsockname()[1])
        self._wall.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        self.for_slot(0)
        self.choose([0])

    def _bound(self) -> socket:
        bound = self._new()
        bound.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        self._listen(bound, self._backlog)
        bound.setblocking(False)
        return bound

    def _new(self) -> socket:
        try:
            made = socket(self._family, SOCK_STREAM)
        except OSError as error:
            raise self._wish.refused(error) from error
        made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        return made

    def _listen(self, unbound: socket, backlog: int) -> None:
        try:
            unbound.bind((self._address[0], self.port, *self._address[2:]))
            unbound.listen(backlog)
        except OSError as error:
            unbound.close()
            raise self._wish.refused(error) from error


def waiting_connections(listening: socket) -> int:
    """Return the number of connections in the accept queue."""
    information = listening.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
    return int(struct.unpack_from("I", information, TCP_INFO_UNACKED)[0])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and host[0] != "[" else host
