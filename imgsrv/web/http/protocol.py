"""HTTP/1.1 on one connection: bytes in, requests out, each run by the app in its turn.

httptools parses; this module decides what a valid request is beyond that, and queues pipelined requests.
"""

from __future__ import annotations

import re
import time
import urllib.parse
from collections import deque
from typing import Any

import httptools

from imgsrv.errors import BadHttp, HeadersTooLarge, ImgsrvError
from imgsrv.web.http.body import UNREAD_KEPT, Body
from imgsrv.web.http.cycle import Cycle
from imgsrv.web.http.host import App, Host, Quick, Wire
from imgsrv.web.http.proxy_headers import Client
from imgsrv.web.problems import request_id_of

MOST_WAITING = 64
"""Most requests that wait on one connection: a segment can hold thousands, and each needs an object here."""

FREE_PIECES, LEAST_PIECE = 10_000, 64
"""A body may come in so many pieces of any size, and then in pieces of this mean size: each costs a microsecond."""

MOST_QUICK = 16
"""Requests of one segment that are answered at their heads: the other connections wait for so long."""

VERSIONS = ("1.0", "1.1")
"""Versions that are spoken; the parser also accepts 0.9 and 2.0."""

HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)
"""Value of a Host header: a name or an address and perhaps a port, or nothing (RFC 9110, section 7.2)."""

ASGI = {"version": "3.0", "spec_version": "2.3"}


