"""A client's connection: its deadlines, the way of its body, and how it ends.

`Parser` finds the requests in what is received.  This module stands between the event loop and the parser: it sets
the deadlines for head and body, writes a body past the parser into its memfd, gives half-closed clients their answer,
and closes so that an early answer is not lost.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import cast

from imgsrv.errors import HeadersTooLarge, ImgsrvError, OutOfResources, RequestTimeout
from imgsrv.shortages import FOR_BODIES, RETRY_AFTER_S, is_scarce
from imgsrv.web.http.body import Body
from imgsrv.web.http.host import Host
from imgsrv.web.http.protocol import Parser
from imgsrv.web.http.proxy_headers import BadProxyHeader, read_preface
from imgsrv.web.problems import make_request_id, raw_answer

SCRATCH_BYTES = 262_144

LINGER_S, LINGER_BYTES = 5.0, 128 << 20

IDLE_GRACE_S = 2.0
"""During a drain, the time in which an idle connection may bring a request that is already on its way."""

RATE_WINDOW_S = 5.0

PROBE_S = 0.1

_scratch = memoryview(bytearray(SCRATCH_BYTES))
"""The buffer of all connections of the process: the loop fills it and passes it on in one step."""


class Connection(asyncio.BufferedProtocol):
    """One accepted connection, from its first byte to its last."""

    def __init__(self, host: Host) -> None:
        self._host, self._settings, self._loop = host, host.settings, host.loop
        self.blocked: asyncio.Event | None = None
        self._is_paused = False
        self._body: Body | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refusal: ImgsrvError | None = None
        self._lingered = -1
        self._window_began_with = 0
        self._body_due = 0.0
        self._preface: bytes | None = b"" if host.settings.proxy_protocol else None

    # ---- what the loop calls --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._http = Parser(self, self._host, *_addresses(self._socket))
        self.write = self._transport.write
        self._host.opened(self)
        if is_scarce(self._socket.fileno(), FOR_BODIES):
            # Treated as a begun head: the client's bytes are then read, and its answer is not lost by a reset.
            self._http.is_in_head = True
            self.refuse(OutOfResources("the server has no room for another connection", RETRY_AFTER_S))
            return
        self._arm(IDLE_GRACE_S if self._host.drain.has_begun else self._settings.header_timeout_s, self._idle_over)

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
            return False
        if self._http.half_closed():
            self._probe()
        return True

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.blocked = asyncio.Event()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.blocked is not None:
            self.blocked.set()
            self.blocked = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the reason changes nothing
        """The connection is gone; the job of its client is cancelled."""
        self._disarm()
        self.resume_writing()
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
        self._disarm()
        self._body = body

    def body_wanted(self) -> None:
        """The app wants the body: receive it, within its deadlines."""
        self._http.send_continue()
        self.resume_reading()
        self._watch_body()

    def body_ended(self) -> None:
        """The body is complete: its deadlines end."""
        if self._http.is_answering:
            self._disarm()
        elif not self.is_closing():
            self._await_request()

    def answered(self) -> None:
        """An answer is complete; wait for the next request."""
        if self.is_closing() or self._http.is_answering:
            return
        if self._refusal:
            self.refuse(self._refusal)
        elif self._http.is_in_head:
            self._arm(self._settings.header_timeout_s, self._head_late)
        elif self._body is not None and not self._body.is_complete:
            self._body.drop()
            self._watch_body()
        else:
            self._await_request()

    def begin_drain(self) -> None:
        """Give an idle client a last moment for a request."""
        if not self._http.is_answering and not self._http.is_in_head and self._lingered < 0:
            self._arm(IDLE_GRACE_S, self._idle_over)

    def close(self) -> None:
        """Close so that the answer arrives: if input were left unread, the kernel would reset the connection."""
        if self.is_closing():
            return
        has_unread = self._http.is_in_head or (self._body is not None and not self._body.is_complete)
        if not has_unread:
            self._transport.close()
            return
        self._lingered = 0
        self.resume_reading()
        self._transport.write_eof()
        self._arm(LINGER_S, self._transport.abort)

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
        self._transport.write(raw_answer(error, request_id))
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
                self._arm(self._settings.header_timeout_s, self._head_late)
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

    def _await_request(self) -> None:
        self._arm(IDLE_GRACE_S if self._host.drain.has_begun else self._settings.keepalive_s, self._idle_over)

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
            self._arm(max(0.0, left), self._body_late)
        else:
            self._window_began_with = body.came
            self._arm(RATE_WINDOW_S, self._rate_due)

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

    def _idle_over(self) -> None:
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _probe(self) -> None:
        """Find out if a client that sends no more still listens.

        A closed socket and a half-closed socket look the same until something is sent.  A `100 Continue`, which every
        HTTP/1.1 client skips, gets a reset from the first and no reaction from the second.
        """
        if not self._http.has_started_answer:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._loop.call_later(PROBE_S, self._probed)

    def _probed(self) -> None:
        if self._transport.is_closing() or not self._http.is_answering:
            return
        poll = select.poll()
        poll.register(self._socket.fileno(), 0)
        if poll.poll(0):  # with no event asked for, only an error or a hang-up is reported
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


def _addresses(accepted: socket.socket) -> tuple[tuple[str, int] | None, tuple[str, int | None]]:
    """The client's address, None on a unix socket, and the server's: host and port, or the path of the socket."""
    own = accepted.getsockname()
    server = (str(own), None) if isinstance(own, str) else (str(own[0]), int(own[1]))
    try:
        peer = accepted.getpeername()
    except OSError:
        # The client has gone already.
        return None, server
    return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else None, server
