"""A document that is the same for all clients: made once, compressed once, and sent once to each client.

A client that has it asks with its ETag and gets 304.  Each form has an ETag of its own (RFC 9110, section 8.8.3.3).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from falcon.asgi import Request, Response

from imgsrv.web.accept import takes_gzip

SMALLEST_PACKED = 1024
"""Bytes from which compression is worth its header."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Document:
    """The route of one document.  headers: of every answer, 304 included."""

    def __init__(self, data: bytes, media_type: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        self._data, self._media_type, self._headers = data, media_type, headers
        self._digest = hashlib.sha256(data).hexdigest()[:32]
        is_picture = media_type.startswith("image/") and not media_type.endswith("xml")
        self._may_pack = len(data) >= SMALLEST_PACKED and not is_picture

    async def on_get(self, req: Request, resp: Response) -> None:
        """Answer with the document, or 304 if the client has it."""
        is_packed = self._may_pack and takes_gzip(req.get_header("Accept-Encoding") or "")
        etag = f'"{self._digest}{"-gzip" if is_packed else ""}"'
        resp.set_headers({"ETag": etag, "Vary": "Accept-Encoding", **self._headers})
        if _has(req.get_header("If-None-Match") or "", etag):
            resp.status = 304
            return
        resp.content_type = self._media_type
        if is_packed:
            resp.set_header("Content-Encoding", "gzip")
        resp.data = self._packed if is_packed else self._data

    on_head = on_get

    @cached_property
    def _packed(self) -> bytes:
        return gzip.compress(self._data, mtime=0)


class JsonPage(Document):
    """The route of one JSON document."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n", "application/json")


def _has(if_none_match: str, etag: str) -> bool:
    """True if the header names the ETag; weak ones count as well, because a document is the same to the byte."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in (etag, "*") for tag in tags)
