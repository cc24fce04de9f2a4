"""A client's connection: its deadlines, the way of its body, and how it ends.

`Parser` finds the requests in what is received.  This module stands between the event loop and the parser: it sets
the deadlines for head and body, writes a body past the parser into its memfd, gives half-closed clients their answer,
and closes so that an early answer is not lost.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from imgsrv.errors import HeadersTooLarge, ImgsrvError, OutOfResources, RequestTimeout
from imgsrv.shortages import FOR_BODIES, RETRY_AFTER_S, is_scarce
from imgsrv.web.http.body import Body
from imgsrv.web.http.deadline import Deadline
from imgsrv.web.http.host import App, Host
from imgsrv.web.http.outflow import Outflow
from imgsrv.web.http.peer import Probe, addresses
from imgsrv.web.http.protocol import Parser
from imgsrv.web.http.proxy_headers import BadProxyHeader, read_preface
from imgsrv.web.problems import make_request_id, raw_answer

SCRATCH_BYTES = 262_144

LINGER_S, LINGER_BYTES = 5.0, 128 << 20

IDLE_GRACE_S = 2.0
"""During a drain, the time in which an idle connection may bring a request that is already on its way."""

RATE_WINDOW_S = 5.0

HIGH_WATER = 65_536
"""Bytes that may wait for a client before further answers of its connection wait too."""

_scratch = memoryview(bytearray(SCRATCH_BYTES))
"""The buffer of all connections of the process: the loop fills it and passes it on in one step."""


class Connection(asyncio.BufferedProtocol):
    """One accepted connection, from its first byte to its last.

    app: for connections of another address than the front's own, which come without a proxy.
    """

    def __init__(self, host: Host, app: App | None = None) -> None:
        self._app = app
        self._host, self._settings, self._loop = host, host.settings, host.loop
        self.blocked: asyncio.Event | None = None
        self._is_paused = False
        self._body: Body | None = None
        self._deadline = Deadline(host.loop)
        self._refusal: ImgsrvError | None = None
        self._lingered = -1
        self._window_began_with = 0
        self._body_due = 0.0
        self._preface: bytes | None = b"" if host.settings.proxy_protocol and app is None else None

    # ---- what the loop calls --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._http = Parser(self, self._host, *addresses(self._socket), app=self._app)
        self.write = self._transport.write
        # A client is taken for slow until it has everything; then its idle time begins.
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=0)
        self._outflow = Outflow(self._transport, self._socket.fileno(), self._loop, self._settings, self._host)
        self.when_sent = self._outflow.when_sent
        self._host.opened(self)
        if is_scarce(self._socket.fileno(), FOR_BODIES):
            # Treated as a begun head: the client's bytes are then read, and its answer is not lost by a reset.
            self._http.is_in_head = True
            self.refuse(OutOfResources("the server has no room for another connection", RETRY_AFTER_S))
            return
        self._deadline.set(
            IDLE_GRACE_S if self._host.drain.has_begun else self._settings.header_timeout_s, self._idle_over
        )

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the body knows better
        """The buffer for the next bytes; for a body never longer than the rest of it."""
        direct = self._body.direct_bytes if self._body is not None and self._lingered < 0 else 0
        return _scratch[:direct] if 0 < direct < SCRATCH_BYTES else _scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes are here."""
        if self._lingered >= 0:
            self._lingered += nbytes
            if self._lingered > LINGER_BYTES:
                self._transport.abort()
        elif self._refusal:
            return
        elif self._preface is not None:
            self._read_preface(self._preface + _scratch[:nbytes])
        elif self._body is not None and self._body.direct_bytes:
            self._body.feed(_scratch[:nbytes])
            if not self._body.direct_bytes:
                self._http.body_bypassed()
                self._body.ended()
        else:
            self._parse(bytes(_scratch[:nbytes]))

    def eof_received(self) -> bool:
        """The client sends no more.  True keeps the connection open for an answer that it waits for."""
        if self._lingered >= 0 or not self._http.is_answering or (self._body and not self._body.is_complete):
            self._outflow.watch()
            return False
        if self._http.half_closed() and not self._http.has_started_answer:
            Probe(self._transport, self._socket.fileno(), self._loop, lambda: self._http.is_answering).begin()
        return True

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.blocked = asyncio.Event()
        self._outflow.watch()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._outflow.end()
        if self.blocked is not None:
            self.blocked.set()
            self.blocked = None
            if self._is_idle() and (self._body is None or self._body.is_complete):
                self._caught_up()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the reason changes nothing
        """The connection is gone; the job of its client is cancelled."""
        self._deadline.close()
        self._outflow.end()
        if self.blocked is not None:
            self.blocked.set()
            self.blocked = None
        self._http.closed()
        if self._body is not None:
            self._body.client_gone()
        self._host.closed(self)

    # ---- what the parser and the body call ------------------------------------------------------------

    def pause_reading(self) -> None:
        """Receive nothing more for now."""
        if not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def head_complete(self, body: Body) -> None:
        """A request's head is here; the app takes over."""
        self._deadline.clear()
        self._body = body

    def body_wanted(self) -> None:
        """The app wants the body: receive it, within its deadlines."""
        self._http.send_continue()
        self.resume_reading()
        self._watch_body()

    def body_ended(self) -> None:
        """The body is complete: its deadlines end."""
        if self._http.is_answering:
            self._deadline.clear()
        elif not self.is_closing():
            self._await_request()

    def answered(self) -> None:
        """An answer is complete; wait for the next request."""
        if self.is_closing() or self._http.is_answering:
            return
        if self._refusal:
            self.refuse(self._refusal)
        elif self._http.is_in_head:
            self._deadline.set(self._settings.header_timeout_s, self._head_late)
        elif self._body is not None and not self._body.is_complete:
            self._body.drop()
            self._watch_body()
        else:
            self._await_request()

    def begin_drain(self) -> None:
        """Give an idle client a last moment for a request."""
        if self._is_idle():
            self._deadline.set(IDLE_GRACE_S, self._idle_over)

    def close(self) -> None:
        """Close so that the answer arrives: if input were left unread, the kernel would reset the connection."""
        if self.is_closing():
            return
        has_unread = self._http.is_in_head or (self._body is not None and not self._body.is_complete)
        if not has_unread:
            self._close_when_sent()
            return
        self._lingered = 0
        self.resume_reading()
        self._transport.write_eof()
        self._outflow.watch()
        self._deadline.set(LINGER_S, self._linger_over)

    def is_closing(self) -> bool:
        """True if no further answer is sent."""
        return self._lingered >= 0 or self._transport.is_closing()

    def refuse(self, error: ImgsrvError, request_id: str = "") -> None:
        """Answer a request that the app never sees, after the answers to earlier requests, and close."""
        if self._http.is_answering:
            self._refusal = error
            if self._body is not None:
                self._body.fail(error)
            return
        request_id = request_id or make_request_id()
        self._transport.write(raw_answer(error, request_id, self._host.headers_for(self._http.headers)))
        self._host.request_refused(error, request_id)
        self.close()

    # ---- what these are made of -----------------------------------------------------------------------

    def _read_preface(self, data: bytes) -> None:
        """Read the header of the PROXY protocol before the first request; a connection without it is aborted."""
        try:
            preface = read_preface(data)
        except BadProxyHeader as error:
            self._host.preface_refused(str(error))
            self._transport.abort()
            return
        if preface is None:
            self._preface = data
            return
        self._preface = None
        if preface.client is not None and self._host.proxies.trusts(self._http.client):
            self._http.client = preface.client
        if rest := data[preface.size :]:
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        was_in_head, self._http.has_passed_head = self._http.is_in_head, False
        self._http.feed(data)
        if self.is_closing() or self._refusal:
            return
        if self._http.is_in_head:
            # If another request ended in the data, this head's share of it is unknown: count from the next data on.
            self._http.head_bytes += 0 if self._http.has_passed_head else len(data)
            if self._http.head_bytes > self._settings.max_header:
                self.refuse(HeadersTooLarge(int(self._settings.max_header)))
            elif not was_in_head or self._http.has_passed_head:
                self._deadline.set(self._settings.header_timeout_s, self._head_late)
        elif (body := self._body) is not None and self._http.is_answering and not body.is_complete:
            self._check_framing(len(data))
            if body.is_unwanted:
                self.pause_reading()

    def _check_framing(self, size: int) -> None:
        """Limit the bytes around the chunks of a body: extensions and trailers.  size: bytes of the data."""
        http, most = self._http, int(self._settings.max_header)
        http.framing_bytes = 0 if http.has_body_bytes else http.framing_bytes + size
        http.has_body_bytes = False
        if http.framing_bytes > most:
            self.refuse(HeadersTooLarge(most))

    def _caught_up(self) -> None:
        """A slow client has its whole answer: its idle time begins, or its worker goes, if it has waited."""
        if self._host.drain.has_begun:
            self._close_when_sent()
        else:
            self._await_request()

    def _await_request(self) -> None:
        self._deadline.set(IDLE_GRACE_S if self._host.drain.has_begun else self._settings.keepalive_s, self._idle_over)

    def _watch_body(self) -> None:
        """Start the body's deadlines: for a body that the app wants, and for a rest that is dropped."""
        self._body_due = self._loop.time() + self._settings.body_timeout_s
        self._watch_rate()

    def _watch_rate(self) -> None:
        """Set the timer for the next of the body's deadlines: its whole time, and the lowest rate in each window."""
        body = self._body
        if body is None or body.is_complete:
            return
        left = self._body_due - self._loop.time()
        if left <= RATE_WINDOW_S:
            self._deadline.set(max(0.0, left), self._body_late)
        else:
            self._window_began_with = body.came
            self._deadline.set(RATE_WINDOW_S, self._rate_due)

    def _rate_due(self) -> None:
        body, rate = self._body, self._settings.body_rate
        if body is not None and body.came - self._window_began_with < rate * RATE_WINDOW_S:
            self._give_up(body, f"at least {rate} bytes a second", "--body-rate")
        else:
            self._watch_rate()

    def _body_late(self) -> None:
        if self._body is not None:
            self._give_up(self._body, f"{self._settings.body_timeout_s:g} s", "--body-timeout-s")

    def _give_up(self, body: Body, limit: str, setting: str) -> None:
        """Stop waiting for a body: answer its request with 408, unless it has its answer already."""
        if body.is_dropped:
            self.close()
        else:
            body.fail(RequestTimeout("body", limit, setting))

    def _head_late(self) -> None:
        limit = f"{self._settings.header_timeout_s:g} s"
        self.refuse(RequestTimeout("head of the request", limit, "--header-timeout-s"))

    def _is_idle(self) -> bool:
        """True if no request is on its way and none is being answered."""
        return not (self._http.is_answering or self._http.is_in_head or self.is_closing())

    def _idle_over(self) -> None:
        """Close an idle connection.  One that still reads its answer is not idle; see `resume_writing`."""
        if self.blocked is None:
            self._close_when_sent()

    def _linger_over(self) -> None:
        """Give up on what the client sends, unless it still reads its answers."""
        if self._outflow.waiting:
            self._deadline.set(LINGER_S, self._linger_over)
        else:
            self._transport.abort()

    def _close_when_sent(self) -> None:
        self._transport.close()
        self._outflow.watch()
