"""HTTP as bytes on a socket, for requests that no client library sends.  Each answer is read to its exact end."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from pictures import encoded, opened, picture
from serving import DEADLINE_S, Server

CONTINUE = 100


@dataclass(frozen=True)
class Answer:
    """One answer.  interims: the statuses of the informational ones before it.  headers: by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes
    interims: tuple[int, ...] = ()

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def code(self) -> str:
        return str(self.problem["code"])

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close"


class Wire:
    """A connection for which the test chooses every byte."""

    def __init__(self, server: Server, *source: str) -> None:
        """source: the client's address, if another one than usual is wanted."""
        self.socket = server.connect(*source)
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def local_port(self) -> int:
        return 0 if self.socket.family == socket.AF_UNIX else int(self.socket.getsockname()[1])

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_until_refused(self, data: bytes) -> None:
        """Send requests as long as the server listens."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, *, has_body: bool = True) -> Answer:
        """The next answer, with the informational ones before it."""
        interims: list[int] = []
        while True:
            status, headers = self._head()
            if status != CONTINUE:
                break
            interims.append(status)
        size = int(headers.get("content-length", "0")) if has_body else 0
        return Answer(status, headers, self._exactly(size), tuple(interims))

    def ends(self, deadline_s: float = DEADLINE_S) -> bool:
        """True if the server closes without another byte.  A reset is no clean end and raises."""
        self.socket.settimeout(deadline_s)
        return not self._read and self.socket.recv(1) == b""

    def is_silent(self, seconds: float) -> bool:
        """True if for this long neither bytes nor an end arrive."""
        self.socket.settimeout(seconds)
        try:
            self._read += self.socket.recv(65_536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE_S)
        return False

    def _head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, *_ = first.split(" ")
        assert version == "HTTP/1.1", first
        pairs = (line.split(": ", 1) for line in lines)
        return int(status), {name.lower(): value for name, value in pairs}

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            self._more()
        found, self._read = self._read[:size], self._read[size:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError(f"the server closed after {self._read!r}")
        self._read += data


def head(target: str, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    """A request up to its body."""
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: test", *headers, "", ""]).encode()


def post(target: str, body: bytes, *headers: str, version: str = "1.1") -> bytes:
    """A whole request with its Content-Length."""
    return head(target, f"Content-Length: {len(body)}", *headers, version=version) + body


def chunked(pieces: Iterable[bytes]) -> bytes:
    """The pieces as a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def ask(server: Server, request: bytes) -> Answer:
    """Send one request on a new connection."""
    with Wire(server) as wire:
        wire.send(request)
        return wire.answer()


def metric(server: Server, name: str) -> float:
    """The present value of a metric without labels."""
    lines = ask(server, head("/metrics", method="GET")).body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


# ---- requests that most tests send -------------------------------------------------------------------

HEALTH = head("/healthz", method="GET")

PNG = encoded(picture("RG/BY"))
FLIPPED = picture("BY/RG").tobytes()


def is_flipped(answer: Answer) -> bool:
    """True if it is the right answer to PNG sent to /flip."""
    return answer.status == 200 and opened(answer.body).tobytes() == FLIPPED


def noise(side: int) -> bytes:
    """A PNG of `side`×`side` that does not compress: three bytes a pixel."""
    image = picture("R").resize((side, side))
    image.frombytes(os.urandom(side * side * 3))
    return encoded(image, compress_level=1)
