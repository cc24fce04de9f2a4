"""The picture of a plain request that names it, and what the answer says of its version.

A file that the kernel has in memory is read at once.  All else is opened and read as the routes do it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace

from imgsrv.jobs.job import ProcessJob
from imgsrv.web.access.access import Access
from imgsrv.web.cache.identity import identity_of_bytes
from imgsrv.web.cache.key import etag_of
from imgsrv.web.cache.validity import version_headers
from imgsrv.web.http.body import Body
from imgsrv.web.http.host import Headers
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.plain.wishes import SourceWish
from imgsrv.web.services import Services, predict
from imgsrv.web.sources.opened import Validators
from imgsrv.web.sources.origins import joint_identity
from imgsrv.web.sources.taking import fetch_parts, open_sources
from imgsrv.web.state import RequestState
from imgsrv.web.upload import Upload, check_upload

MOST_KNOWN = 1024
"""Results whose pictures a worker knows, about 2 KB each: the same ones are asked for again."""


class Sourced:
    """Takes the pictures of one worker."""

    def __init__(self, access: Access, services: Services) -> None:
        self._access, self._services = access, services
        self._known: OrderedDict[tuple[str, str], tuple[Upload, str]] = OrderedDict()

    async def take(self, state: RequestState, wish: SourceWish) -> tuple[Upload, Headers]:
        """The picture in the body's file, its header checked, and the headers of its version.

        Raises what `open_sources`, `fetch_parts`, `check_upload` and `predict` raise.
        """
        services, body = self._services, state.body
        validators = services.origins.take_now(wish.source, body, services.max_body)
        if validators is not None:
            state.received = time.monotonic()
            upload, etag = self._file_in(body, wish, validators)
            return upload, self._told(state, validators, etag)
        async with open_sources(state, services, wish.sources) as opened:
            parts = await fetch_parts(state, services, opened)
            identity, validators = opened.identity, opened.by_part[FILE_PART].validators
        upload = check_upload(body, parts, services.limits)
        if identity is None:
            identity = await identity_of_bytes(body.file, upload.input)
        return upload, self._told(state, validators, self._etag(identity, wish))

    def _file_in(self, body: Body, wish: SourceWish, validators: Validators) -> tuple[Upload, str]:
        """The file that the body holds, and the ETag of its result; both are remembered for the same bytes."""
        known = body.content, wish.asked
        if body.content and known in self._known:
            self._known.move_to_end(known)
            return self._known[known]
        limits = self._services.limits
        upload = check_upload(body, {FILE_PART: (0, body.received)}, limits)
        prediction = predict(ProcessJob(upload.input, wish.pipeline, wish.output), upload, limits)
        upload = replace(upload, prediction=prediction)
        found = upload, self._etag(joint_identity({FILE_PART: str(validators.identity)}), wish)
        if body.content:
            self._known[known] = found
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    def _etag(self, identity: str, wish: SourceWish) -> str:
        return etag_of(self._services.cache.key_of(identity, wish.asked))

    def _told(self, state: RequestState, validators: Validators, etag: str) -> Headers:
        """The headers that say which version it is, and how long it holds."""
        settings = self._services.settings
        found = version_headers(validators, None, settings.cache_ttl_s, settings.cache_max_ttl_s)
        found["cache-control"] = self._access.cache_control(state, found["cache-control"])
        return [*((name.encode(), value.encode()) for name, value in found.items()), (b"etag", etag.encode())]
