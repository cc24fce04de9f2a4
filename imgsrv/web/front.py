"""The front of a worker: accepts connections, serves the app on them, and drains without losing one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from imgsrv.errors import ImgsrvError, OutOfResources
from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.web.http.body import Files
from imgsrv.web.http.connection import Connection
from imgsrv.web.http.proxy_headers import Proxies

NEVER_S = 86_400
"""uvicorn's own keep-alive timer; `Connection` has its own, which knows about draining."""


class Front:
    """Every connection of one worker, and the app behind them.  app: an ASGI application.

    refusal: why a picture that came now would be refused, if it would; set by whoever knows.
    last_words: what is still to be sent to others when the last client has gone.
    """

    def __init__(self, app: Any, settings: Settings, row: Row, log: Logger) -> None:
        self.settings = settings
        self.is_draining = False
        self.files = Files()
        self.proxies = Proxies(settings.trusted_proxies)
        self.refusal: Callable[[], ImgsrvError | None] = lambda: None
        self.last_words: Callable[[], Awaitable[None]] | None = None
        self.config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=NEVER_S,
        )
        self.config.load()
        self.server_state = ServerState()
        self.loop = asyncio.get_running_loop()
        self._row, self._log = row, log
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._nobody_left = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections from the socket."""
        self._server = await self.loop.create_server(
            lambda: Connection(self), sock=listening, backlog=self.settings.backlog
        )

    def begin_drain(self) -> None:
        """From now on every answer says `Connection: close`, and idle connections are closed after a moment."""
        self.is_draining = True
        for connection in list(self._connections):
            connection.begin_drain()

    def stop_accepting(self) -> None:
        """Let go of the listening socket."""
        if self._server is not None:
            self._server.close()

    async def finished(self) -> None:
        """Return when no client is left, and the last words are out."""
        while self._connections:
            self._nobody_left.clear()
            await self._nobody_left.wait()
        if self.last_words is not None:
            await self.last_words()

    # ---- what connections call ------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Count a connection in."""
        self._connections.add(connection)
        self._row.set("connections", len(self._connections))

    def closed(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        self._row.set("connections", len(self._connections))
        if not self._connections:
            self._nobody_left.set()

    def no_preface(self, reason: str) -> None:
        """Log a connection that was closed because it did not begin as the PROXY protocol asks."""
        self._log.warning("proxy_header_refused", reason=reason)

    def refused(self, error: ImgsrvError, request_id: str) -> None:
        """Count and log a request that never reached the app."""
        self._row.add("requests")
        self._row.add(f"error_{error.code}")
        if isinstance(error, OutOfResources):
            self._log.warning("request_failed", request_id=request_id, code=error.code, reason=str(error))
        if self.settings.access_log:
            self._log.info(
                "request_refused", request_id=request_id, status=error.status_hint, code=error.code, reason=str(error)
            )
