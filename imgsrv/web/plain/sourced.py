"""The picture of a plain request that names it, and what the answer says of its version.

A file that the kernel has in memory is read at once.  All else is opened and read as the routes do it.
"""

from __future__ import annotations

import time
from functools import lru_cache

from imgsrv.web.access.access import Access
from imgsrv.web.cache.identity import identity_of_bytes
from imgsrv.web.cache.key import etag_of
from imgsrv.web.cache.validity import version_headers
from imgsrv.web.http.host import Headers
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.plain.wishes import SourceWish
from imgsrv.web.services import Services
from imgsrv.web.sources.opened import Validators
from imgsrv.web.sources.origins import joint_identity
from imgsrv.web.sources.taking import fetch_parts, open_sources
from imgsrv.web.state import RequestState
from imgsrv.web.upload import Upload, check_upload

KEPT_ETAGS = 1024
"""Validators that are remembered: the same pictures are asked for again."""


class Sourced:
    """Takes the pictures of one worker."""

    def __init__(self, access: Access, services: Services) -> None:
        self._access, self._services = access, services
        self._etag = lru_cache(maxsize=KEPT_ETAGS)(self._etag_of_place)

    async def take(self, state: RequestState, wish: SourceWish) -> tuple[Upload, Headers]:
        """The picture in the body's file, its header checked, and the headers of its version.

        Raises what `open_sources`, `fetch_parts` and `check_upload` raise.
        """
        services, body = self._services, state.body
        validators = services.origins.take_now(wish.source, body, services.max_body)
        if validators is not None:
            state.received = time.monotonic()
            parts, identity = {FILE_PART: (0, body.received)}, validators.identity
        else:
            async with open_sources(state, services, wish.sources) as opened:
                parts = await fetch_parts(state, services, opened)
                found = opened.by_part[FILE_PART]
                validators, identity = found.validators, found.validators.identity
        upload = check_upload(body, parts, services.limits)
        if identity is not None:
            etag = self._etag(identity, wish.asked)
        else:
            etag = self._etag_of(await identity_of_bytes(body.file, upload.input), wish.asked)
        return upload, self._told(state, validators, etag)

    def _etag_of_place(self, identity: str, asked: str) -> str:
        """The ETag of a result.  identity: of the picture, as its place gives it."""
        return self._etag_of(joint_identity({FILE_PART: identity}), asked)

    def _etag_of(self, identity: str, asked: str) -> str:
        return etag_of(self._services.cache.key_of(identity, asked))

    def _told(self, state: RequestState, validators: Validators, etag: str) -> Headers:
        """The headers that say which version it is, and how long it holds."""
        settings = self._services.settings
        found = version_headers(validators, None, settings.cache_ttl_s, settings.cache_max_ttl_s)
        found["cache-control"] = self._access.cache_control(state, found["cache-control"])
        return [*((name.encode(), value.encode()) for name, value in found.items()), (b"etag", etag.encode())]
