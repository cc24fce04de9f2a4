"""A client's connection: its deadlines, the way of its body, and how it ends.

uvicorn's protocol, as `web/http/protocol` has it, reads heads of requests and writes answers; this module stands in
front of it.  It adds what uvicorn lacks: deadlines for head and body, bodies straight into their memfd, half-closed
clients that still get their answer, and a lingering close that does not destroy an early one.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from imgsrv.errors import HeadersTooLarge, ImgsrvError, OutOfResources, RequestTimeout
from imgsrv.shortages import FOR_BODIES, RETRY_AFTER_S, is_scarce
from imgsrv.web.http.body import Body
from imgsrv.web.http.protocol import Parser
from imgsrv.web.http.proxy_headers import BadProxyHeader, read_preface
from imgsrv.web.problems import make_request_id, raw_answer

if TYPE_CHECKING:
    from imgsrv.web.front import Front

SCRATCH_BYTES = 262_144

LINGER_S, LINGER_BYTES = 5.0, 128 << 20

IDLE_GRACE_S = 2.0
"""While draining, how long an idle connection may still bring the request that is already on its way."""

RATE_WINDOW_S = 5.0

PROBE_S = 0.1

_scratch = memoryview(bytearray(SCRATCH_BYTES))
"""Shared by all connections of the process: the loop fills it and hands it on in one step."""


class Connection(asyncio.BufferedProtocol):
    """One accepted connection, from its first byte to its last."""

    def __init__(self, front: Front) -> None:
        self._front, self._loop = front, front.loop
        self._http = Parser(self, front)
        self._body: Body | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: ImgsrvError | None = None
        self._lingered = -1
        self._window_began_with = 0
        self._body_due = 0.0
        self._preface: bytes | None = b"" if front.settings.proxy_protocol else None

    # ---- what the loop calls --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._front.opened(self)
        self._http.connection_made(cast("asyncio.Transport", _Transport(self, self._transport)))
        if is_scarce(self._transport.get_extra_info("socket").fileno(), FOR_BODIES):
            # As if its head were here: what the client sends is read, so that the answer is not reset on its way.
            self._http.is_in_head = True
            self.refuse(OutOfResources("the server has no room for another connection", RETRY_AFTER_S))
            return
        self._arm(IDLE_GRACE_S if self._front.is_draining else self._front.settings.header_timeout_s, self._idle_over)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the loop's guess; the body knows better
        """Where the next bytes go; of a body never more than is left of it."""
        direct = self._body.direct_bytes if self._body is not None and self._lingered < 0 else 0
        return _scratch[:direct] if 0 < direct < SCRATCH_BYTES else _scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
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
        """The client sends no more; if it still waits for an answer it shall have it."""
        if self._lingered >= 0 or not self._http.is_answering() or (self._body and not self._body.is_complete):
            return False
        self._http.cycle.keep_alive = False
        if self._http.scope["http_version"] == "1.1":
            self._probe()
        return True

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._http.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; a job whose client is gone is abandoned."""
        self._disarm()
        self._http.connection_lost(exc)
        if self._body is not None:
            self._body.client_gone()
        self._front.closed(self)

    # ---- what the parser and the body call ------------------------------------------------------------

    def head_complete(self, body: Body) -> None:
        """A request's head is here; the app takes over."""
        self._disarm()
        self._body = body

    def body_wanted(self) -> None:
        """The app has made room for the body: read on, within its deadlines."""
        self._http.send_continue()
        self._http.flow.resume_reading()
        self._watch_body()

    def body_ended(self) -> None:
        """The body is complete: its deadlines are over."""
        if self._http.is_answering():
            self._disarm()
        elif not self.is_closing():
            self._await_request()

    def answered(self) -> None:
        """An answer is complete; wait for the next request."""
        if self.is_closing() or self._http.is_answering():
            return
        if self._refusal:
            self.refuse(self._refusal)
        elif self._http.is_in_head:
            self._arm(self._front.settings.header_timeout_s, self._head_late)
        elif self._body is not None and not self._body.is_complete:
            self._body.drop()
            self._watch_body()
        else:
            self._await_request()

    def begin_drain(self) -> None:
        """Give an idle client a last moment."""
        if not self._http.is_answering() and not self._http.is_in_head and self._lingered < 0:
            self._arm(IDLE_GRACE_S, self._idle_over)

    def close(self) -> None:
        """Close so that the answer arrives: with input still unread the kernel would reset it on its way."""
        if self.is_closing():
            return
        has_unread = self._http.is_in_head or (self._body is not None and not self._body.is_complete)
        if not has_unread:
            self._transport.close()
            return
        self._lingered = 0
        self._http.flow.resume_reading()
        self._transport.write_eof()
        self._arm(LINGER_S, self._transport.abort)

    def is_closing(self) -> bool:
        """No further answer goes out here."""
        return self._lingered >= 0 or self._transport.is_closing()

    def refuse(self, error: ImgsrvError, request_id: str = "") -> None:
        """Answer a request that the app never sees, and close; the answers to those before it go first."""
        if self._http.is_answering():
            self._refusal = error
            if self._body is not None:
                self._body.fail(error)
            return
        request_id = request_id or make_request_id()
        self._transport.write(raw_answer(error, request_id))
        self._front.refused(error, request_id)
        self.close()

    # ---- what these are made of -----------------------------------------------------------------------

    def _read_preface(self, data: bytes) -> None:
        """The header of the PROXY protocol, before the first request; who does not send it is no client of ours."""
        try:
            preface = read_preface(data)
        except BadProxyHeader as error:
            self._front.no_preface(str(error))
            self._transport.abort()
            return
        if preface is None:
            self._preface = data
            return
        self._preface = None
        if preface.client is not None and self._front.proxies.trusts(self._http.client):
            self._http.client = preface.client
        if rest := data[preface.size :]:
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        was_in_head, self._http.has_passed_head = self._http.is_in_head, False
        self._http.data_received(data)
        if self.is_closing() or self._refusal:
            return
        if self._http.is_in_head:
            # Behind another request's end it is not known how many of the bytes are this head's; the next ones are.
            self._http.head_bytes += 0 if self._http.has_passed_head else len(data)
            if self._http.head_bytes > self._front.settings.max_header:
                self.refuse(HeadersTooLarge(int(self._front.settings.max_header)))
            elif not was_in_head or self._http.has_passed_head:
                self._arm(self._front.settings.header_timeout_s, self._head_late)
        elif (body := self._body) is not None and self._http.is_answering() and not body.is_complete:
            self._check_framing(len(data))
            if body.is_unwanted:
                self._http.flow.pause_reading()

    def _check_framing(self, size: int) -> None:
        """Bound what comes with a chunked body and is none of it: extensions and trailers.  size: of the data."""
        http, most = self._http, int(self._front.settings.max_header)
        http.framing_bytes = 0 if http.has_body_bytes else http.framing_bytes + size
        http.has_body_bytes = False
        if http.framing_bytes > most:
            self.refuse(HeadersTooLarge(most))

    def _await_request(self) -> None:
        self._arm(IDLE_GRACE_S if self._front.is_draining else self._front.settings.keepalive_s, self._idle_over)

    def _watch_body(self) -> None:
        """The body's deadlines begin, whether the app has asked for it or its rest is dropped."""
        self._body_due = self._loop.time() + self._front.settings.body_timeout_s
        self._watch_rate()

    def _watch_rate(self) -> None:
        """The body's deadlines: its whole time, and the least rate over each window."""
        body = self._body
        if body is None or body.is_complete:
            return
        left = self._body_due - self._loop.time()
        if left <= RATE_WINDOW_S:
            self._arm(max(0.0, left), self._body_late)
        else:
            self._window_began_with = body.came
            self._arm(RATE_WINDOW_S, self._rate_due)

    def _rate_due(self) -> None:
        body, rate = self._body, self._front.settings.body_rate
        if body is not None and body.came - self._window_began_with < rate * RATE_WINDOW_S:
            self._give_up(body, f"at least {rate} bytes a second", "--body-rate")
        else:
            self._watch_rate()

    def _body_late(self) -> None:
        if self._body is not None:
            self._give_up(self._body, f"{self._front.settings.body_timeout_s:g} s", "--body-timeout-s")

    def _give_up(self, body: Body, limit: str, setting: str) -> None:
        """Wait no longer for a body; its request is answered 408, or has its answer already."""
        if body.is_dropped:
            self.close()
        else:
            body.fail(RequestTimeout("body", limit, setting))

    def _head_late(self) -> None:
        limit = f"{self._front.settings.header_timeout_s:g} s"
        self.refuse(RequestTimeout("head of the request", limit, "--header-timeout-s"))

    def _idle_over(self) -> None:
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _probe(self) -> None:
        """Find out whether a client that sends no more still listens.

        A closed socket and a half-closed one look the same until something is sent: a `100 Continue`, which
        every HTTP/1.1 client skips, is answered with a reset by the first and with silence by the second.
        """
        if not self._http.cycle.response_started:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._loop.call_later(PROBE_S, self._probed)

    def _probed(self) -> None:
        if self._transport.is_closing() or not self._http.is_answering():
            return
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), 0)
        if poll.poll(0):  # no event was asked for: only an error or a hang-up is told
            self._transport.abort()
        else:
            self._loop.call_later(PROBE_S, self._probed)

    def _arm(self, seconds: float, callback: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self._loop.call_later(seconds, callback)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Transport:
    """The transport as uvicorn sees it: `close` lingers where that is needed."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        self._connection = connection
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.is_closing = connection.is_closing
        self.close = connection.close
