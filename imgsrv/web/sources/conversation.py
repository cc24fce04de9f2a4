"""One connection to another server, over which one answer after another is read: HTTP/1.1, parsed by httptools.

The head of an answer is read first, and then nothing more until its body is wanted.  Bytes of the body go from the
socket straight into the file of the request that waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httptools

LARGEST_HEAD = 65_536
"""Bytes of the head of an answer, interim answers included."""

FREE_FRAMING = 1 << 20
"""Bytes beyond twice the body that its chunks may take, extensions and trailers included."""

FINAL = 200
"""Smaller statuses are those of interim answers."""

SWITCHING = 101


LISTS = (b"cache-control", b"content-encoding", b"transfer-encoding")
"""Headers whose lines are joined, because each line adds to the list (RFC 9110, section 5.3)."""


class BadAnswer(Exception):
    """What came is no answer, or not all of one.  reason: in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; of a header that comes twice the first, and of LISTS all values."""

    status: int
    headers: Mapping[str, str]


class Conversation(asyncio.Protocol):
    """One connection.  came: bytes of the current body."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._is_lost = self.is_used = False
        self._on_lost: Callable[[], object] = lambda: None
        self._reset()

    def _reset(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: Head | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._early = bytearray()
        self._sink: Callable[[bytes | bytearray], None] | None = None
        self._fault: Exception | None = None
        self.came = self._raw = self._most_raw = 0
        self.is_complete = self._keeps_alive = self._ends_with_connection = False

    # ---- the side that asks ---------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """True if another request may be sent."""
        return self.is_complete and self._keeps_alive and not self._is_lost and self._fault is None

    @property
    def has_begun(self) -> bool:
        """True if a byte of the answer came."""
        return self._raw > 0

    async def ask(self, request: bytes) -> Head:
        """Send the request; gives the head of the answer.  Raises BadAnswer."""
        if self._transport is None or self._is_lost:
            raise BadAnswer("the connection was closed")
        if self.is_used:
            self._reset()
        self.is_used = True
        self._transport.resume_reading()
        self._transport.write(request)
        await self._wait()
        return self._known_head()

    def _known_head(self) -> Head:
        if self._head is None:
            raise BadAnswer("the connection was closed")
        return self._head

    async def read(self, sink: Callable[[bytes | bytearray], None], *, most: int, rate: int, period_s: float) -> None:
        """Give the body to the sink as it comes.

        most: bytes that the body may have as far as framing is concerned; the sink itself refuses what is too much.
        rate: bytes a second that must come in each period.  Raises BadAnswer, TimeoutError, and what the sink raises.
        """
        self._sink, self._most_raw = sink, self._raw + 2 * most + FREE_FRAMING
        early, self._early = self._early, bytearray()
        if early:
            self._give(early)
        if self._transport is not None and not self.is_complete:
            self._transport.resume_reading()
        while not self.is_complete:
            before = self.came
            try:
                async with asyncio.timeout(period_s):
                    await self._wait()
            except TimeoutError:
                if self.came - before < rate * period_s:
                    raise

    def keep(self, on_lost: Callable[[], object]) -> None:
        """The connection stays open unused; call back if the other side closes it or sends what nobody asked for."""
        self._on_lost = on_lost
        if self._transport is not None:
            self._transport.resume_reading()

    def take(self) -> bool:
        """Use the kept connection again; False if it is lost."""
        self._on_lost = lambda: None
        return not self._is_lost

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        """Return when something is to be decided: the head is here, the body is complete, or there is a fault."""
        if self._fault is not None:
            raise self._fault
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        if self._fault is not None:
            raise self._fault

    # ---- the side of the connection -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is made; nothing is read until something is asked."""
        self._transport = transport  # type: ignore[assignment]  # a stream's is a Transport

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        if self._fault is not None:
            return
        if self.is_complete or not self.is_used:
            # Nobody has asked for it.
            self._fail(BadAnswer("it sends more than one answer"))
            return
        self._raw += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(BadAnswer("it changes the protocol"))
        except httptools.HttpParserError as error:
            if self.is_complete:
                # What follows a whole answer is not read, but it makes the connection useless.
                self.close()
            else:
                # A callback's own error is the context of the parser's.
                own = error.__context__
                self._fail(own if isinstance(own, BadAnswer) else BadAnswer("it is no HTTP/1.1"), cause=error)
        if self._head is None and self._raw > LARGEST_HEAD:
            self._fail(BadAnswer(f"the head of its answer has more than {LARGEST_HEAD} bytes"))
        elif self._sink is not None and self._raw > self._most_raw:
            self._fail(BadAnswer("its answer has far more framing than content"))

    def eof_received(self) -> bool:
        """The other side sends no more; a body without a length ends so."""
        if self._ends_with_connection and not self.is_complete:
            self._complete()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is lost."""
        self._is_lost = True
        if not self.is_complete:
            self._fail(BadAnswer("the connection was closed before the end of the answer"), cause=error)
        self._on_lost()

    # ---- the callbacks of httptools -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; a second one to one request is refused."""
        if self.is_complete:
            self._keeps_alive = False
            raise BadAnswer("it sends more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, which is dropped."""
        if self._head is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is here; that of an interim answer is dropped."""
        status = self._parser.get_status_code()
        headers = _by_name(self._headers)
        self._headers = []
        if status < FINAL:
            if status == SWITCHING:
                raise BadAnswer("it changes the protocol")
            return
        coding = headers.get("transfer-encoding", "").lower()
        if coding not in ("", "chunked"):
            raise BadAnswer("its answer has an unknown transfer coding")
        self._head, self._keeps_alive = Head(status, headers), self._parser.should_keep_alive()
        self._ends_with_connection = not coding and "content-length" not in headers
        if self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def on_body(self, data: bytes) -> None:
        """Bytes of the body."""
        if self._sink is None:
            # As much as one read of the socket has brought together with the head.
            self._early += data
        else:
            self._give(data)

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self._head is not None:
            self._complete()

    def _give(self, data: bytes | bytearray) -> None:
        self.came += len(data)
        try:
            if self._sink is not None:
                self._sink(data)
        except Exception as error:  # noqa: BLE001  whatever the file of the request says, it is the waiting side's
            self._fail(error)

    def _complete(self) -> None:
        self.is_complete = True
        self._wake()

    def _fail(self, fault: Exception, cause: Exception | None = None) -> None:
        if self._fault is None:
            fault.__cause__ = cause
            self._fault = fault
        self._wake()
        if self._transport is not None and not self._is_lost:
            self._transport.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of a head, by their names in lower case."""
    found: dict[bytes, bytes] = {}
    for name, value in ((name.lower(), value) for name, value in headers):
        if name not in found:
            found[name] = value
        elif name in LISTS:
            found[name] += b", " + value
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}
