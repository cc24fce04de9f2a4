"""Connections that are kept open for further requests to the same server."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

from imgsrv.web.sources.connecting import Connector
from imgsrv.web.sources.conversation import BadAnswer, Conversation, Head
from imgsrv.web.sources.urls import Url

KEPT_S = 15.0
"""How long a connection is kept unused; servers close them after 5 to 75 seconds."""

MOST_KEPT = 32
"""Connections that one worker keeps unused; then the oldest is closed."""

Place = tuple[str, str, int]


class KeptConnections:
    """The connections of one worker."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._kept: deque[tuple[Place, Conversation, asyncio.TimerHandle]] = deque()

    async def ask(self, url: Url, request: bytes) -> tuple[Conversation, Head]:
        """Ask over a kept connection or a new one.  Raises Unreachable, RefusedAddress, BadAnswer and OSError."""
        if (kept := self._taken(_place(url))) is not None:
            try:
                return kept, await _asked(kept, request)
            except BadAnswer:
                # The server may have closed it while the request was on its way, as it may at any time.
                if kept.has_begun:
                    raise
        made = await self._connector.connect(url, Conversation)
        return made, await _asked(made, request)

    def release(self, url: Url, conversation: Conversation) -> None:
        """Keep the connection if it can be used again, and close it if not."""
        if not conversation.is_free:
            conversation.close()
            return
        if len(self._kept) >= MOST_KEPT:
            self._drop(self._kept[0][1])
        timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop, conversation)
        self._kept.append((_place(url), conversation, timer))
        conversation.keep(partial(self._drop, conversation))

    def _taken(self, place: Place) -> Conversation | None:
        """The connection to that place that was used last."""
        for entry in reversed(self._kept):
            if entry[0] == place:
                self._kept.remove(entry)
                entry[2].cancel()
                if entry[1].take():
                    return entry[1]
        return None

    def _drop(self, conversation: Conversation) -> None:
        for entry in self._kept:
            if entry[1] is conversation:
                self._kept.remove(entry)
                entry[2].cancel()
                break
        conversation.close()


async def _asked(conversation: Conversation, request: bytes) -> Head:
    try:
        return await conversation.ask(request)
    except BaseException:
        conversation.close()
        raise


def _place(url: Url) -> Place:
    return url.scheme, url.host, url.port
