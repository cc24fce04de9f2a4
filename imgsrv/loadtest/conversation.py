"""One keep-alive connection of a load, without a thread: the bytes still to send, and the answer received so far.

It must cost little, because the load often runs on the same cores as the server.  So requests are prepared as bytes,
nothing is copied, and an edge-triggered poll wakes a connection only if there is something to do.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
from dataclasses import dataclass
from http import HTTPStatus

EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET

ANSWER_BYTES = 262_144
"""Size of the buffer for an answer; it grows for a longer answer."""

CONNECT_S = 10.0

HEAD_END, LINE_END = b"\r\n\r\n", b"\r\n"

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked *\r\n", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+ *\r\n", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close *\r\n", re.IGNORECASE)
WORKED_MS = re.compile(rb"(?:decode|operations|encode);dur=([\d.]+)")

NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(eq=False)
class Request:
    """A request as bytes.  expected: body of the first answer, which all others must equal.

    asks_first: send the body only after `100 Continue`, as curl does if it is larger than a megabyte.
    """

    head: bytes
    body: bytes
    asks_first: bool = False
    expected: bytes = b""

    @property
    def whole(self) -> bytes:
        """Head and body of the request."""
        return self.head + self.body


def posted(path: str, body: bytes, *, asks_first: bool = False, host: str = "bench") -> Request:
    """Return a request that posts a body to a path."""
    expect = "Expect: 100-continue\r\n" if asks_first else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{expect}\r\n"
    return Request(head.encode(), body, asks_first)


def fetched(path: str, *, host: str = "bench") -> Request:
    """Return a GET request, for servers that have or fetch the picture themselves."""
    return Request(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), b"")


@dataclass(frozen=True)
class Answer:
    """An answer.  worked_s: processing time by Server-Timing.  fault: why the answer is wrong, or ""."""

    status: int = 0
    worked_s: float = 0.0
    fault: str = ""
    size: int = 0

    @property
    def is_picture(self) -> bool:
        """Whether the status is 200 and the body is that of the first answer."""
        return self.status == HTTPStatus.OK and not self.fault

    @property
    def is_refusal(self) -> bool:
        """Whether the status is 503."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE


class Conversation:
    """An open connection to a port; `ask` begins a request, `advance` continues it."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._unsent = memoryview(b"")
        self._held_back = b""
        self._buffer = bytearray(ANSWER_BYTES)
        self._received = self._body_start = 0
        self._body_size: int | None = None
        self._chunk_at = 0
        self._chunks: bytearray | None = None
        self._head = b""
        self._request: Request | None = None
        self.is_over = False

    def fileno(self) -> int:
        """Return the descriptor, for a poll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self.is_over = True
        self._socket.close()

    def ask(self, request: Request, whole: bytes) -> None:
        """Begin to send a request.  whole: `request.whole`, prepared beforehand."""
        self._request = request
        self._received, self._head = 0, b""
        self._unsent = memoryview(request.head if request.asks_first else whole)
        self._held_back = request.body if request.asks_first else b""
        self._send()

    def advance(self) -> Answer | None:
        """Send and receive what is possible now; return the answer if it is complete."""
        if self._request is None:
            self._look_for_end()
            return None
        if self._unsent:
            self._send()
        answer = self._receive()
        if answer is not None:
            self._request = None
            if answer.fault or self._unsent or CLOSES.search(self._head):
                self.close()
        return answer

    def _look_for_end(self) -> None:
        """Close an idle connection if the server has closed it."""
        with contextlib.suppress(BlockingIOError):
            if not self._socket.recv(1):
                self.close()

    def _send(self) -> None:
        # A server that refuses may close before it has read everything; its answer can still be read.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def _receive(self) -> Answer | None:
        while True:
            if self._received == len(self._buffer):
                self._buffer.extend(bytes(len(self._buffer)))
            try:
                count = self._socket.recv_into(memoryview(self._buffer)[self._received :])
            except BlockingIOError:
                return None
            except OSError as error:
                return Answer(fault=repr(error))
            if not count:
                return self._ended()
            self._received += count
            if (self._head or self._take_head()) and self._is_complete():
                return self._answer()

    def _ended(self) -> Answer:
        """Return the answer after the server has closed: complete if its head gives no length, else broken."""
        if not self._head or self._body_size is not None or self._chunks is not None:
            return Answer(fault=f"closed after {self._received} bytes of an answer")
        self._body_size = self._received - self._body_start
        answer = self._answer()
        self.close()
        return answer

    def _take_head(self) -> bool:
        """Read the head of the answer if it is here; return whether it is.  `100 Continue` before it sends the body."""
        end = self._buffer.find(HEAD_END, 0, self._received)
        if end >= 0 and self._buffer.startswith(b"HTTP/1.1 100"):
            rest = end + len(HEAD_END)
            self._buffer[: self._received - rest] = self._buffer[rest : self._received]
            self._received -= rest
            self._unsent, self._held_back = memoryview(self._held_back), b""
            self._send()
            end = self._buffer.find(HEAD_END, 0, self._received)
        if end < 0:
            return False
        self._body_start = self._chunk_at = end + len(HEAD_END)
        self._head = bytes(self._buffer[: self._body_start])
        announced = CONTENT_LENGTH.search(self._head)
        self._body_size = int(announced[1]) if announced else 0 if int(self._head[9:12]) in NO_BODY else None
        self._chunks = bytearray() if CHUNKED.search(self._head) else None
        missing = self._body_start + (self._body_size or 0) - len(self._buffer)
        if missing > 0:
            self._buffer.extend(bytes(missing))
        return True

    def _is_complete(self) -> bool:
        if self._chunks is not None:
            return self._take_chunks(self._chunks)
        return self._body_size is not None and self._received >= self._body_start + self._body_size

    def _take_chunks(self, taken: bytearray) -> bool:
        """Take the complete chunks; return whether the last one is among them."""
        while True:
            line_end = self._buffer.find(LINE_END, self._chunk_at, self._received)
            if line_end < 0:
                return False
            size = int(self._buffer[self._chunk_at : line_end].split(b";")[0], 16)
            if size == 0:
                # Trailer fields may follow; an empty line ends them.
                return self._buffer.find(HEAD_END, line_end, self._received) >= 0
            begin, end = line_end + len(LINE_END), line_end + len(LINE_END) + size
            if end + len(LINE_END) > self._received:
                return False
            taken += self._buffer[begin:end]
            self._chunk_at = end + len(LINE_END)

    def _body(self) -> bytes:
        if self._chunks is not None:
            return bytes(self._chunks)
        return bytes(self._buffer[self._body_start : self._body_start + (self._body_size or 0)])

    def _is(self, expected: bytes) -> bool:
        if self._chunks is not None:
            return self._chunks == expected
        return self._body_size == len(expected) and self._buffer.startswith(expected, self._body_start)

    def _answer(self) -> Answer:
        status, request = int(self._head[9:12]), self._request
        size = self._body_size or len(self._chunks or b"")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return Answer(status, fault="" if RETRY_AFTER.search(self._head) else "503 without Retry-After", size=size)
        if status != HTTPStatus.OK or request is None:
            return Answer(status, fault=f"status {status}: {self._body()[:300]!r}", size=size)
        if not request.expected:
            request.expected = self._body()
        worked_s = sum(map(float, WORKED_MS.findall(self._head))) / 1000
        return Answer(status, worked_s, "" if self._is(request.expected) else f"another answer of {size} bytes", size)
