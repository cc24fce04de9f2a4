"""A request body: left unread until the app asks for it, then written into one memfd as it comes.

It passes through one buffer of the process that stays in the processor's cache.  Where its length is known it goes
past the parser; a chunked one goes through it.  The memfds are used again: their pages are then already there,
which takes 0.1 ms of kernel time for 0.8 MB where fresh ones take 0.4 ms, and 0.7 ms if they are mapped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

from imgsrv.errors import BodyTooLarge, ClientGone, ImgsrvError, Overloaded

KEPT_FILES, KEPT_BYTES = 4, 2 << 20
"""How many memfds a worker keeps for further bodies, and how large one may be to be kept."""

UNREAD_KEPT = 65_536
"""A refused request's rest up to this size is read and dropped to keep the connection; a longer one ends it."""


class Wire(Protocol):
    """What a body asks of its connection."""

    def body_wanted(self) -> None:
        """Read on: the app has made room."""
        ...

    def body_ended(self) -> None:
        """The last byte has come."""
        ...


class Files:
    """The memfds of one worker's bodies."""

    def __init__(self) -> None:
        self._kept: list[int] = []

    def take(self) -> int:
        """A memfd; what stands in it is an earlier body's and will be overwritten.

        Raises Overloaded where no descriptor is left.
        """
        try:
            return self._kept.pop() if self._kept else os.memfd_create("imgsrv-body")
        except OSError as error:
            raise Overloaded(f"the server is out of descriptors ({error.strerror})", retry_after_s=1) from error

    def give_back(self, file: int, *, is_unused: bool) -> None:
        """Let go of a memfd.  is_unused: no engine can still read it."""
        if is_unused and len(self._kept) < KEPT_FILES and os.fstat(file).st_size <= KEPT_BYTES:
            self._kept.append(file)
        else:
            os.close(file)


class Body:
    """One request's body.

    expected: its announced length; 0 for none, None for a chunked one.  is_held_back: the client waits to be told
    to continue, and decides by itself what to do if it is not.
    """

    def __init__(self, wire: Wire, files: Files, expected: int | None, *, is_held_back: bool = False) -> None:
        self._wire, self._files, self.expected = wire, files, expected
        self.received = 0
        self.is_complete = expected == 0
        self._is_held_back = is_held_back
        self.is_wanted = False
        self.is_client_gone = False
        self.is_unused = True
        self._limit = 0
        self._early = bytearray()
        self._dropped = 0
        self._file: int | None = None
        self._done: asyncio.Future[None] | None = None
        self._failure: ImgsrvError | None = None
        self._on_gone: Callable[[], object] | None = None

    # ---- the app's side -------------------------------------------------------------------------------

    async def receive(self, limit: int) -> int:
        """The whole body as a file that begins with it; `received` is its size, and `close` lets go of it.

        Raises BodyTooLarge before a byte is asked for where the length is known, or as soon as the stream passes
        the limit; RequestTimeout where it takes too long; ClientGone.
        """
        if self.expected is not None and self.expected > limit:
            raise BodyTooLarge(limit, self.expected)
        if self._failure:
            raise self._failure
        self._file = self._files.take()
        self._limit, self.is_wanted = limit, True
        early, self._early = self._early, bytearray()
        self.feed(early)
        if self._failure:
            raise self._failure
        if not self.is_complete:
            self._done = asyncio.get_running_loop().create_future()
            self._wire.body_wanted()
            await self._done
        return self._file

    @property
    def file(self) -> int:
        """The descriptor of the received body."""
        if self._file is None:
            raise RuntimeError("the body has not been received")
        return self._file

    def append(self, appendix: bytes) -> int:
        """Write behind the body, for the engine's eyes; returns where the appendix starts."""
        self.is_unused = False
        os.pwrite(self.file, appendix, self.received)
        return self.received

    def close(self) -> None:
        """Let go of the file; it is used again if no engine can still read it."""
        self._on_gone = None
        # A refused body's beginning would otherwise live until the collector finds the cycles that hold it.
        self._dropped += len(self._early)
        self._early = bytearray()
        if self._file is not None:
            self._files.give_back(self._file, is_unused=self.is_unused)
            self._file = None

    def when_gone(self, callback: Callable[[], object]) -> None:
        """Call back if the client leaves before `close`."""
        self._on_gone = callback

    @property
    def keeps_connection(self) -> bool:
        """What is still to come is little enough to be read and dropped."""
        if self._failure or (self._is_held_back and self.is_unwanted):
            return False
        come = self.received + self._dropped + len(self._early)
        left = UNREAD_KEPT + 1 if self.expected is None else self.expected - come
        return self.is_complete or left <= UNREAD_KEPT

    @property
    def is_unwanted(self) -> bool:
        """There is more to come and the app has not asked for it."""
        return not self.is_wanted and not self.is_complete

    # ---- the connection's side ------------------------------------------------------------------------

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes have come."""
        if not self.is_wanted:
            if not self.is_complete:
                self._early += data
            return
        if self.received + len(data) > self._limit:
            self.fail(BodyTooLarge(self._limit))
        elif self._file is not None:
            os.pwrite(self._file, data, self.received)
            self.received += len(data)

    @property
    def direct_bytes(self) -> int:
        """How many of the next bytes on the wire are the body's for certain and need no parser."""
        return self.expected - self.received if self.is_wanted and self.expected and not self.is_complete else 0

    def ended(self) -> None:
        """The last byte has come."""
        self.is_complete = True
        self._wire.body_ended()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: ImgsrvError) -> None:
        """The rest will not come; whoever waits for it is told."""
        if not self.is_complete:
            self._failure = error
            if self._done is not None and not self._done.done():
                self._done.set_exception(error)

    def client_gone(self) -> None:
        """The connection is lost."""
        self.is_client_gone = True
        self.fail(ClientGone())
        if self._on_gone is not None:
            self._on_gone()
