"""Listening sockets: bound and kept by the master, one for each slot, all on one port.

A slot's socket lives as long as the slot, whichever worker accepts from it, so that a connection which waits in
its accept queue survives the death or replacement of the worker.  A program in the kernel's classic packet filter
language chooses which socket gets a new connection: one of the slots that serve, or, when the server goes, the wall,
which lets nobody in.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from socket import (
    AF_INET6,
    AI_PASSIVE,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_INFO,
    getaddrinfo,
    socket,
)
from typing import Any, Protocol, Self

from imgsrv.errors import CannotListen
from imgsrv.pool.reload.exec import received

SO_ATTACH_REUSEPORT_CBPF = 51
TCP_INFO_BYTES = 104
TCP_INFO_UNACKED = 24
"""In `struct tcp_info` of linux/tcp.h; for a listening socket `unacked` is the length of its accept queue."""

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: `struct sock_filter` of linux/filter.h."""

LOAD_WORD, MODULO, ADD, JUMP_IF_AT_LEAST, RETURN, RETURN_IT = 0x20, 0x94, 0x04, 0x35, 0x06, 0x16
RANDOM = 0xFFFFF000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: an address at which a load gives a random number."""

IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
MOST_HOPS = 255
"""A packet that still has as many comes from a system on the same network that sends with the most; others drop."""


class Listening(Protocol):
    """Where a pool's clients come from: a port with a socket for each slot, or one socket that all slots share."""

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        ...

    @property
    def name(self) -> str:
        """The same for a person who knows the machine, such as `0.0.0.0:8000`."""
        ...

    @property
    def port(self) -> int:
        """The port; 0 where it has none."""
        ...

    def for_slot(self, slot: int) -> socket:
        """What the slot's worker accepts from."""
        ...

    def choose(self, slots: Sequence[int]) -> None:
        """Give new connections to these slots alone, where that can be told."""
        ...

    @property
    def has_queues(self) -> bool:
        """Whether each slot has a queue of its own, which only its worker empties."""
        ...

    def handover(self) -> dict[str, Any]:
        """What the next image of the master needs to go on listening."""
        ...

    def close_last(self, slot: int) -> None:
        """Close the queue of a slot that has gone, the last one."""
        ...

    def turn_away(self, slot: int) -> None:
        """Close what waits for a slot that will never have a worker."""
        ...

    def leave(self) -> None:
        """In the master: let nothing new come once the workers are gone too."""
        ...

    def keep_only(self, slot: int) -> None:
        """In a worker: close what is not its slot's."""
        ...

    def refuse_new(self, slot: int) -> None:
        """In a worker that goes with all others: let no further connection into its queue."""
        ...

    def let_go(self) -> None:
        """In a worker that accepts no more: close what else would keep the address taken."""
        ...

    def has_waiting(self, slot: int) -> bool:
        """In a worker: whether connections wait, or may still come, that this server has to serve."""
        ...

    def close(self) -> None:
        """Give the address back."""
        ...


