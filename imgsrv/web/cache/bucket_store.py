"""The store of several machines without a server of one's own: a bucket of S3, Google Cloud Storage or Azure.

What is no longer asked for is removed by a lifecycle rule of the bucket.
"""

from __future__ import annotations

from typing import Any

from imgsrv.web.cache.entry import HEADER, BadEntry, Entry, pack, split, unpack
from imgsrv.web.cache.store import StoreFailed, Usage
from imgsrv.web.stores.bucket import Bucket, BucketFailed

FOLDER = "v1/"
"""Prefix of the names of entries, below the prefix of the URL."""

ALL = 100
"""What concerns all entries may take so many times longer."""


class BucketStore:
    """Entries in a bucket.  url: such as s3://bucket/prefix.  most: bytes of a result that is read."""

    name = "bucket"

    def __init__(self, url: str, timeout_s: float, most: int) -> None:
        self._bucket, self._most = Bucket(url, timeout_s), most + HEADER.size

    async def get(self, key: bytes) -> Entry | None:
        """The entry with this key; None if there is none.  Raises StoreFailed, BadEntry."""
        try:
            data = await self._bucket.ask(lambda store: self._read(store, _name(key)))
        except FileNotFoundError:
            return None
        except BucketFailed as error:
            raise StoreFailed(str(error)) from error
        return unpack(key, *split(data))

    async def put(self, key: bytes, entry: Entry) -> None:
        """Keep the entry.  Raises StoreFailed."""
        try:
            await self._bucket.ask(lambda store: store.put_async(_name(key), b"".join(pack(key, entry))))
        except (BucketFailed, FileNotFoundError) as error:
            raise StoreFailed(str(error)) from error

    async def usage(self) -> Usage:
        """The number and the bytes of the entries.  Raises StoreFailed."""
        try:
            sizes = [int(each["size"]) for each in await self._bucket.listed(FOLDER, ALL)]
        except BucketFailed as error:
            raise StoreFailed(str(error)) from error
        return Usage(len(sizes), sum(sizes), None)

    async def purge(self) -> int:
        """Remove every entry; gives their number.  Raises StoreFailed."""
        try:
            names = [each["path"] for each in await self._bucket.listed(FOLDER, ALL)]
            await self._bucket.remove(names, ALL)
        except BucketFailed as error:
            raise StoreFailed(str(error)) from error
        return len(names)

    async def close(self) -> None:
        """The library has nothing to close."""

    async def _read(self, store: Any, name: str) -> bytes:
        found = await store.get_async(name)
        if found.meta["size"] > self._most:
            raise BadEntry(f"it has {found.meta['size']} bytes")
        return bytes(await found.bytes_async())


def _name(key: bytes) -> str:
    return f"{FOLDER}{key.hex()}"
