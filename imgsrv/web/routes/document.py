"""A document that is the same for all clients: made once in a worker, compressed once, and sent once to each client.

A client that has it asks with its ETag and gets 304.  Each form has an ETag of its own (RFC 9110, section 8.8.3.3).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any

from falcon.asgi import Request, Response

from imgsrv.web.accept import takes_gzip

SMALLEST_PACKED = 1024
"""Bytes from which compression is worth its header."""

PIECES = 1000
"""Pieces of a JSON document that are joined at once."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class _Contents:
    """The bytes of a document, as they are and compressed."""

    data: bytes

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:32]

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.data, mtime=0)


class Document:
    """The route of one document.  headers: of every answer, 304 included."""

    def __init__(self, data: bytes, media_type: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self._made: _Contents | None = _Contents(data)
        self._media_type, self._headers = media_type, headers
        self._is_packable = not media_type.startswith("image/") or media_type.endswith("xml")

    async def on_get(self, req: Request, resp: Response) -> None:
        """Answer with the document, or 304 if the client has it."""
        contents = self._made or await self._make()
        may_pack = self._is_packable and len(contents.data) >= SMALLEST_PACKED
        is_packed = may_pack and takes_gzip(req.get_header("Accept-Encoding") or "")
        etag = f'"{contents.digest}{"-gzip" if is_packed else ""}"'
        resp.set_headers({"ETag": etag, "Vary": "Accept-Encoding", **self._headers})
        if _has(req.get_header("If-None-Match") or "", etag):
            resp.status = 304
            return
        resp.content_type = self._media_type
        if is_packed:
            resp.set_header("Content-Encoding", "gzip")
        resp.data = contents.packed if is_packed else contents.data

    on_head = on_get

    async def _make(self) -> _Contents:
        """Make the contents, where they are not there from the start."""
        raise NotImplementedError


class JsonPage(Document):
    """The route of one JSON document, which each worker makes when it is first asked for.

    All documents of the API together take 0.2 s and 8 MB, and hardly anybody asks a server for them.
    """

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        super().__init__(b"", "application/json")
        self._made = None
        self._document = document
        self._making: asyncio.Task[_Contents] | None = None

    async def _make(self) -> _Contents:
        """Make it once for all who wait for it, beside the loop, whose other clients go on."""
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._rendered))
            self._making.add_done_callback(self._keep)
        # A client that goes away takes it from nobody else.
        return await asyncio.shield(self._making)

    def _keep(self, making: asyncio.Task[_Contents]) -> None:
        self._making = None
        if not making.cancelled() and making.exception() is None:
            self._made = making.result()

    def _rendered(self) -> _Contents:
        pieces = json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(self._document())
        text = bytearray()
        # `json.dumps` would hold all pieces of a megabyte at once.
        while part := "".join(islice(pieces, PIECES)):
            text += part.encode()
        contents = _Contents(bytes(text + b"\n"))
        _ = contents.digest
        return contents


def _has(if_none_match: str, etag: str) -> bool:
    """True if the header names the ETag; weak ones count as well, because a document is the same to the byte."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)