class Parser:
    """The requests of one connection.  `Connection` feeds it with bytes; it calls back through `Wire`.

    client, server: the addresses of both ends; client is None on a unix socket.  app: instead of the host's.
    """

    def __init__(
        self,
        wire: Wire,
        host: Host,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        *,
        app: App | None = None,
    ) -> None:
        self._wire, self._host = wire, host
        self._app, self._quick = (host.app, host.quick) if app is None else (app, None)
        self.client, self._server = client, server
        self._max_header = int(host.settings.max_header)
        self._parser = _new_parser(self)
        self._quick_left = MOST_QUICK
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._hosts: list[bytes] = []
        self._expects_continue = self._skips_body = False
        self._fault: ImgsrvError | None = None
        self._body: Body | None = None
        self._last: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self.is_in_head = self.has_passed_head = False
        self.has_body_bytes = False
        self.head_bytes = self.framing_bytes = self._pieces = 0

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the last request that have come until now."""
        return self._headers

    @property
    def is_answering(self) -> bool:
        """True while a request is being worked on."""
        return self._last is not None and not self._last.is_complete

    def feed(self, data: bytes) -> None:
        """Parse the data.  An offer to upgrade to another protocol is ignored (RFC 9110, section 7.8)."""
        self._quick_left = MOST_QUICK
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # The parser stops behind the head for good, but HTTP follows: the request's body, or the next request.
                self._parser = _new_parser(self)
                if self._skips_body and self._body is not None:
                    self._parser.feed_data(_head_of(self._body.expected))
                    self._skips_body = False
                data = data[offer.args[0] :]
            except httptools.HttpParserError:
                self._fault = self._fault or _fault_of_target(data)
                self._refuse()
                return
            else:
                return

    def body_bypassed(self) -> None:
        """A body did not go through the parser, which still waits for it: the next request needs a new parser."""
        self._parser = _new_parser(self)

    def send_continue(self) -> None:
        """Send `100 Continue` if the client waits for it."""
        if self._last is not None and self._last.awaits_continue and not self._last.has_started:
            self._last.awaits_continue = False
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def half_closed(self) -> bool:
        """The client sends no more: its last answer closes the connection.  True if the client may be probed."""
        if self._last is None:
            return False
        self._last.keeps_alive = False
        return str(self._last.scope["http_version"]) == "1.1"

    @property
    def has_started_answer(self) -> bool:
        """True if bytes of the last request's answer have been written."""
        return self._last is not None and self._last.has_started

    def closed(self) -> None:
        """The connection is lost.  Break the reference cycle, which else waits for the collector."""
        self._parser = None

    # ---- the callbacks of httptools -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._skips_body:
            self._url, self._headers, self._hosts, self._expects_continue = b"", [], [], False
            self.is_in_head, self.head_bytes, self._pieces = True, 0, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        # A trailer follows a chunked body; it is no part of the head that was checked.
        if self.is_in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self._expects_continue = True
            elif name == b"host":
                self._hosts.append(value)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here: check it, then run the app on it or queue it."""
        if self._skips_body:
            return  # this is the head from `_head_of`
        self.is_in_head, self.has_passed_head = False, True
        expected = _body_length(self._headers)
        self._fault = self._fault_of_head(expected)
        if self._fault is not None:
            raise self._fault
        version = self._parser.get_http_version()
        if expected == 0 and self._quick is not None and self._is_answered_at_once(version):
            return
        body = Body(self._wire, self._host.files, expected, is_held_back=self._expects_continue)
        cycle = Cycle(
            self._wire,
            self._scope(version),
            body,
            self._answered,
            keeps_alive=version != "1.0" and self._parser.should_keep_alive(),
            awaits_continue=self._expects_continue,
        )
        self._skips_body = self._parser.should_upgrade() and not body.is_complete
        is_first = not self.is_answering
        self._last, self._body = cycle, body
        if is_first:
            self._start(cycle)
        else:
            self._wire.pause_reading()
            self._waiting.append(cycle)
        self._wire.head_complete(body)

    def on_body(self, data: bytes) -> None:
        """Bytes of a body that goes through the parser."""
        self.has_body_bytes = True
        self._pieces += 1
        if self._body is not None:
            self._body.feed(data)
            if self._pieces > FREE_PIECES + self._body.came // LEAST_PIECE:
                self._fault = BadHttp(f"its body comes in {self._pieces} chunks of very few bytes; send larger ones")
                raise self._fault

    def on_message_complete(self) -> None:
        """The whole request is here, unless the parser skips a body behind an offer to upgrade."""
        if self._skips_body:
            return
        self.has_passed_head = True
        if self._body is not None:
            self._body.ended()

    # ---- what these are made of -----------------------------------------------------------------------

    def _is_answered_at_once(self, version: str) -> bool:
        """Answer a request that needs no app, on a connection where nothing waits; False if it needs one."""
        quick, parser = self._quick, self._parser
        if quick is None or self._quick_left == 0 or self.is_answering or self._waiting:
            return False
        if self._wire.blocked is not None or self._host.drain.has_begun or self._wire.is_closing():
            return False
        if parser.get_method() != b"GET" or version != "1.1" or not parser.should_keep_alive():
            return False
        if parser.should_upgrade():
            return False
        answer = quick(Quick(self._url, self._headers, self.client, time.monotonic()))
        if answer is None:
            return False
        self._quick_left -= 1
        self._body = None
        for part in answer:
            if part:
                self._wire.write(part)
        self._wire.answered()
        return True

    def _fault_of_head(self, expected: int | None) -> ImgsrvError | None:
        """Why the request is refused before the app sees it.  expected: the length of its body."""
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)
        if size > self._max_header:
            return HeadersTooLarge(self._max_header)
        if (fault := _fault_of_host(self._parser.get_http_version(), self._hosts)) is not None:
            return fault
        if len(self._waiting) == MOST_WAITING:
            return BadHttp(f"more than {MOST_WAITING} requests wait on one connection")
        if self._expects_continue or expected is None or expected > UNREAD_KEPT:
            # Refusing such a body ends the connection in any case; here that costs half of what it costs in the app.
            return self._host.refusal(self._named_client())
        return None

    def _named_client(self) -> Client:
        """The client, or the one that a trusted proxy names."""
        proxies = self._host.proxies
        is_proxy = bool(proxies) and proxies.trusts(self.client)
        return proxies.behind(self.client, self._headers) if is_proxy else self.client

    def _scope(self, version: str) -> dict[str, Any]:
        url = httptools.parse_url(self._url)
        path = url.path.decode("ascii")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": self._headers,
            "client": self.client,
            "server": self._server,
        }

    def _start(self, cycle: Cycle) -> None:
        task = self._host.loop.create_task(cycle.run(self._app, self._host.log))
        self._host.tasks.add(task)
        task.add_done_callback(self._host.tasks.discard)

    def _answered(self) -> None:
        """An answer is complete: start the next request that waits."""
        if not self._wire.is_closing():
            if self._waiting:
                self._start(self._waiting.popleft())
            # While requests wait no more are read.
            if self._waiting:
                self._wire.pause_reading()
            else:
                self._wire.resume_reading()
            self._wire.answered()

    def _refuse(self) -> None:
        """Refuse what is not a request, with the reason if it is known."""
        self.is_in_head = True
        # The traceback's frames would keep all that was received until the collector runs.
        fault = (self._fault or BadHttp("Invalid HTTP request received")).with_traceback(None)
        self._wire.refuse(fault, request_id_of(self._headers))


def _new_parser(callbacks: Parser) -> Any:
    parser = httptools.HttpRequestParser(callbacks)
    # A request may follow one with `Connection: close` in the same segment; the first must still be answered.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _fault_of_target(data: bytes) -> BadHttp | None:
    """Why a request line is refused that holds other bytes than those of a URL (RFC 3986, section 2)."""
    method, _, rest = data.partition(b"\r\n")[0].partition(b" ")
    if method.isalpha() and rest.startswith(b"/") and not rest.isascii():
        return BadHttp("the URL has characters that must be percent-encoded in UTF-8, such as %C3%BC for ü")
    return None


def _fault_of_host(version: str, hosts: list[bytes]) -> BadHttp | None:
    """Why the version or the Host headers are refused (RFC 9112, section 3.2)."""
    if version not in VERSIONS:
        return BadHttp(f"HTTP/{version} is not spoken here; use HTTP/1.1")
    if len(hosts) > 1 or (version != "1.0" and not hosts):
        return BadHttp(f"it has {len(hosts)} Host headers and needs exactly one")
    if hosts and not HOST.fullmatch(hosts[0]):
        return BadHttp("its Host header is neither a name nor an address")
    return None


def _head_of(expected: int | None) -> bytes:
    """A head that makes a parser expect a body of that length; None for a chunked body."""
    framing = b"Transfer-Encoding: chunked" if expected is None else b"Content-Length: %d" % expected
    return b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n"


def _body_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The length of the body by its headers, which httptools has checked; None for a chunked body."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            return int(value)
    return 0
