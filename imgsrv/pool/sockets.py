"""Listening sockets: bound and kept by the master, one for each slot, all on one port.

A slot's socket lives as long as the slot, whichever worker accepts from it, so that a connection which waits in
its accept queue survives the death or replacement of the worker.  Two programs in the kernel's classic packet
filter language steer what arrives: one chooses among the slots that serve, one lets nothing new into a queue.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import struct
from collections.abc import Iterable, Mapping, Sequence
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
from typing import Any, Protocol, Self

from imgsrv.errors import CannotListen
from imgsrv.pool.takeover import received

SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF = 26, 51
TCP_INFO_BYTES = 104
TCP_INFO_UNACKED = 24
"""In `struct tcp_info` of linux/tcp.h; for a listening socket `unacked` is the length of its accept queue."""

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: `struct sock_filter` of linux/filter.h."""

LOAD_BYTE, LOAD_WORD, MODULO, AND, JUMP_IF_EQUAL, RETURN = 0x30, 0x20, 0x94, 0x54, 0x15, 0x06
RANDOM = 0xFFFFF000 + 56
"""SKF_AD_OFF + SKF_AD_RANDOM: an address at which a load gives a random number."""

TCP_FLAGS_OFFSET, SYN, SYN_OR_ACK = 13, 0x02, 0x12
WHOLE_PACKET = 0x7FFFFFFF

DROP_FIRST_PACKETS = (
    (LOAD_BYTE, 0, 0, TCP_FLAGS_OFFSET),
    (AND, 0, 0, SYN_OR_ACK),
    (JUMP_IF_EQUAL, 0, 1, SYN),
    (RETURN, 0, 0, 0),
    # The packet that completes a handshake must pass: its client counts as connected.
    (RETURN, 0, 0, WHOLE_PACKET),
)


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

    def has_waiting(self, slot: int) -> bool:
        """In a worker: whether connections wait, or may still come, that this server has to serve."""
        ...

    def close(self) -> None:
        """Give the address back."""
        ...


class Listener:
    """The address, its lock and one socket for each slot.

    A second server on the port is refused: SO_REUSEPORT alone would let it share the port in silence.
    passed: what an earlier image of this process has handed over.
    """

    def __init__(self, host: str, port: int, backlog: int, passed: Mapping[str, Any] | None = None) -> None:
        self._host, self._port, self._backlog = host, port, backlog
        self._sockets: list[socket] = []
        self._wished = f"{_bracketed(host)}:{port}"
        self._family, self._address = self._resolve()
        if passed is not None:
            self._port, self._lock = passed["port"], socket(fileno=received(passed["lock"]))
            self._sockets = [socket(fileno=received(descriptor)) for descriptor in passed["sockets"]]
            return
        self._lock = socket(AF_UNIX, SOCK_STREAM)
        try:
            self._take()
        except CannotListen:
            self.close()
            raise

    has_queues = True

    def handover(self) -> dict[str, Any]:
        """What the next image needs to go on listening."""
        sockets = [each.fileno() for each in self._sockets]
        return {"port": self._port, "lock": self._lock.fileno(), "sockets": sockets}

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
        _attach(self._sockets[0], SO_ATTACH_REUSEPORT_CBPF, _choose_one_of(slots))

    def close_last(self, slot: int) -> None:
        """Close the socket of a slot that has gone.  Only the last may: the kernel moves the last into a gap."""
        if slot == len(self._sockets) - 1:
            self._sockets.pop().close()

    def turn_away(self, slot: int) -> None:
        """Close the connections in the queue of a slot that will never have a worker, so that no client waits."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._sockets[slot].accept()[0].close()

    def leave(self) -> None:
        """Let go of the sockets but not of the lock: the port is free to close with the last worker's copy."""
        for each in self._sockets:
            each.close()

    def keep_only(self, slot: int) -> None:
        """In a worker: close the lock and every socket but that of its own slot."""
        self._lock.close()
        for index, other in enumerate(self._sockets):
            if index != slot:
                other.close()

    def refuse_new(self, slot: int) -> None:
        """Let no further connection into the queue of a slot."""
        refuse_new(self._sockets[slot])

    def has_waiting(self, slot: int) -> bool:
        """Whether connections wait in the queue of a slot."""
        return waiting_connections(self._sockets[slot]) > 0

    def close(self) -> None:
        """Free the port."""
        self.leave()
        self._lock.close()

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
        if self._port:
            self._probe()
        self._port = int(self.for_slot(0).getsockname()[1])
        try:
            # The kernel drops an abstract name with its last holder: no stale lock file is ever left.
            self._lock.bind(f"\0imgsrv:{self._address[0]}:{self.port}")
        except OSError as error:
            raise self._refused("another imgsrv already serves this port") from error

    def _probe(self) -> None:
        """Bind once without SO_REUSEPORT, which fails where anything listens already."""
        with socket(self._family, SOCK_STREAM) as probe:
            probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            self._listen(probe)

    def _bound(self) -> socket:
        try:
            bound = socket(self._family, SOCK_STREAM)
        except OSError as error:
            raise self._translated(error) from error
        bound.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        bound.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        self._listen(bound)
        bound.setblocking(False)
        return bound

    def _listen(self, unbound: socket) -> None:
        try:
            unbound.bind((self._address[0], self.port, *self._address[2:]))
            unbound.listen(self._backlog)
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


def refuse_new(listening: socket) -> None:
    """Let no further connection into the accept queue; those in it can still be accepted.

    Closing a listening socket resets the connections in its queue.  A packet filter that drops every first packet
    of a connection makes the queue stop growing first, so that it can be emptied and closed without losing one.
    """
    _attach(listening, SO_ATTACH_FILTER, DROP_FIRST_PACKETS)


def waiting_connections(listening: socket) -> int:
    """Connections in the accept queue."""
    information = listening.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_BYTES)
    return int(struct.unpack_from("I", information, TCP_INFO_UNACKED)[0])


def _choose_one_of(slots: Sequence[int]) -> Iterable[Instruction]:
    """A program that returns one of the slots at random; sockets are numbered in the order of their binding."""
    yield (LOAD_WORD, 0, 0, RANDOM)
    yield (MODULO, 0, 0, len(slots))
    for index, slot in enumerate(slots):
        yield (JUMP_IF_EQUAL, 0, 1, index)
        yield (RETURN, 0, 0, slot)
    yield (RETURN, 0, 0, slots[0])


def _attach(listening: socket, option: int, program: Iterable[Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    memory = ctypes.create_string_buffer(code, len(code))
    listening.setsockopt(SOL_SOCKET, option, struct.pack("HL", len(code) // 8, ctypes.addressof(memory)))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and host[0] != "[" else host
