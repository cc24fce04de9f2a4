"""The gate around the app: a request's id, its line in the log, its place in the statistics, its last word."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Protocol

from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings_checks import UNIX
from imgsrv.web.http.body import Body
from imgsrv.web.http.proxy_headers import Proxies
from imgsrv.web.problems import request_id_of
from imgsrv.web.tracing import Tracing

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Drainable(Protocol):
    """The one thing the gate asks of the front."""

    is_draining: bool


class Gate:
    """ASGI middleware, once around the whole app.  front: set when there is one."""

    def __init__(
        self, app: App, row: Row, log: Logger, proxies: Proxies, tracing: Tracing | None, *, logs_access: bool
    ) -> None:
        self._app, self._row, self._log, self._proxies, self._logs_access = app, row, log, proxies, logs_access
        self._tracing = tracing
        self.front: Drainable | None = None

    async def __call__(self, scope: Message, _receive: Receive, send: Send) -> None:
        """Serve one request."""
        state = scope["state"]
        state["started"] = time.monotonic()
        state["request_id"] = request_id_of(scope["headers"])
        self._believe(scope)
        body: Body = state["body"]
        answer = {"status": 0, "bytes": 0}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                message["headers"] = [*message["headers"], *self._headers(state["request_id"], body)]
            else:
                answer["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, _no_stream, sending)
        finally:
            self._record(scope, body, answer)

    def _believe(self, scope: Message) -> None:
        """Take over what a trusted proxy says of its client."""
        if self._proxies and self._proxies.trusts(scope["client"]):
            self._proxies.forwarded(scope)

    def _headers(self, request_id: str, body: Body) -> list[tuple[bytes, bytes]]:
        headers = [(b"date", formatdate(usegmt=True).encode()), (b"x-request-id", request_id.encode())]
        if (self.front is not None and self.front.is_draining) or not body.keeps_connection:
            headers.append((b"connection", b"close"))
        return headers

    def _record(self, scope: Message, body: Body, answer: dict[str, int]) -> None:
        state = scope["state"]
        seconds = time.monotonic() - state["started"]
        self._row.add("requests")
        self._row.add("bytes_in", body.received)
        self._row.add("bytes_out", answer["bytes"])
        self._row.observe_request(seconds)
        if stages := state.get("stages"):
            self._row.observe_stages(stages)
        if code := state.get("code"):
            self._row.add(f"error_{code}")
        traced = {}
        if self._tracing is not None:
            sizes = body.received, answer["bytes"]
            traced["trace_id"] = self._tracing.add(scope, answer["status"], sizes, seconds)
        if self._logs_access:
            self._log.info(
                "request",
                request_id=state["request_id"],
                method=scope["method"],
                client=scope["client"][0] if scope["client"] else UNIX,
                scheme=scope["scheme"],
                path=scope["path"],
                query=scope["query_string"].decode("ascii", "replace"),
                status=answer["status"],
                code=code,
                bytes_in=body.received,
                bytes_out=answer["bytes"],
                ms=round(seconds * 1000, 1),
                **state.get("timings", {}),
                **traced,
            )


async def _no_stream() -> Message:
    """What the app gets for a request: nothing more to come, because bodies go into their memfd."""
    return {"type": "http.request", "body": b"", "more_body": False}
