"""What a place for uploads offers, what it is told of them, and how many it may hold."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Protocol

from imgsrv.errors import UploadsFull
from imgsrv.settings import Settings
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Opened, Validators
from imgsrv.web.sources.uploads.ids import UploadName

RETRY_AFTER_S = 10
"""When a client may try again after a failure of the place."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long an upload is kept, and how many uploads of how many bytes together one owner may have."""

    ttl_s: float
    max_count: int
    max_size: int

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """The bounds that the settings name."""
        return cls(settings.uploads_ttl_s, settings.uploads_max_count, int(settings.uploads_max_size))

    def check(self, count: int, size: int) -> None:
        """Raise UploadsFull for more.  count, size: of all uploads of the owner, with the new one."""
        if count > self.max_count or size > self.max_size:
            raise UploadsFull(count, self.max_count, size, self.max_size)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an upload: a part of a file that nobody changes meanwhile."""

    file: int
    start: int
    size: int

    def piece(self, at: int, most: int) -> bytes:
        """At most so many bytes, from the one with that number on."""
        return os.pread(self.file, max(0, min(most, self.size - at)), self.start + at)

    def mapped(self) -> memoryview:
        """All bytes, without a copy."""
        whole = mmap.mmap(self.file, self.start + self.size, access=mmap.ACCESS_READ)
        return memoryview(whole)[self.start :]


@dataclass(frozen=True, slots=True)
class Found:
    """An upload that is there.  size: in bytes.  expires: when it ends, in seconds of the epoch."""

    size: int
    expires: float

    def validators(self, name: UploadName, now: float) -> Validators:
        """What is known of it before it is read."""
        left = max(0, int(self.expires - now))
        return Validators(f"upload:{name.digest}:{self.size}", cache_control=f"max-age={left}")


class UploadStore(Protocol):
    """A place for uploads.  source: as the client names the upload."""

    is_shared: bool
    """Other machines have it too, and the network is between."""

    async def keep(self, name: UploadName, content: Content) -> float:
        """Keep an upload; gives when it ends.

        Raises UploadsFull, UploadStoreFull, CannotKeepUploads and OutOfResources.
        """
        ...

    async def find(self, source: Source, name: UploadName) -> Found:
        """What is known of an upload.  Raises SourceNotFound, UploadsUnavailable, and what `disk_error` gives."""
        ...

    async def open(self, source: Source, name: UploadName) -> Opened:
        """The open upload.  Raises as `find` does."""
        ...

    async def remove(self, source: Source, name: UploadName) -> None:
        """Remove an upload.  Raises CannotKeepUploads, and as `find` does."""
        ...

    async def close(self) -> None:
        """End what goes on between requests, and let go of connections."""
        ...
