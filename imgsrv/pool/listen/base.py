"""The listener of a pool: a port with a socket for each slot, or one socket that all slots share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from socket import AF_UNIX, socket
from typing import Any, Protocol, Self


class Listener(Protocol):
    """The source of a pool's connections.  The master binds it; workers inherit it and accept from it."""

    @property
    def url(self) -> str:
        """The address for a client on this machine."""
        ...

    @property
    def name(self) -> str:
        """The address for a person who knows the machine, such as `0.0.0.0:8000`."""
        ...

    @property
    def port(self) -> int:
        """The port; 0 if it has none."""
        ...

    @property
    def has_queues(self) -> bool:
        """True if each slot has an accept queue of its own, which only its worker empties."""
        ...

    def for_slot(self, slot: int) -> socket:
        """Return the socket that the slot's worker accepts from.  Raises CannotListen."""
        ...

    def choose(self, slots: Sequence[int]) -> None:
        """Give new connections to these slots only, if each slot has a queue."""
        ...

    def dump(self) -> dict[str, Any]:
        """Return what the next image of the master needs to go on listening, JSON-compatible."""
        ...

    def close_last(self, slot: int) -> None:
        """Close the queue of a slot that has gone; it is the last slot."""
        ...

    def turn_away(self, slot: int) -> None:
        """Close the connections that wait for a slot that will never have a worker."""
        ...

    def leave(self) -> None:
        """In the master: let go of the sockets, so that nothing new comes after the last worker."""
        ...

    def keep_only(self, slot: int) -> None:
        """In a worker: close what is not for its slot."""
        ...

    def refuse_new(self, slot: int) -> None:
        """In a worker that goes with all others: let no further connection into its queue."""
        ...

    def let_go(self) -> None:
        """In a worker that accepts no more: close what else would keep the address taken."""
        ...

    def has_waiting(self, slot: int) -> bool:
        """In a worker: return whether connections wait, or may still come, that this server has to serve."""
        ...

    def close(self) -> None:
        """Give the address back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class SharedListener:
    """A listening socket that all slots share.

    Every worker accepts from it.  It does not matter which one does, because the engines share one queue.
    """

    port = 0
    has_queues = False

    def __init__(self, listening: socket) -> None:
        listening.setblocking(False)
        self._socket = listening
        address = listening.getsockname()
        if listening.family == AF_UNIX:
            self.name = self.url = f"unix:{os.fsdecode(address)}"
        else:
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            self.port, self.name = int(address[1]), f"{host}:{address[1]}"
            self.url = f"http://{host.replace('[::]', '[::1]').replace('0.0.0.0', '127.0.0.1')}:{address[1]}"  # noqa: S104

    def for_slot(self, _slot: int) -> socket:
        """Return the one socket."""
        return self._socket

    def choose(self, _slots: Sequence[int]) -> None:
        """Do nothing: a worker that accepts is ready."""

    def dump(self) -> dict[str, Any]:
        """Return what the next image needs to go on listening."""
        return {"sockets": [self._socket.fileno()]}

    def close_last(self, _slot: int) -> None:
        """Do nothing: the other slots use the socket."""

    def turn_away(self, _slot: int) -> None:
        """Do nothing: any other slot may accept what waits."""

    def leave(self) -> None:
        """Close the master's copy; the workers have theirs."""
        self._socket.close()

    def keep_only(self, _slot: int) -> None:
        """Do nothing: every slot uses the socket."""

    def refuse_new(self, _slot: int) -> None:
        """Do nothing: systemd keeps the socket, and the next instance serves those who wait or come."""

    def let_go(self) -> None:
        """Do nothing: there is no other socket."""

    def has_waiting(self, _slot: int) -> bool:
        """Return False: nobody who waits is lost when this server goes."""
        return False

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
