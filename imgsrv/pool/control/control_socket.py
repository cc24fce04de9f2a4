"""The control socket, served by the master's loop: a line of JSON in, lines of JSON out.

    {"command": "scale", "argument": "+1"}
    {"progress": {"slot": 2, "step": "ready"}}
    {"ok": true, "result": {"size": 3}}            or   {"ok": false, "error": "why not"}

Nothing here waits.  Bytes from a client are read as they come; answers that it has not read are kept up to a bound; a
client that neither sends nor reads is dropped.  One request of each client is answered in a turn of the loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import struct
import time
from collections.abc import Callable, Sequence
from socket import SO_PEERCRED, SOL_SOCKET, socket
from typing import Any

from imgsrv.pool.caller import Caller
from imgsrv.pool.control.instances import Claim
from imgsrv.pool.descriptors import received

MOST_CLIENTS = 32

LONGEST_REQUEST = 64 << 10

MOST_UNREAD = 1 << 20
"""Bytes of answers that a client may leave unread before it is dropped."""

PATIENCE_S = 10.0
"""A client is dropped if it takes longer to send a request, or to read an answer."""

CREDENTIALS = struct.Struct("3i")
"""`struct ucred`: the process, user and group of a peer."""


Obey = Callable[[str, str | None, Caller], None]
"""Carries out a command with an argument for a caller, at once or later."""


class Client:
    """One connection to the control socket, and the caller of the request on it."""

    def __init__(self, connection: socket, watch: Callable[[Client, int], None], clock: Callable[[], float]) -> None:
        self.connection, self._watch, self._clock = connection, watch, clock
        self.name = "command"
        self.is_waiting = self.is_over = False
        self._got, self._unread = bytearray(), bytearray()
        self._has_all = False
        self._active_at = clock()

    def progress(self, **facts: Any) -> None:
        """Report a step on the way."""
        self._say({"progress": facts})

    def done(self, result: Any = None) -> None:
        """Answer that the command is done."""
        self._answer({"ok": True, "result": result})

    def failed(self, reason: str) -> None:
        """Answer that the command has failed or is refused."""
        self._answer({"ok": False, "error": reason})

    def serve(self) -> None:
        """Receive and send as much as is possible now."""
        self._receive()
        self._send()

    def request(self) -> bytes | None:
        """Return the next request, if it is complete and no other one is being answered."""
        if self.is_waiting or self._unread:
            return None
        end = self._got.find(b"\n")
        if end < 0:
            if len(self._got) > LONGEST_REQUEST:
                self.failed(f"a request may have {LONGEST_REQUEST} bytes")
                self.is_over = True
            return None
        line = bytes(self._got[:end])
        del self._got[: end + 1]
        self._active_at = self._clock()
        self.is_waiting = True
        return line

    def has_request(self) -> bool:
        """Return whether a request can be answered in the next turn."""
        return not self.is_waiting and not self._unread and b"\n" in self._got

    def has_lost_patience(self, now: float) -> bool:
        """Return whether the client has done nothing for too long: it neither asks, nor waits, nor reads."""
        return (not self.is_waiting or bool(self._unread)) and now - self._active_at > PATIENCE_S

    @property
    def order(self) -> tuple[bool, float]:
        """Eviction key: idle clients first, the longest idle first."""
        return self.is_waiting, self._active_at

    def _receive(self) -> None:
        if len(self._got) > LONGEST_REQUEST:
            return
        try:
            data = self.connection.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            self.is_over = True
            return
        if not data:
            # The client may still wait for the answer to an earlier request.
            self._has_all = True
            self.is_over = self.is_over or not (self.is_waiting or self._unread or b"\n" in self._got)
        self._got += data
        self._look()

    def _answer(self, message: dict[str, Any]) -> None:
        self.is_waiting = False
        self._say(message)

    def _say(self, message: dict[str, Any]) -> None:
        if self.is_over:
            return
        self._unread += json.dumps(message, ensure_ascii=False, default=str).encode() + b"\n"
        self._send()

    def _send(self) -> None:
        try:
            while self._unread:
                sent = self.connection.send(self._unread)
                del self._unread[:sent]
                self._active_at = self._clock()
        except BlockingIOError:
            self.is_over = self.is_over or len(self._unread) > MOST_UNREAD
        except OSError:
            self.is_over = True
        if self._has_all and not (self.is_waiting or self._unread or b"\n" in self._got):
            self.is_over = True
        self._look()

    def _look(self) -> None:
        """Let the loop wake for what can be done next."""
        wants_more = not self._has_all and len(self._got) <= LONGEST_REQUEST
        events = selectors.EVENT_READ if wants_more else 0
        self._watch(self, events | (selectors.EVENT_WRITE if self._unread else 0))


class Control:
    """The control socket and its clients.

    passed: descriptors of clients that the image before has passed on, because they wait for an answer.
    """

    def __init__(self, claim: Claim, passed: Sequence[int] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._claim, self._passed, self._clock = claim, passed, clock
        self._clients: list[Client] = []
        self._selector: selectors.BaseSelector
        self._obey: Obey

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self._claim.place.name

    def open(self, selector: selectors.BaseSelector, obey: Obey) -> None:
        """Begin to listen.  obey: called with each request."""
        self._selector, self._obey = selector, obey
        selector.register(self._claim.listening, selectors.EVENT_READ, self._accept)
        for descriptor in self._passed:
            client = Client(socket(fileno=received(descriptor)), self._watch, self._clock)
            client.connection.setblocking(False)
            client.is_waiting = True
            self._clients.append(client)
            client.serve()

    def waiting(self) -> list[Client]:
        """Return the clients that wait for an answer."""
        return [client for client in self._clients if client.is_waiting]

    def dump(self, caller: Caller) -> dict[str, Any]:
        """Return what the next image needs to go on listening, and to answer the caller."""
        clients = [client.connection.fileno() for client in self._clients if client is caller and not client.is_over]
        return {"listening": self._claim.listening.fileno(), "lock": self._claim.lock, "clients": clients}

    def turn(self) -> None:
        """Answer one request of each client, and drop clients that are done."""
        now = self._clock()
        for client in list(self._clients):
            line = client.request()
            if line is not None:
                self._hear(client, line)
            if client.is_over or client.has_lost_patience(now):
                self._drop(client)

    def has_work(self) -> bool:
        """Return whether the next turn of the loop must not wait."""
        return any(client.has_request() for client in self._clients)

    def let_go(self) -> None:
        """In a worker: close what is the master's."""
        for client in self._clients:
            client.connection.close()
        self._claim.let_go()

    def close(self) -> None:
        """Stop listening.  Clients can still read what was sent."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._claim.listening)
        for client in list(self._clients):
            self._drop(client)

    def _accept(self) -> None:
        try:
            connection = self._claim.listening.accept()[0]
        except OSError:
            # The client has gone already, or there is no descriptor for it; then the next turn tries again.
            return
        if _user_of(connection) not in (0, os.geteuid()):
            connection.close()
            return
        if len(self._clients) >= MOST_CLIENTS:
            self._drop(min(self._clients, key=lambda client: client.order))
        connection.setblocking(False)
        client = Client(connection, self._watch, self._clock)
        self._clients.append(client)
        client.serve()

    def _hear(self, client: Client, line: bytes) -> None:
        try:
            command, argument = _request(line)
        # The errors of json for garbage: endless numbers, endless nesting, no text at all.
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            client.failed(f'a request is a line such as {{"command": "status"}}; this is none: {error}'[:500])
            return
        self._obey(command, argument, client)

    def _watch(self, client: Client, events: int) -> None:
        if client.connection.fileno() < 0:
            return
        with contextlib.suppress(KeyError):
            self._selector.unregister(client.connection)
        if events:
            self._selector.register(client.connection, events, client.serve)

    def _drop(self, client: Client) -> None:
        client.is_over = True
        self._clients.remove(client)
        self._watch(client, 0)
        client.connection.close()


def _request(line: bytes) -> tuple[str, str | None]:
    request = json.loads(line)
    command, argument = request["command"], request.get("argument")
    if not isinstance(command, str) or not isinstance(argument, str | None):
        raise TypeError("command and argument are texts")
    return command, argument


def _user_of(connection: socket) -> int:
    return int(CREDENTIALS.unpack(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, CREDENTIALS.size))[1])
