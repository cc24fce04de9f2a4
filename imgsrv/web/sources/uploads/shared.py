"""The uploads of several machines: what a client is told when their store fails, and how long it waits at most.

A failure costs only the request that meets it.  Each is counted; the log gets one event when the store begins to fail,
and one when it works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from imgsrv.errors import (
    CannotKeepUploads,
    SourceNotFound,
    Unavailable,
    UploadsFull,
    UploadStoreFull,
    UploadsUnavailable,
)
from imgsrv.observe.log.logger import get_logger
from imgsrv.observe.scoreboard import Row
from imgsrv.web.http.body import Body
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.uploads.ids import UploadName
from imgsrv.web.sources.uploads.store import RETRY_AFTER_S, Content, Found
from imgsrv.web.stores.failures import ServerFailed, ServerFull

MOST_FORGOTTEN = 256
"""Uploads of one worker that failed and are being removed; what is left of more ends by itself."""

FORGET_PAUSES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Before each attempt to remove a failed upload: a server that hung may perform later what it was asked for before."""


class UploadServer(Protocol):
    """A server that keeps uploads for several machines."""

    name: str

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload if the bounds of its owner allow; gives when it ends.

        Raises UploadsFull, with nothing left, and ServerFailed and ServerFull, after which `forget` is called.
        """
        ...

    async def forget(self, name: UploadName, size: int) -> None:
        """Remove what a failed `keep` may have left.  size: of the upload.  Raises ServerFailed."""
        ...

    async def find(self, name: UploadName) -> Found | None:
        """What is known of an upload; None if there is none, or if it has ended.  Raises ServerFailed."""
        ...

    async def open(self, name: UploadName) -> tuple[Found, AsyncIterator[Any]] | None:
        """As `find`, with its bytes in pieces.  They end early if the upload is removed; they raise ServerFailed."""
        ...

    async def remove(self, name: UploadName) -> bool:
        """Remove an upload; False if there is none.  Raises ServerFailed."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class SharedUploads:
    """The uploads in a server.  timeout_s: in which it must have done what it is asked for.  row: of the worker."""

    is_shared = True

    def __init__(
        self, server: UploadServer, timeout_s: float, row: Row, clock: Callable[[], float] = time.time
    ) -> None:
        self._server, self._timeout_s, self._row, self._clock = server, timeout_s, row, clock
        self._forgetting: set[asyncio.Task[None]] = set()
        self._is_down = False

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload; gives when it ends.  Raises UploadsFull, UploadStoreFull and CannotKeepUploads."""
        try:
            async with self._in_time(CannotKeepUploads):
                return await self._server.keep(name, content)
        except UploadsFull:
            raise
        except BaseException:
            self._forget(name, content.size)
            raise

    async def find(self, source: Source, name: UploadName) -> Found:
        """What is known of an upload.  Raises SourceNotFound and UploadsUnavailable."""
        async with self._in_time(UploadsUnavailable):
            found = await self._server.find(name)
        if found is None:
            raise SourceNotFound(str(source))
        return found

    async def open(self, source: Source, name: UploadName) -> OpenedUpload:
        """The open upload.  Raises SourceNotFound and UploadsUnavailable."""
        async with self._in_time(UploadsUnavailable):
            opened = await self._server.open(name)
        if opened is None:
            raise SourceNotFound(str(source))
        return OpenedUpload(self, source, name, *opened, self._clock())

    async def remove(self, source: Source, name: UploadName) -> None:
        """Remove an upload.  Raises SourceNotFound and CannotKeepUploads."""
        async with self._in_time(CannotKeepUploads):
            was_there = await self._server.remove(name)
        if not was_there:
            raise SourceNotFound(str(source))

    async def close(self) -> None:
        """Wait a moment for what is being removed, and let go of the connections."""
        if self._forgetting:
            _done, late = await asyncio.wait(self._forgetting, timeout=self._timeout_s)
            for task in late:
                task.cancel()
        await self._server.close()

    @contextlib.contextmanager
    def translated(self, error: type[Unavailable]) -> Iterator[None]:
        """Raise that error, or UploadStoreFull, in place of one of the server."""
        try:
            yield
        except ServerFull as failure:
            self._failed(failure)
            raise UploadStoreFull("the store of the uploads is full", RETRY_AFTER_S) from failure
        except ServerFailed as failure:
            self._failed(failure)
            raise error("the store of the uploads does not work at the moment", RETRY_AFTER_S) from failure
        self._works()

    @contextlib.asynccontextmanager
    async def _in_time(self, error: type[Unavailable]) -> AsyncIterator[None]:
        with self.translated(error):
            try:
                async with asyncio.timeout(self._timeout_s):
                    yield
            except TimeoutError as late:
                raise ServerFailed(f"not done within {self._timeout_s:g} s") from late

    def _forget(self, name: UploadName, size: int) -> None:
        """Remove what a failed upload may have left; nobody waits for it."""
        if len(self._forgetting) < MOST_FORGOTTEN:
            task = asyncio.get_running_loop().create_task(self._forgotten(name, size))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def _forgotten(self, name: UploadName, size: int) -> None:
        for pause_s in FORGET_PAUSES_S:
            await asyncio.sleep(pause_s)
            with contextlib.suppress(ServerFailed):
                await self._server.forget(name, size)
                return

    def _failed(self, error: ServerFailed) -> None:
        self._row.add("upload_store_failures")
        if not self._is_down:
            self._is_down = True
            get_logger().warning("upload_store_down", store=self._server.name, reason=str(error))

    def _works(self) -> None:
        if self._is_down:
            self._is_down = False
            get_logger().info("upload_store_back", store=self._server.name)


class OpenedUpload:
    """An upload in a server of which the facts are here, and the bytes come in pieces."""

    is_unchanged = False

    def __init__(
        self,
        shared: SharedUploads,
        source: Source,
        name: UploadName,
        found: Found,
        pieces: AsyncIterator[Any],
        now: float,
    ) -> None:
        self._shared, self._source, self._found, self._pieces = shared, source, found, pieces
        self.validators = found.validators(name, now)

    async def read_into(self, body: Body, limit: int) -> int:
        """Append the upload to the body.  Raises UploadsUnavailable, SourceNotFound, and what `Body.put` raises."""
        size, came = self._found.size, 0
        body.expect(size, limit)
        with self._shared.translated(UploadsUnavailable):
            async for piece in self._pieces:
                came += len(piece)
                if came > size:
                    raise ServerFailed(f"it gives more than the {size} bytes that it has told of")
                body.put(memoryview(piece))
        if came < size:
            # It was removed, or has ended, while it was read.
            raise SourceNotFound(str(self._source))
        body.put(b"", is_last=True)
        return came

    async def close(self) -> None:
        """Let go of the pieces; a library ends its connection."""
        if isinstance(self._pieces, AsyncGenerator):
            await self._pieces.aclose()