class Listener:
    """The address, a socket for each slot, and the wall.

    The wall is the first socket of the port.  It is bound without SO_REUSEPORT, of which the kernel lets there be one
    and nobody beside it, and begins to share when it listens.  So a second server on the port is refused, which with
    SO_REUSEPORT alone would share it in silence; and no lock is needed, which any user could hold to keep the server
    from starting.  When the server goes, what arrives is steered to the wall, which drops it, while the queues of the
    slots are emptied: closing a listening socket resets the connections that wait in it.  A packet filter on each
    socket would do the same, but there are kernels (6.18.44) that take one on a TCP socket from root alone.

    passed: what an earlier image of this process has handed over.
    """

    def __init__(self, host: str, port: int, backlog: int, passed: Mapping[str, Any] | None = None) -> None:
        self._host, self._port, self._backlog = host, port, backlog
        self._sockets: list[socket] = []
        self._wished = f"{_bracketed(host)}:{port}"
        self._family, self._address = self._resolve()
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

    def handover(self) -> dict[str, Any]:
        """What the next image needs to go on listening."""
        sockets = [each.fileno() for each in (self._wall, *self._sockets)]
        return {"port": self._port, "sockets": sockets}

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return self._port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104  compared, not bound
        return f"http://{_bracketed(host)}:{self.port}"

    @property
    def name(self) -> str:
        """The address with the port."""
        return f"{_bracketed(self._host)}:{self.port}"

    def for_slot(self, slot: int) -> socket:
        """The socket of a slot, bound and listening from the first time it is asked for."""
        while len(self._sockets) <= slot:
            self._sockets.append(self._bound())
        return self._sockets[slot]

    def choose(self, slots: Sequence[int]) -> None:
        """Give new connections to these slots alone; the queues of the others stay as they are."""
        _steer(self._sockets[0], _choose_one_of(slots))

    def close_last(self, slot: int) -> None:
        """Close the socket of a slot that has gone.  Only the last may: the kernel moves the last into a gap."""
        if slot == len(self._sockets) - 1:
            self._sockets.pop().close()

    def turn_away(self, slot: int) -> None:
        """Close the connections in the queue of a slot that will never have a worker, so that no client waits."""
        with contextlib.suppress(OSError):  # none is left, or there is no descriptor for one
            while True:
                self._sockets[slot].accept()[0].close()

    def leave(self) -> None:
        """Let go of the sockets: the port is free with the last worker's copy."""
        for each in (self._wall, *self._sockets):
            each.close()

    def keep_only(self, slot: int) -> None:
        """In a worker: close every socket but the wall and that of its own slot."""
        for index, other in enumerate(self._sockets):
            if index != slot:
                other.close()

    def refuse_new(self, slot: int) -> None:
        """Let no further connection into the queues; those in them can still be accepted."""
        _steer(self._sockets[slot], (TO_THE_WALL,))

    def let_go(self) -> None:
        """Close the wall, so that the port is free with the last socket of a slot."""
        self._wall.close()

    def has_waiting(self, slot: int) -> bool:
        """Whether connections wait in the queue of a slot."""
        return waiting_connections(self._sockets[slot]) > 0

    def close(self) -> None:
        """Free the port."""
        self.leave()

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

    def _take(self) -> None:
        """Bind the wall, where nobody else listens on the port or is about to, and the first slot's socket."""
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
            raise self._translated(error) from error
        made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        return made

    def _listen(self, unbound: socket, backlog: int) -> None:
        try:
            unbound.bind((self._address[0], self.port, *self._address[2:]))
            unbound.listen(backlog)
        except OSError as error:
            unbound.close()
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> CannotListen:
        reasons = {
            errno.EADDRINUSE: "another process already listens there; stop it or choose another --port",
            errno.EACCES: "ports below 1024 need privileges; choose a higher --port, or grant CAP_NET_BIND_SERVICE",
            errno.EMFILE: "the master may open no more files; raise the limit (ulimit -n) or have fewer workers",
            errno.EADDRNOTAVAIL: "no interface of this machine has that address; choose another --host",
        }
        is_taken = error.errno == errno.EADDRINUSE
        return self._refused(reasons.get(error.errno or 0, str(error)), is_taken=is_taken)

    def _refused(self, reason: str, *, is_taken: bool = False) -> CannotListen:
        return CannotListen(self._wished, reason, is_taken)


def waiting_connections(listening: socket) -> int:
    """Connections in the accept queue."""
    information = listening.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
    return int(struct.unpack_from("I", information, TCP_INFO_UNACKED)[0])


TO_THE_WALL = (RETURN, 0, 0, 0)
"""Sockets are numbered in the order of their binding: the wall has 0, and that of a slot the slot's number and 1."""


def _choose_one_of(slots: Sequence[int]) -> Iterator[Instruction]:
    """A program that returns the socket of one of the slots at random.  Slots that follow each other are one step."""
    yield (LOAD_WORD, 0, 0, RANDOM)
    yield (MODULO, 0, 0, len(slots))
    for distance, following in groupby(enumerate(slots), lambda each: each[1] - each[0]):
        last = deque(following, 1)[0][0]
        yield (JUMP_IF_AT_LEAST, 2, 0, last + 1)
        yield (ADD, 0, 0, distance + 1)
        yield (RETURN_IT, 0, 0, 0)
    yield TO_THE_WALL  # which no number reaches


def _steer(listening: socket, program: Iterable[Instruction]) -> None:
    """Have the program choose among all sockets of the port."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    # Where the kernel has no memory for it the one before stays: some connections wait longer than they had to.
    with contextlib.suppress(OSError):
        listening.setsockopt(
            SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HL", len(code) // 8, ctypes.addressof(memory))
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and host[0] != "[" else host
