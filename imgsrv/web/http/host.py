"""The interfaces of this folder: what its modules ask of the connection and of the front, which are above them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from imgsrv.errors import ImgsrvError
from imgsrv.observe.log.logger import Logger
from imgsrv.settings import Settings
from imgsrv.web.http.body import Body, BodyReader, Files
from imgsrv.web.http.outflow import Unsent
from imgsrv.web.http.proxy_headers import Client, Proxies

Message = dict[str, Any]
"""A scope or an event of ASGI."""

Headers = list[tuple[bytes, bytes]]

Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Wire(BodyReader, Protocol):
    """What the parser, a cycle and a body ask of their connection."""

    blocked: asyncio.Event | None
    """Set when the client reads on; None while it reads fast enough."""

    def write(self, data: bytes | memoryview) -> None:
        """Send the bytes."""
        ...

    def close(self) -> None:
        """Close, after the client has received what was written."""
        ...

    def is_closing(self) -> bool:
        """True if no further answer goes out."""
        ...

    def when_sent(self, callback: Callable[[], None]) -> None:
        """Call back when the kernel has all that was written, or the connection is lost."""
        ...

    def pause_reading(self) -> None:
        """Receive nothing more for now."""
        ...

    def resume_reading(self) -> None:
        """Receive again."""
        ...

    def head_complete(self, body: Body) -> None:
        """The head of a request is here."""
        ...

    def answered(self) -> None:
        """An answer is complete."""
        ...

    def refuse(self, error: ImgsrvError, request_id: str = "") -> None:
        """Answer a request that the app never sees, and close."""
        ...


class Drainable(Protocol):
    """What the front asks of a connection."""

    def begin_drain(self) -> None:
        """The worker has begun to stop."""
        ...


@dataclass(slots=True)
class Drain:
    """Whether the worker has begun to stop."""

    has_begun: bool = False


@dataclass(slots=True)
class Quick:
    """A request that may be answered at its head, and what the answer was.

    target: as it was sent.  started: monotonic seconds.  format: of the picture that is sent.
    """

    target: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    started: float
    request_id: str = ""
    status: int = 200
    sent: int = 0
    format: str = ""


class Host(Unsent, Protocol):
    """What a connection asks of its front.

    quick: gives the head and the body of an answer that needs no app, or None; None where every request needs it.
    """

    quick: Callable[[Quick], tuple[bytes, memoryview | bytes] | None] | None

    app: App
    settings: Settings
    proxies: Proxies
    drain: Drain
    files: Files
    log: Logger
    loop: asyncio.AbstractEventLoop
    tasks: set[asyncio.Task[None]]

    def refusal(self, client: Client) -> ImgsrvError | None:
        """The error for a picture of that client that came now; None if it would be accepted."""
        ...

    def headers_for(self, request: Headers) -> Headers:
        """The headers that every answer to a request with these headers has besides its own."""
        ...

    def opened(self, connection: Drainable) -> None:
        """Count a connection in."""
        ...

    def closed(self, connection: Drainable) -> None:
        """Count a connection out."""
        ...

    def preface_refused(self, reason: str) -> None:
        """Log a connection that does not begin as the PROXY protocol asks."""
        ...

    def request_refused(self, error: ImgsrvError, request_id: str) -> None:
        """Count and log a request that never reached the app."""
        ...
