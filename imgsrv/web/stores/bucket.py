"""A bucket of S3, Google Cloud Storage or Azure, for what several machines share.

Every call has a time limit and no repetition, as those of `Redis` have.  All that can go wrong with it is one error,
`BucketFailed`, with the reason; only that an object is missing is another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from imgsrv.object_stores import open_bucket, says_missing
from imgsrv.web.stores.failures import ServerFailed

Given = TypeVar("Given")

MOST_REMOVED = 1000
"""Objects that one request removes."""


class BucketFailed(ServerFailed):
    """The bucket cannot be reached, is late, refuses, or answers what makes no sense."""


class Bucket:
    """One bucket as one worker sees it.

    It is made before the worker's loop runs and connects with the first call.  url: such as s3://bucket/prefix; names
    are below the prefix.  timeout_s: of each call.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._store: Any = None

    async def ask(self, call: Callable[[Any], Awaitable[Given]], factor: float = 1) -> Given:
        """The answer to a call of obstore's store.  factor: how much more time it has than others.

        Raises BucketFailed, and FileNotFoundError if there is no such object, or no such bucket.
        """
        from obstore.exceptions import BaseError  # noqa: PLC0415  an extra, loaded where it is used

        try:
            async with asyncio.timeout(self._timeout_s * factor):
                return await call(self._opened())
        except TimeoutError as error:
            raise BucketFailed(f"no answer within {self._timeout_s * factor:g} s") from error
        except (BaseError, OSError) as error:
            if says_missing(error):
                raise FileNotFoundError(str(error)[:200]) from error
            raise BucketFailed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error

    async def listed(self, folder: str, factor: float = 1) -> list[Any]:
        """What obstore tells of all objects below the folder: `path`, `size` and `last_modified`, and more.

        Raises BucketFailed.
        """

        async def listed(store: Any) -> list[Any]:
            return [each async for part in store.list(folder) for each in part]

        try:
            return await self.ask(listed, factor)
        except FileNotFoundError as error:
            raise BucketFailed(f"there is no such bucket: {error}") from error

    async def remove(self, names: list[str], factor: float = 1) -> None:
        """Remove the objects; those that are not there are none.  Raises BucketFailed."""
        for start in range(0, len(names), MOST_REMOVED):
            await self._remove(names[start : start + MOST_REMOVED], factor)

    async def pieces(self, found: Any, piece_bytes: int) -> AsyncIterator[Any]:
        """The bytes of an object that was asked for, as they come.  found: obstore's result.  Raises BucketFailed."""
        pieces = aiter(found.stream(min_chunk_size=piece_bytes))
        while (piece := await self.ask(lambda _store: anext(pieces, None))) is not None:
            yield piece

    async def _remove(self, names: list[str], factor: float) -> None:
        with contextlib.suppress(FileNotFoundError):
            await self.ask(lambda store: store.delete_async(names), factor)

    def _opened(self) -> Any:
        if self._store is None:
            limit_s = self._timeout_s
            self._store = open_bucket(self._url, answer_s=limit_s, connect_s=limit_s, retries=0, retry_s=limit_s)
        return self._store
