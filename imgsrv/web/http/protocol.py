"""uvicorn's HTTP protocol with the bodies taken out: heads in, answers out.

Every method of uvicorn that is overridden or relied on is in this module; tests/web/http/test_connections.py tests all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from imgsrv.errors import BadHttp, HeadersTooLarge, ImgsrvError
from imgsrv.web.http.body import UNREAD_KEPT, Body
from imgsrv.web.problems import request_id_of

if TYPE_CHECKING:
    from imgsrv.web.front import Front
    from imgsrv.web.http.connection import Connection


MOST_WAITING = 64
"""Requests on one connection behind the one at work: a segment holds thousands of small ones, each an object here."""


class Parser(HttpToolsProtocol):
    """The protocol of one connection.  It is driven by `Connection` and tells it what it finds."""

    def __init__(self, connection: Connection, front: Front) -> None:
        super().__init__(front.config, front.server_state, {}, front.loop)
        self._connection, self._front = connection, front
        self._max_header, self._files = front.settings.max_header, front.files
        self._body: Body | None = None
        self._fault: ImgsrvError | None = None
        self.is_in_head = self.has_passed_head = False
        self.has_body_bytes = False
        self.head_bytes = self.framing_bytes = 0

    def is_answering(self) -> bool:
        """A request is being worked on."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def send_continue(self) -> None:
        """`100 Continue`, if the client waits for it."""
        if self.cycle.waiting_for_100_continue and not self.cycle.response_started:
            self.cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def body_bypassed(self) -> None:
        """A body went past the parser, which waits for it still: the next request needs a new one."""
        self.parser = httptools.HttpRequestParser(self)
        self.cycle.more_body = False

    def data_received(self, data: bytes) -> None:
        """Parse the data; an offer to speak another protocol is not taken up."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # The parser stops here for good, but what follows is HTTP still.
                self.parser = httptools.HttpRequestParser(self)
                data = data[offer.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return

    # ---- the parser's callbacks -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.is_in_head, self.head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the head."""
        # What comes behind a chunked body is no part of the head that was checked.
        if self.is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here; the app is started on it."""
        self.is_in_head, self.has_passed_head = False, True
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        expected = _announced(self.headers)
        if size > self._max_header:
            self._fault = HeadersTooLarge(int(self._max_header))
        elif self.parser.should_upgrade() and expected != 0:
            # The parser stops behind such a head and would take the body for the next request.
            self._fault = BadHttp("no upgrade can be offered with a body; leave out Upgrade (curl: --http1.1)")
        elif len(self.pipeline) == MOST_WAITING:
            self._fault = BadHttp(f"more than {MOST_WAITING} requests wait on one connection")
        elif self.expect_100_continue or expected is None or expected > UNREAD_KEPT:
            # A refusal of such a body ends the connection in any case; from here it costs half of what the app takes.
            self._fault = self._front.refusal()
        if self._fault:
            raise self._fault
        super().on_headers_complete()
        body = Body(self._connection, self._files, expected, is_held_back=self.expect_100_continue)
        cast("dict[str, Any]", self.scope)["state"]["body"] = body
        self._body = body
        self._connection.head_complete(body)

    def on_body(self, body: bytes) -> None:
        """Bytes of a body that did not go past the parser."""
        self.has_body_bytes = True
        if self._body is not None:
            self._body.feed(body)

    def on_message_complete(self) -> None:
        """The request is here as a whole."""
        super().on_message_complete()
        self.has_passed_head = True
        if self._body is not None:
            self._body.ended()

    def on_response_complete(self) -> None:
        """The answer is written; the next request may begin."""
        super().on_response_complete()
        if self.pipeline:
            # What waits already is enough; reading goes on with the last of them.
            self.flow.pause_reading()
        self._connection.answered()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, with the reason where one is known."""
        self.is_in_head = True
        # The frames of its way here would keep all that was received until the collector runs.
        fault = (self._fault or BadHttp(msg.removesuffix("."))).with_traceback(None)
        self._connection.refuse(fault, request_id_of(self.headers))


def _announced(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length of the body by its headers, which the parser has checked: None for a chunked one."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            return int(value)
    return 0
