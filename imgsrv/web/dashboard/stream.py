"""`GET /dashboard/events`: a snapshot each second, as server-sent events (HTML, section 9.2).

Nothing is done while nobody watches.  A stream ends when the worker drains; whoever watches asks again, and another
worker answers, because each of them sees the whole pool.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from falcon.asgi import Request, Response

from imgsrv.errors import Overloaded
from imgsrv.web.http.body import Body
from imgsrv.web.http.host import Drain
from imgsrv.web.state import state_of

PERIOD_S = 1.0

FRESH_S = 0.5
"""Streams of one worker share a snapshot that is not older."""

MOST_STREAMS = 16
"""Streams of one worker.  A snapshot takes it some milliseconds, however many read it."""

RETRY_AFTER_S = 5

HEADERS = {
    "Cache-Control": "no-store",
    # The connection ends with the stream, so that a drain need not wait for a client that keeps it.
    "Connection": "close",
    # nginx would collect the events.
    "X-Accel-Buffering": "no",
}


class EventsRoute:
    """The route.  take: makes a snapshot."""

    def __init__(self, take: Callable[[], dict[str, Any]], drain: Drain) -> None:
        self._take, self._drain = take, drain
        self._streams = 0
        self._event, self._taken_at = b"", 0.0

    async def on_get(self, req: Request, resp: Response) -> None:
        """Answer with a stream that ends when the client leaves or the worker drains.  Raises Overloaded."""
        if self._streams >= MOST_STREAMS:
            raise Overloaded(f"{self._streams} dashboards watch this worker, and no more may", RETRY_AFTER_S)
        self._streams += 1
        state = state_of(req)
        state.is_stream, state.on_end = True, self._left
        resp.content_type = "text/event-stream"
        resp.set_headers(HEADERS)
        resp.stream = self._events(state.body)

    def _left(self) -> None:
        self._streams -= 1

    async def _events(self, body: Body) -> AsyncIterator[bytes]:
        gone = asyncio.Event()
        body.when_gone(gone.set)
        yield b"retry: 1000\n\n"
        while not (gone.is_set() or self._drain.has_begun):
            yield self._now()
            try:
                async with asyncio.timeout(PERIOD_S):
                    await gone.wait()
            except TimeoutError:
                continue

    def _now(self) -> bytes:
        if time.monotonic() - self._taken_at > FRESH_S:
            self._event = b"data: %b\n\n" % json.dumps(self._take(), separators=(",", ":")).encode()
            self._taken_at = time.monotonic()
        return self._event
