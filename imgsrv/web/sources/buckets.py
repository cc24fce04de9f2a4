"""`s3:`, `gs:` and `az:` sources: objects of the buckets that the operator allows, read by obstore."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Any

from imgsrv.allowed_places import Bucket, parse_buckets
from imgsrv.environment import flag_name
from imgsrv.errors import (
    BadSource,
    ImgsrvError,
    SourceFailed,
    SourceForbidden,
    SourceNotAllowed,
    SourceNotFound,
    SourceTimeout,
)
from imgsrv.object_stores import open_bucket, says_missing, says_refused
from imgsrv.observe.log.logger import get_logger
from imgsrv.settings import Settings
from imgsrv.web.http.body import Body
from imgsrv.web.sources.naming import Source
from imgsrv.web.sources.opened import Asker, Validators, control_header, plain_header

PIECE_BYTES = 1 << 16
"""The least size of the pieces in which an object comes."""

RATE_PERIOD_S = 5.0
"""The lowest rate of a source is measured over each such period, as that of a body is."""

CONNECT_S = 5.0

EXAMPLE = "write it like s3://bucket/photos/cat.jpg"


class OpenedObject:
    """An object of which the facts are here.  found: obstore's result; None if the known validators still hold."""

    def __init__(self, source: Source, found: Any, rate: int, known: Validators | None) -> None:
        self._source, self._found, self._rate = source, found, rate
        self.is_unchanged = found is None
        self.validators = _validators(source, found) if found is not None else known or Validators()

    async def read_into(self, body: Body, limit: int) -> int:
        """Append the object to the body.  Raises SourceFailed, SourceTimeout, and what `Body.put` raises."""
        before = body.received
        body.expect(int(self._found.meta["size"]), limit)
        pieces, came = aiter(self._found.stream(min_chunk_size=PIECE_BYTES)), 0
        try:
            while (size := await self._read(pieces, body)) is not None:
                came += size
        except TimeoutError as error:
            raise SourceTimeout(str(self._source), f"{self._rate} bytes a second", flag_name("body_rate")) from error
        body.put(b"", is_last=True)
        return body.received - before

    async def _read(self, pieces: AsyncIterator[Any], body: Body) -> int | None:
        """Read pieces for a period; gives their bytes, or None at the end.  Raises TimeoutError if it is too slow."""
        loop, size = asyncio.get_running_loop(), 0
        end = loop.time() + RATE_PERIOD_S
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return None
            except TimeoutError:
                break
            except Exception as error:
                raise _translated(self._source, error) from error
            body.put(memoryview(piece))
            size += len(piece)
        if size < self._rate * RATE_PERIOD_S:
            raise TimeoutError
        return size

    async def close(self) -> None:
        """Let go of the answer; the library ends its connection."""
        self._found = None


class Buckets:
    """The buckets that sources may come from."""

    def __init__(self, settings: Settings) -> None:
        self._allowed: tuple[Bucket, ...] = parse_buckets(settings.source_buckets)
        self._timeout_s, self._rate = settings.source_timeout_s, settings.body_rate
        self._stores: dict[str, Any] = {}

    async def open(self, source: Source, known: Validators | None, _asker: Asker) -> OpenedObject:
        """The object with its facts.

        Raises BadSource, SourceNotAllowed, SourceNotFound, SourceForbidden and SourceFailed.
        """
        bucket, path = self.check(source)
        options = {"if_none_match": known.etag} if known is not None and known.etag else {}
        try:
            found = await self._store(f"{source.scheme}://{bucket}").get_async(path, options=options)
        except Exception as error:  # obstore raises classes of its own and of Python
            if type(error).__name__ == "NotModifiedError":
                return OpenedObject(source, None, self._rate, known)
            raise _translated(source, error) from error
        return OpenedObject(source, found, self._rate, known)

    def check(self, source: Source) -> tuple[str, str]:
        """The bucket and the path in it of a source that may be asked for.  Raises BadSource and SourceNotAllowed."""
        if not self._allowed:
            raise SourceNotAllowed(str(source), "this server reads no buckets", flag_name("source_buckets"))
        bucket, slash, path = source.rest.removeprefix("//").partition("/")
        if not source.rest.startswith("//") or not bucket or not path:
            raise BadSource(str(source), f"it is no object of a bucket; {EXAMPLE}")
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise BadSource(str(source), f"its path has a part that is empty, . or ..; {EXAMPLE}")
        if not any(allowed.matches(source.scheme, bucket, slash + path) for allowed in self._allowed):
            raise SourceNotAllowed(str(source), "its bucket is not allowed", flag_name("source_buckets"))
        return bucket, path

    def _store(self, url: str) -> Any:
        if url not in self._stores:
            limit_s = self._timeout_s
            self._stores[url] = open_bucket(
                url, answer_s=limit_s, connect_s=min(CONNECT_S, limit_s), retries=1, retry_s=limit_s
            )
        return self._stores[url]


def _translated(source: Source, error: Exception) -> ImgsrvError:
    """The error of a source for one of obstore.  Its text may hold names and ids of the account: it goes to the log."""
    if isinstance(error, ImgsrvError):
        return error
    if says_missing(error):
        return SourceNotFound(str(source))
    kind, reason = type(error).__name__, " ".join(str(error).split())[:500]
    get_logger().warning("bucket_failed", source=str(source), kind=kind, reason=reason)
    if says_refused(error):
        return SourceForbidden(str(source))
    return SourceFailed(str(source), "its bucket does not give it; the log says why")


def _validators(source: Source, found: Any) -> Validators:
    meta, attributes = found.meta, found.attributes
    etag = plain_header(meta.get("e_tag"))
    identity = f"{source.text}\n{etag}\n{meta.get('version')}\n{meta['size']}" if etag and etag[0] == '"' else None
    return Validators(
        identity,
        etag,
        format_datetime(meta["last_modified"], usegmt=True),
        control_header(attributes.get("Cache-Control")),
        plain_header(attributes.get("Content-Type")),
    )
