"""Uploads in a bucket of S3, Google Cloud Storage or Azure: one object each, whose metadata say when it ends.

A bucket has no scripts.  So the uploads of an owner are listed before an upload is stored, and once more afterwards:
one that is beyond the bounds then is removed again, and refused.  Of those that are stored at one moment more may be
refused than need be, but never more are kept than the bounds allow: the last of them sees all others in its list.

What has ended is not given, and it is removed by whoever meets it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from imgsrv.errors import UploadsFull
from imgsrv.web.sources.uploads.ids import UploadName
from imgsrv.web.sources.uploads.store import Bounds, Content, Found
from imgsrv.web.stores.bucket import Bucket, BucketFailed

FOLDER = "uploads/v1/"
"""Prefix of the names of uploads, below the prefix of the URL: a purge of a cache in the same place leaves them."""

ENDS = "imgsrvends"
"""The name of the metadata with the end, in seconds of the epoch.  Azure takes letters, digits and underscores."""

NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)

PIECE_BYTES = 1 << 16
"""The least size of the pieces in which an upload comes."""

MOST_CHECKED = 32
"""Old uploads of the owner whose end is looked up, when another one is stored."""


class BucketUploads:
    """Uploads in a bucket."""

    name = "bucket"

    def __init__(self, bucket: Bucket, bounds: Bounds, clock: Callable[[], float] = time.time) -> None:
        self._bucket, self._bounds, self._clock = bucket, bounds, clock

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload; gives when it ends.  Raises UploadsFull and ServerFailed."""
        await self._check(name, content)
        ends = round(self._clock() + self._bounds.ttl_s, 3)
        attributes = {ENDS: f"{ends:.3f}", "Content-Type": "application/octet-stream"}

        def put(store: Any) -> Any:
            # In parts it would leave those of an upload that is cut off.
            return store.put_async(_object(name), content.mapped(), attributes=attributes, use_multipart=False)

        try:
            await self._bucket.ask(put)
        except FileNotFoundError as error:
            raise BucketFailed(f"there is no such bucket: {error}") from error
        try:
            await self._check(name, content)
        except UploadsFull:
            await self._bucket.remove([_object(name)])
            raise
        return ends

    async def forget(self, name: UploadName, _size: int) -> None:
        """Remove what a failed `keep` may have left.  Raises ServerFailed."""
        await self._bucket.remove([_object(name)])

    async def find(self, name: UploadName) -> Found | None:
        """What is known of an upload; None if there is none, or if it has ended.  Raises ServerFailed."""
        asked = await self._asked(name, head=True)
        return None if asked is None else asked[0]

    async def open(self, name: UploadName) -> tuple[Found, AsyncIterator[Any]] | None:
        """As `find`, with its bytes in pieces.  Raises ServerFailed."""
        asked = await self._asked(name, head=False)
        return None if asked is None else (asked[0], self._bucket.pieces(asked[1], PIECE_BYTES))

    async def remove(self, name: UploadName) -> bool:
        """Remove an upload; False if there is none.  Raises ServerFailed."""
        if await self.find(name) is None:
            return False
        await self._bucket.remove([_object(name)])
        return True

    async def close(self) -> None:
        """The library has nothing to close."""

    async def _asked(self, name: UploadName, *, head: bool) -> tuple[Found, Any] | None:
        """An upload and obstore's result.  head: its bytes are not asked for."""
        try:
            got = await self._bucket.ask(lambda store: store.get_async(_object(name), options={"head": head}))
        except FileNotFoundError:
            return None
        ends = _ends(got)
        if ends is None:
            raise BucketFailed("an upload in the bucket does not say when it ends")
        if ends <= self._clock():
            await self._bucket.remove([_object(name)])
            return None
        return Found(int(got.meta["size"]), ends), got

    async def _check(self, name: UploadName, content: Content) -> None:
        """Raise UploadsFull if there is no room for the upload beside the others of its owner."""
        sizes = await self._others(name)
        self._bounds.check(len(sizes) + 1, sum(sizes) + content.size)

    async def _others(self, name: UploadName) -> list[int]:
        """The bytes of each other upload of the owner; some of those that have ended are removed first."""
        listed = {each["path"]: each for each in await self._bucket.listed(_folder(name))}
        listed.pop(_object(name), None)
        # The list does not tell metadata.  What is younger than the time of an upload has not ended, unless that time
        # was shorter once; then it is counted for a while longer.
        young = datetime.fromtimestamp(self._clock(), UTC) - timedelta(seconds=self._bounds.ttl_s)
        old = [path for path, each in listed.items() if each["last_modified"] <= young][:MOST_CHECKED]
        has_ended = await asyncio.gather(*map(self._has_ended, old))
        ended = [path for path, is_over in zip(old, has_ended, strict=True) if is_over]
        await self._bucket.remove(ended)
        return [int(each["size"]) for path, each in listed.items() if path not in ended]

    async def _has_ended(self, path: str) -> bool:
        try:
            got = await self._bucket.ask(lambda store: store.get_async(path, options={"head": True}))
        except FileNotFoundError:
            return True
        ends = _ends(got)
        return ends is not None and ends <= self._clock()


def _folder(name: UploadName) -> str:
    return f"{FOLDER}{name.owner}/"


def _object(name: UploadName) -> str:
    return f"{_folder(name)}{name.digest}"


def _ends(got: Any) -> float | None:
    """When an object ends, by its metadata; None if they do not say."""
    text = got.attributes.get(ENDS) or ""
    return float(text) if NUMBER.fullmatch(text) else None
