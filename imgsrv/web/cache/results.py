"""The result cache as the routes see it: look for a result, or compute it once for all who ask for it.

Its store is a folder or a server, and locks decide who computes.  Without them every request computes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from imgsrv.errors import ClientGone
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.observe.scoreboard import Row
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.flights import Compute, Flights, Landed
from imgsrv.web.cache.folder import FolderStore
from imgsrv.web.cache.key import key_of, result_key
from imgsrv.web.cache.locks import Locks
from imgsrv.web.cache.quick import QuickHits
from imgsrv.web.cache.store import GuardedStore
from imgsrv.web.cache.versions import Versions
from imgsrv.web.http.body import Body
from imgsrv.web.http.host import Quick
from imgsrv.web.multipart import FILE_PART

NAME = "imgsrv"
"""The name of this cache in the header `Cache-Status`."""


class ResultCache:
    """The cache of one worker.

    store, locks: None if nothing is kept.  code: gives the version of the code, and of the settings that results follow
    from; see `code_version`.  versions: of remote sources.
    """

    def __init__(
        self,
        store: GuardedStore | None,
        locks: Locks | None,
        row: Row,
        code: Callable[[], str],
        versions: Versions,
    ) -> None:
        self.versions = versions
        self.quick: QuickHits | None = None
        self.store, self._locks, self._row, self._code = store, locks, row, code
        self._flights = None if store is None or locks is None else Flights(locks, store.get, store.put)

    @property
    def keeps(self) -> bool:
        """Results are kept."""
        return self.store is not None

    def key(self, sources: Mapping[str, str], pipeline: Pipeline, output: Output, accept: str | None) -> bytes:
        """The key of a result; see `result_key`."""
        return result_key(self._code(), sources, pipeline, output, accept)

    def key_of(self, identity: str, asked: str) -> bytes:
        """The key of a result of one picture.  identity: of the picture.  asked: of `asked_text`."""
        return key_of(self._code(), {FILE_PART: identity}, asked)

    async def find(self, key: bytes) -> Entry | None:
        """The kept result; None if there is none."""
        if self.store is None:
            return None
        entry = await self.store.get(key)
        if entry is None:
            self._row.add("cache_misses")
        else:
            self.count_hit(entry)
        return entry

    def count_hit(self, entry: Entry) -> None:
        """Count an answer from the cache."""
        self._row.add("cache_hits")
        self._row.add("cache_hit_bytes", len(entry.body))

    def count_unchanged(self) -> None:
        """Count an answer 304."""
        self._row.add("cache_not_modified")

    async def compute(self, key: bytes, compute: Compute, body: Body, deadline: float) -> Landed:
        """The result, computed once for all who ask for it at this time.

        body: of the request; its client ends the wait when it leaves.
        Raises TimeoutError after the deadline, ClientGone, and what `compute` raises.
        """
        if self._flights is None:
            return Landed(await compute())
        task = asyncio.current_task()
        if task is not None:
            body.when_gone(task.cancel)
        try:
            landed = await self._flights.result(key, compute, deadline)
        except asyncio.CancelledError as error:
            if not body.is_client_gone:
                raise
            if task is not None:
                task.uncancel()
            raise ClientGone from error
        finally:
            body.when_gone(lambda: None)
        if landed.waited:
            self._row.add("cache_waits")
        return landed

    def answer_early(
        self, record: Callable[[Quick], None]
    ) -> Callable[[Quick], tuple[bytes, memoryview | bytes] | None] | None:
        """The function that answers what needs no app; None where the store may have to be waited for.

        record: counts and logs such an answer.
        """
        if self.store is None or not isinstance(self.store.store, FolderStore):
            return None
        self.quick = QuickHits(self.store.store, record)
        return self.quick.answer

    async def close(self) -> None:
        """Finish what is being written, and let go of store and locks."""
        if self.store is not None:
            await self.store.finish()
        if self._locks is not None:
            await self._locks.close()


def status_of(landed: Landed | None, *, is_looked_for: bool = True) -> str:
    """The value of `Cache-Status` (RFC 9211).

    landed: what was computed; None for a hit.  is_looked_for: the result could have been in the store.
    """
    if landed is None:
        return f"{NAME}; hit"
    if not is_looked_for:
        return f"{NAME}; fwd=bypass"
    return "; ".join([f"{NAME}; fwd=uri-miss", *(["collapsed"] if landed.waited else []), *_stored(landed)])


def _stored(landed: Landed) -> list[str]:
    return ["stored"] if landed.computed.keeps else []
