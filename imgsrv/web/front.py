"""The front of a worker: accepts connections, serves the app on them, and drains without losing one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from imgsrv.errors import ImgsrvError, OutOfResources
from imgsrv.observe.answers import OTHER
from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.web.counting import count_answer
from imgsrv.web.http.body import BodyBudget, Files
from imgsrv.web.http.connection import Connection
from imgsrv.web.http.host import App, Drain, Drainable, Headers, Quick
from imgsrv.web.http.outflow import Outflow
from imgsrv.web.http.proxy_headers import Client, Proxies

Door = tuple[socket.socket, "Callable[[Front], asyncio.BaseProtocol]"]
"""A further address: its socket, which all workers share, and what makes the protocol of a connection there."""


class Front:
    """All connections of one worker, and the app behind them.  It is the `Host` of its connections.

    drain: begun by this front and read by all that share it.  budget: of memory, for bodies.
    refusal: gives the error for a picture of a client that came now.
    close_app: awaited when the last client has gone.  headers_for: gives what every answer to a request has besides.
    quick: see `Host`.  doors: further addresses, on which connections are accepted as long as this front accepts.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        row: Row,
        log: Logger,
        proxies: Proxies,
        drain: Drain,
        budget: BodyBudget,
        refusal: Callable[[Client], ImgsrvError | None],
        close_app: Callable[[], Awaitable[None]] | None,
        headers_for: Callable[[Headers], Headers] = lambda _request: [],
        quick: Callable[[Quick], tuple[bytes, memoryview | bytes] | None] | None = None,
        doors: Sequence[Door] = (),
    ) -> None:
        self.quick = quick
        self.app, self.settings, self.log = app, settings, log
        self.proxies, self.drain = proxies, drain
        self.refusal, self.headers_for = refusal, headers_for
        self.files = Files(budget)
        self.loop = asyncio.get_running_loop()
        # The loop itself keeps only weak references to tasks.
        self.tasks: set[asyncio.Task[None]] = set()
        self._row, self._close_app = row, close_app
        self._connections: set[Drainable] = set()
        self._unsent: dict[Outflow, int] = {}
        self._unsent_bytes = 0
        self._doors = doors
        self._servers: list[asyncio.Server] = []
        self._nobody_left = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections from the socket."""
        self._servers = [
            await self.loop.create_server(lambda: Connection(self), sock=listening, backlog=self.settings.backlog)
        ]
        for shared, make_protocol in self._doors:
            # The worker's own descriptor: closing it leaves that of the other workers.
            made = await self.loop.create_server(partial(make_protocol, self), sock=shared.dup())
            self._servers.append(made)

    def begin_drain(self) -> None:
        """From now on every answer says `Connection: close`, and idle connections are closed after a moment."""
        self.drain.has_begun = True
        for connection in list(self._connections):
            connection.begin_drain()

    def stop_accepting(self) -> None:
        """Close the listening sockets."""
        for server in self._servers:
            server.close()
        for shared, _make_protocol in self._doors:
            shared.close()

    async def finished(self) -> None:
        """Return when no client is left and the app is closed."""
        while self._connections:
            self._nobody_left.clear()
            await self._nobody_left.wait()
        if self._close_app is not None:
            await self._close_app()

    # ---- what connections call ------------------------------------------------------------------------

    def opened(self, connection: Drainable) -> None:
        """Count a connection in."""
        self._connections.add(connection)
        self._row.set("connections", len(self._connections))

    def closed(self, connection: Drainable) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        self._row.set("connections", len(self._connections))
        if not self._connections:
            self._nobody_left.set()

    def unsent(self, outflow: Outflow, size: int) -> None:
        """Note the bytes that wait for a client that reads slowly; the worker stays as long as there is one."""
        self._unsent_bytes += size - self._unsent.pop(outflow, 0)
        if size:
            self._unsent[outflow] = size
        self._row.set("sending", len(self._unsent))
        self._row.set("unsent_bytes", self._unsent_bytes)

    def unread(self, size: int) -> None:
        """Count and log a client that was cut off, because it did not read its answer."""
        self._row.add("answers_cut")
        self.log.info("answer_not_read", unread_bytes=size)

    def preface_refused(self, reason: str) -> None:
        """Log a connection that was closed because it does not begin as the PROXY protocol asks."""
        self.log.warning("proxy_header_refused", reason=reason)

    def request_refused(self, error: ImgsrvError, request_id: str) -> None:
        """Count and log a request that never reached the app."""
        self._row.add("requests")
        self._row.add(f"error_{error.code}")
        count_answer(self._row, OTHER, error.status_hint)
        if isinstance(error, OutOfResources):
            self.log.warning("request_failed", request_id=request_id, code=error.code, reason=str(error))
        if self.settings.access_log:
            self.log.info(
                "request_refused", request_id=request_id, status=error.status_hint, code=error.code, reason=str(error)
            )
