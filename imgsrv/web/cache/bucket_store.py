"""The store of several machines without a server of one's own: a bucket of S3, Google Cloud Storage or Azure.

What is no longer asked for is removed by a lifecycle rule of the bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from imgsrv.object_stores import open_bucket
from imgsrv.web.cache.entry import HEADER, BadEntry, Entry, pack, split, unpack
from imgsrv.web.cache.store import StoreFailed, Usage

Given = TypeVar("Given")

FOLDER = "v1/"
"""Prefix of the names of entries, below the prefix of the URL."""


class BucketStore:
    """Entries in a bucket.  url: such as s3://bucket/prefix.  most: bytes of a result that is read."""

    name = "bucket"

    def __init__(self, url: str, timeout_s: float, most: int) -> None:
        self._url, self._timeout_s, self._most = url, timeout_s, most + HEADER.size
        self._bucket: Any = None

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none.  Raises StoreFailed, BadEntry."""
        try:
            data = await self._within(self._read(_name(key)))
        except FileNotFoundError:
            return None
        return unpack(key, *split(data))

    async def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry.  Raises StoreFailed."""
        await self._within(self._connected().put_async(_name(key), b"".join(pack(key, entry))))

    async def usage(self) -> Usage:
        """The number and the bytes of the entries.  Raises StoreFailed."""
        entries = size = 0
        for each in await self._within(self._listed(), factor=100):
            entries, size = entries + 1, size + int(each["size"])
        return Usage(entries, size, None)

    async def purge(self) -> int:
        """Remove every entry; gives their number.  Raises StoreFailed."""
        names = [each["path"] for each in await self._within(self._listed(), factor=100)]
        for start in range(0, len(names), 1000):
            await self._within(self._connected().delete_async(names[start : start + 1000]), factor=100)
        return len(names)

    async def close(self) -> None:
        """The library has nothing to close."""

    async def _read(self, name: str) -> bytes:
        found = await self._connected().get_async(name)
        if found.meta["size"] > self._most:
            raise BadEntry(f"it has {found.meta['size']} bytes")
        return bytes(await found.bytes_async())

    async def _listed(self) -> list[Any]:
        return [each async for part in self._connected().list(FOLDER) for each in part]

    async def _within(self, call: Awaitable[Given], factor: float = 1) -> Given:
        from obstore.exceptions import BaseError  # noqa: PLC0415  an extra, loaded where it is used

        try:
            async with asyncio.timeout(self._timeout_s * factor):
                return await call
        except FileNotFoundError:
            raise
        except TimeoutError as error:
            raise StoreFailed(f"no answer within {self._timeout_s:g} s") from error
        except (BaseError, OSError) as error:
            raise StoreFailed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error

    def _connected(self) -> Any:
        if self._bucket is None:
            limit_s = self._timeout_s
            self._bucket = open_bucket(self._url, answer_s=limit_s, connect_s=limit_s, retries=0, retry_s=limit_s)
        return self._bucket


def _name(key: bytes) -> str:
    return f"{FOLDER}{key.hex()}"
