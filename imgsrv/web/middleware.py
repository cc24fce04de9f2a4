"""The gate around the app: headers that every answer has, and the log line, counts and trace of every request."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache

from imgsrv.observe.fields import WORK
from imgsrv.observe.log.logger import Logger
from imgsrv.observe.scoreboard import Row
from imgsrv.settings_checks import UNIX
from imgsrv.web.access.signatures import unsigned
from imgsrv.web.clients import client_of
from imgsrv.web.counting import count_answer
from imgsrv.web.http.host import App, Drain, Message, Quick, Receive, Send
from imgsrv.web.http.proxy_headers import Proxies
from imgsrv.web.sources.naming import masked
from imgsrv.web.state import RequestState, state_in
from imgsrv.web.tracing import Tracing

REFUSALS = 300
"""Statuses from here on give no picture."""

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
"""A browser must not take a picture for a script, whatever its bytes look like."""


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(
        self,
        app: App,
        row: Row,
        log: Logger,
        proxies: Proxies,
        drain: Drain,
        tracing: Tracing | None,
        *,
        logs_access: bool,
    ) -> None:
        self._app, self._row, self._log, self._proxies, self._drain = app, row, log, proxies, drain
        self._tracing, self._logs_access = tracing, logs_access

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        state = state_in(scope)
        state.peer = scope["client"]
        if self._proxies and self._proxies.trusts(scope["client"]):
            state.has_proxy = True
            self._proxies.forwarded(scope)
        state.client = client_of(scope["client"])
        status = sent = 0

        async def sending(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers(state)]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            state.on_end()
            self._record(scope, state, status, sent)

    def record_quick(self, quick: Quick) -> None:
        """Count and log a request that was answered at its head; see web/cache/quick.py."""
        seconds, row = time.monotonic() - quick.started, self._row
        row.add("requests")
        row.observe_request(seconds)
        if quick.sent:
            row.add("bytes_out", quick.sent)
            row.add("cache_hits")
            row.add("cache_hit_bytes", quick.sent)
        else:
            row.add("cache_not_modified")
        path, _, query = quick.target.partition(b"?")
        count_answer(row, path.decode("ascii", "replace"), quick.status, (quick.format,) if quick.sent else ())
        if self._logs_access:
            scope: Message = {"client": quick.client, "headers": quick.headers, "scheme": "http"}
            if self._proxies and self._proxies.trusts(quick.client):
                self._proxies.forwarded(scope)
            self._log.info(
                "request",
                request_id=quick.request_id,
                method="GET",
                client=scope["client"][0] if scope["client"] else UNIX,
                scheme=scope["scheme"],
                path=path.decode("ascii", "replace"),
                query=masked(query.decode("ascii", "replace")),
                status=quick.status,
                code=None,
                bytes_in=0,
                bytes_out=quick.sent,
                ms=round(seconds * 1000, 1),
                **({"cache": "hit"} if quick.sent else {}),
            )

    def _headers(self, state: RequestState) -> list[tuple[bytes, bytes]]:
        headers = [(b"date", _date(int(time.time()))), (b"x-request-id", state.request_id.encode()), NO_SNIFFING]
        headers += state.headers
        if self._drain.has_begun or not state.body.keeps_connection:
            headers.append((b"connection", b"close"))
        return headers

    def _record(self, scope: Message, state: RequestState, status: int, sent: int) -> None:
        """Count the request; log and trace it where that is asked for.  sent: bytes of the answer's body."""
        seconds, received = time.monotonic() - state.started, state.body.received - state.body.fetched
        self._row.add("requests")
        self._row.add("bytes_in", received)
        self._row.add("bytes_out", sent)
        if not state.is_stream:
            self._row.observe_request(seconds)
        count_answer(self._row, scope["path"], status, state.formats if status < REFUSALS else ())
        if state.stages:
            self._row.observe_stages(state.stages)
            if (predicted := state.prediction) is not None:
                worked_s = sum(state.stages[stage] for stage in WORK)
                self._row.observe_prediction(predicted.kind, predicted.seconds, worked_s)
        if state.code:
            self._row.add(f"error_{state.code}")
        traced = {}
        who = {name: value for name, value in (("key", state.key), ("signer", state.signer)) if value is not None}
        if self._tracing is not None:
            traced["trace_id"] = self._tracing.add(scope, status, (received, sent), seconds)
        if self._logs_access:
            self._log.info(
                "request",
                request_id=state.request_id,
                method=scope["method"],
                client=scope["client"][0] if scope["client"] else UNIX,
                scheme=scope["scheme"],
                path=scope["path"],
                query=masked(unsigned(scope["query_string"]).decode("ascii", "replace")),
                status=status,
                code=state.code,
                bytes_in=received,
                bytes_out=sent,
                ms=round(seconds * 1000, 1),
                **state.stages_ms,
                **({"cache": state.cache} if state.cache else {}),
                **({"source_bytes": state.body.fetched} if state.body.fetched else {}),
                **who,
                **traced,
            )


@lru_cache(maxsize=1)
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()
