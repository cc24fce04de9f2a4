"""One keep-alive connection of a load, without a thread: what is still to be sent, what has come of the answer.

It costs the load as little as it can, because the load often takes its time from the same cores as the server:
requests are prepared as bytes, nothing is copied, and an edge-triggered poll wakes it only when there is something to
do.
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
"""Room for an answer at first; one that is longer gets more."""

CONNECT_S = 10.0

HEAD_END, LINE_END = b"\r\n\r\n", b"\r\n"

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+) *\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked *\r\n", re.IGNORECASE)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *\d+ *\r\n", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close *\r\n", re.IGNORECASE)
WORKED_MS = re.compile(rb"(?:decode|operations|encode);dur=([\d.]+)")

NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


@dataclass(eq=False)
class Picture:
    """A request as it goes over the wire.  expected: the answer's body, once the first one has come.

    asks_first: the body waits for `100 Continue`, as curl does with one of more than a megabyte.
    """

    head: bytes
    body: bytes
    asks_first: bool = False
    expected: bytes = b""

    @property
    def whole(self) -> bytes:
        """Head and body."""
        return self.head + self.body


def posted(path: str, body: bytes, *, asks_first: bool = False, host: str = "bench") -> Picture:
    """The request that posts a body to a path."""
    expect = "Expect: 100-continue\r\n" if asks_first else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{expect}\r\n"
    return Picture(head.encode(), body, asks_first)


def fetched(path: str, *, host: str = "bench") -> Picture:
    """The request that gets a path, for servers that have or find the picture themselves."""
    return Picture(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), b"")


@dataclass(frozen=True)
class Answer:
    """What came back.  worked_s: the engine's own time by Server-Timing.  fault: why it is none that may come."""

    status: int = 0
    worked_s: float = 0.0
    fault: str = ""
    size: int = 0

    @property
    def is_picture(self) -> bool:
        """Answered 200, and with what the first answer had."""
        return self.status == HTTPStatus.OK and not self.fault

    @property
    def is_refusal(self) -> bool:
        """Answered 503."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE


class Conversation:
    """A connection to the port that is open at once; `ask` begins a request, `advance` carries it on."""

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
        self._picture: Picture | None = None
        self.is_over = False

    def fileno(self) -> int:
        """For a poll."""
        return self._socket.fileno()

    def close(self) -> None:
        """End it."""
        self.is_over = True
        self._socket.close()

    def ask(self, picture: Picture, whole: bytes) -> None:
        """Send a request.  whole: `picture.whole`, made beforehand."""
        self._picture = picture
        self._received, self._head = 0, b""
        self._unsent = memoryview(picture.head if picture.asks_first else whole)
        self._held_back = picture.body if picture.asks_first else b""
        self._send()

    def advance(self) -> Answer | None:
        """The answer, if that is now complete."""
        if self._picture is None:
            self._look_for_end()
            return None
        if self._unsent:
            self._send()
        answer = self._receive()
        if answer is not None:
            self._picture = None
            if answer.fault or self._unsent or CLOSES.search(self._head):
                self.close()
        return answer

    def _look_for_end(self) -> None:
        """The server may close a connection that nothing is asked on."""
        with contextlib.suppress(BlockingIOError):
            if not self._socket.recv(1):
                self.close()

    def _send(self) -> None:
        # A server that refuses may close before it has read everything: its answer is what counts.
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
        """What an end of the connection means: the end of an answer that says no other, or a broken one."""
        if not self._head or self._body_size is not None or self._chunks is not None:
            return Answer(fault=f"closed after {self._received} bytes of an answer")
        self._body_size = self._received - self._body_start
        answer = self._answer()
        self.close()
        return answer

    def _take_head(self) -> bool:
        """Whether the answer's head is here; an interim `100 Continue` before it lets the body go."""
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
        """Take what chunks are complete; whether the last one is."""
        while True:
            line_end = self._buffer.find(LINE_END, self._chunk_at, self._received)
            if line_end < 0:
                return False
            size = int(self._buffer[self._chunk_at : line_end].split(b";")[0], 16)
            if size == 0:
                # Fields may follow; an empty line ends them.
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
        status, picture = int(self._head[9:12]), self._picture
        size = self._body_size or len(self._chunks or b"")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return Answer(status, fault="" if RETRY_AFTER.search(self._head) else "503 without Retry-After", size=size)
        if status != HTTPStatus.OK or picture is None:
            return Answer(status, fault=f"status {status}: {self._body()[:300]!r}", size=size)
        if not picture.expected:
            picture.expected = self._body()
        worked_s = sum(map(float, WORKED_MS.findall(self._head))) / 1000
        return Answer(status, worked_s, "" if self._is(picture.expected) else f"another answer of {size} bytes", size)
