"""Uploads as routes and sources see them: ids and their owners, whatever the store is."""

from __future__ import annotations

from dataclasses import dataclass

from imgsrv.environment import flag_name
from imgsrv.errors import SourceNotAllowed
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker, Opened, Validators
from imgsrv.web.sources.uploads.ids import name_of, new_id
from imgsrv.web.sources.uploads.store import Content, UploadStore


@dataclass(frozen=True, slots=True)
class Kept:
    """An upload.  expires: in seconds of the epoch."""

    id: str
    size: int
    expires: float


class Uploads:
    """The uploads of one server, as one of its workers sees them.  store: None if it keeps none."""

    def __init__(self, store: UploadStore | None) -> None:
        self._store = store

    @property
    def is_shared(self) -> bool:
        """They lie beyond the network, in a store that several machines have."""
        return self._store is not None and self._store.is_shared

    def check_allowed(self) -> None:
        """Raise SourceNotAllowed if this server keeps no uploads."""
        self._allowed("upload:")

    async def keep(self, file: int, start: int, size: int, asker: Asker) -> Kept:
        """Keep a copy of a part of a file.  Raises SourceNotAllowed, and what `UploadStore.keep` raises."""
        store, made = self._allowed("upload:"), new_id(asker)
        name = name_of(Source("upload", made), asker)
        return Kept(made, size, await store.keep(name, Content(file, start, size)))

    async def open(self, source: Source, _known: Validators | None, asker: Asker) -> Opened:
        """The open upload.  Raises SourceNotAllowed, SourceNotFound also for that of another owner, and more."""
        return await self._allowed(str(source)).open(source, name_of(source, asker))

    async def look_up(self, upload: str, asker: Asker) -> Kept:
        """What is known of an upload.  Raises SourceNotAllowed, and what `UploadStore.find` raises."""
        source = Source("upload", upload)
        found = await self._allowed(str(source)).find(source, name_of(source, asker))
        return Kept(upload, found.size, found.expires)

    async def remove(self, upload: str, asker: Asker) -> None:
        """Remove an upload.  Raises SourceNotAllowed, and what `UploadStore.remove` raises."""
        source = Source("upload", upload)
        await self._allowed(str(source)).remove(source, name_of(source, asker))

    async def close(self) -> None:
        """End what goes on between requests."""
        if self._store is not None:
            await self._store.close()

    def _allowed(self, source: str) -> UploadStore:
        if self._store is None:
            settings = f"{flag_name('uploads_dir')} or {flag_name('uploads')}"
            raise SourceNotAllowed(source, "this server keeps no uploads", settings)
        return self._store
