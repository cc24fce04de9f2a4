"""One request's run through the app, and its answer on the wire.

This is the part of ASGI that Falcon uses: an `http` scope, a `receive` without a body, because bodies go into their
memfd, and a `send` that is called for a head and for one or more pieces of a body.
"""

from __future__ import annotations

import http
import time
from collections.abc import Callable

from imgsrv.errors import InternalError
from imgsrv.observe.log.logger import Logger
from imgsrv.web.http.body import Body
from imgsrv.web.http.host import App, Message, Wire
from imgsrv.web.problems import raw_answer, request_id_of
from imgsrv.web.state import KEY, RequestState

WITHOUT_BODY = (204, 304)
"""Statuses of answers that end with their head."""

PHRASES = {status.value: status.phrase for status in http.HTTPStatus}

STATUS_LINES = {status: f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode() for status in range(100, 600)}


JOINED_BYTES = 65_536
"""The first piece of a body up to this size is written with the head: one call of the kernel, and one segment less."""


class Cycle:
    """A request and its answer.

    keeps_alive: the connection may serve another request after it.  awaits_continue: the client waits for
    `100 Continue` before it sends the body.  on_complete: called when the answer has been written.
    """

    __slots__ = (
        *("_body", "_held", "_is_chunked", "_on_complete", "_wire", "scope"),
        *("awaits_continue", "has_started", "is_complete", "keeps_alive"),
    )

    def __init__(
        self,
        wire: Wire,
        scope: Message,
        body: Body,
        on_complete: Callable[[], None],
        *,
        keeps_alive: bool,
        awaits_continue: bool,
    ) -> None:
        self._wire, self.scope, self._body, self._on_complete = wire, scope, body, on_complete
        self.keeps_alive, self.awaits_continue = keeps_alive, awaits_continue
        self.has_started = self.is_complete = self._is_chunked = False
        self._held = b""

    async def run(self, app: App, log: Logger) -> None:
        """Let the app answer the request."""
        request_id = request_id_of(self.scope["headers"])
        self.scope[KEY] = RequestState(request_id, self._body, time.monotonic(), self._wire.when_sent)
        try:
            await app(self.scope, _receive, self.send)
        except Exception:
            # Falcon turns errors into answers; this is for faults around it, which would leave the client waiting.
            log.exception("request_failed", request_id=request_id, path=self.scope["path"])
        if not self.is_complete and not self._wire.is_closing():
            if not self.has_started:
                self._wire.write(raw_answer(InternalError(), request_id))
            self.is_complete = True
            self._wire.close()

    async def send(self, message: Message) -> None:
        """Write a piece of the body; the first one with the head, which is held until then."""
        if self._wire.blocked is not None:
            await self._wire.blocked.wait()
        if self._wire.is_closing():
            return
        if message["type"] == "http.response.start":
            self._held = self._head(message)
        else:
            self._write_body(message.get("body", b""), is_last=not message.get("more_body", False))

    def _head(self, message: Message) -> bytes:
        status = message["status"]
        lines, has_length, says_close = [STATUS_LINES[status]], False, False
        for name, value in message["headers"]:
            if name == b"content-length":
                has_length = True
            elif name == b"connection" and value == b"close":
                self.keeps_alive, says_close = False, True
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keeps_alive and not says_close:
            lines.append(b"connection: close\r\n")
        if not has_length and self.scope["method"] != "HEAD" and status not in WITHOUT_BODY:
            self._is_chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines):
            raise RuntimeError("a header of the answer contains the end of a line")
        return head + b"\r\n"

    def _write_body(self, data: bytes, *, is_last: bool) -> None:
        if self.scope["method"] == "HEAD":
            data = b""
        elif self._is_chunked:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data = chunk + b"0\r\n\r\n" if is_last else chunk
        head, self._held, self.has_started = self._held, b"", True
        if head and len(data) <= JOINED_BYTES:
            data, head = head + data, b""
        for part in (head, data):
            if part:
                self._wire.write(part)
        if is_last:
            self.is_complete = True
            if not self.keeps_alive:
                self._wire.close()
            self._on_complete()


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
