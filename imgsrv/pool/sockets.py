"""Listening sockets: bound and kept by the master, one for each slot, all on one port.

A slot's socket lives as long as the slot, whichever worker accepts from it, so that a connection which waits in
its accept queue survives the death or replacement of the worker.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from socket import (
    AF_UNIX,
    AI_PASSIVE,
    IPPROTO_TCP,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_INFO,
    getaddrinfo,
    socket,
)
from typing import Self

from imgsrv.errors import CannotListen

SO_ATTACH_FILTER = 26
TCP_INFO_BYTES = 104
TCP_INFO_UNACKED = 24
"""In `struct tcp_info` of linux/tcp.h; for a listening socket `unacked` is the length of its accept queue."""


class Listener:
    """The address, its lock and one socket for each slot.

    A second server on the port is refused: SO_REUSEPORT alone would let it share the port in silence.
    """

    def __init__(self, host: str, port: int, backlog: int) -> None:
        self._host, self._port, self._backlog = host, port, backlog
        self._sockets: list[socket] = []
        self._family, self._address = self._resolve()
        if port:
            self._probe()
        # The kernel drops an abstract name with its last holder: no stale lock file is ever left.
        self._lock = socket(AF_UNIX, SOCK_STREAM)
        self.for_slot(0)
        try:
            self._lock.bind(f"\0imgsrv:{self.port}")
        except OSError as error:
            raise self._refused("another imgsrv already serves this port") from error

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else self._port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104  compared, not bound
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    def for_slot(self, slot: int) -> socket:
        """The socket of a slot, bound and listening from the first time it is asked for."""
        while len(self._sockets) <= slot:
            self._sockets.append(self._bound())
        return self._sockets[slot]

    def keep_only(self, slot: int) -> None:
        """In a worker: close the lock and every socket but that of its own slot."""
        self._lock.close()
        for index, other in enumerate(self._sockets):
            if index != slot:
                other.close()

    def close(self) -> None:
        """Free the port."""
        for each in (*self._sockets, self._lock):
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _resolve(self) -> tuple[int, tuple[object, ...]]:
        try:
            found = getaddrinfo(self._host, self._port, type=SOCK_STREAM, flags=AI_PASSIVE)
        except OSError as error:
            raise self._refused(
                f"{self._host} is no address of this machine ({error}); choose one with --host"
            ) from error
        family, _kind, _protocol, _name, address = found[0]
        return family, address

    def _probe(self) -> None:
        """Bind once without SO_REUSEPORT, which fails where anything listens already."""
        with socket(self._family, SOCK_STREAM) as probe:
            probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            self._bind(probe)
            try:
                probe.listen(1)
            except OSError as error:
                raise self._translated(error) from error

    def _bound(self) -> socket:
        bound = socket(self._family, SOCK_STREAM)
        bound.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        bound.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        self._bind(bound)
        bound.listen(self._backlog)
        bound.setblocking(False)
        return bound

    def _bind(self, unbound: socket) -> None:
        try:
            unbound.bind((self._address[0], self.port, *self._address[2:]))
        except OSError as error:
            unbound.close()
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> CannotListen:
        reasons = {
            errno.EADDRINUSE: "another process already listens there; stop it or choose another --port",
            errno.EACCES: "ports below 1024 need privileges; choose a higher --port, or grant CAP_NET_BIND_SERVICE",
            errno.EADDRNOTAVAIL: "no interface of this machine has that address; choose another --host",
        }
        return self._refused(reasons.get(error.errno or 0, str(error)))

    def _refused(self, reason: str) -> CannotListen:
        return CannotListen(f"{self._host}:{self._port}", reason)


def refuse_new(listening: socket) -> None:
    """Let no further connection into the accept queue; those in it can still be accepted.

    Closing a listening socket resets the connections in its queue.  A packet filter that drops everything makes
    the queue stop growing first, so that it can be emptied and closed without losing one.
    """
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    listening.setsockopt(SOL_SOCKET, SO_ATTACH_FILTER, program)


def waiting_connections(listening: socket) -> int:
    """Connections in the accept queue."""
    information = listening.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
    return int(struct.unpack_from("I", information, TCP_INFO_UNACKED)[0])
