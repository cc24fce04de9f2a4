"""How a request for a picture gets its answer: from its client's own copy, from the cache, or computed.

1. The sources are asked for their versions, and nothing is read.
2. If the client has the result of this version, the answer is 304.
3. If the cache has it, the answer is that.
4. Else the picture is received or fetched, its header checked, and the job performed; equal requests of this time wait
   for this one.

A picture whose version nobody tells (a POST, a place without validators) is received first; its bytes tell the version.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial

from falcon.asgi import Request, Response

from imgsrv.errors import JobTimeout
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import Input, ProcessJob
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.flights import Computed, Landed
from imgsrv.web.cache.key import etag_of
from imgsrv.web.cache.results import status_of
from imgsrv.web.cache.validity import Validity, cache_control, is_known, validity_of, wants_no_store
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.services import Services, report_broken, report_timings
from imgsrv.web.sources.naming import Sources
from imgsrv.web.sources.origins import OpenedSources
from imgsrv.web.sources.taking import BODYLESS, open_sources, report_source, take_picture
from imgsrv.web.state import state_of
from imgsrv.web.upload import Upload, detecting_lost_line_ends

IN_LOOP_BYTES = 1 << 20
"""Bytes are digested in the loop up to so many: a millisecond."""


class PictureAnswer:
    """The answer to one request for a picture."""

    def __init__(
        self, services: Services, req: Request, resp: Response, sources: Sources, pipeline: Pipeline, output: Output
    ) -> None:
        self._services, self._req, self._resp = services, req, resp
        self._sources, self._pipeline, self._output = sources, pipeline, output
        self._state, self._cache = state_of(req), services.cache
        self._is_get = req.method in BODYLESS
        self._etag: str | None = None

    async def give(self) -> None:
        """Set the answer.  Raises the errors of requests and of the server."""
        if self._output.format == "auto":
            self._resp.set_header("Vary", "Accept")
        with closing(self._state.body), detecting_lost_line_ends(self._req):
            async with open_sources(self._req, self._services, self._sources) as opened:
                await self._give(opened)

    async def _give(self, opened: OpenedSources) -> None:
        identity, upload = opened.identity, None
        if identity is None:
            upload = await take_picture(self._req, self._services, opened, self._pipeline)
            identity = await self._digest(upload.input) if self._is_get or self._keeps_posts else None
        report_source(self._resp, opened)
        if identity is None:
            self._set_landed(Landed(await self._computed(opened, upload, None)), opened)
            return
        key = self._cache.key({FILE_PART: identity}, self._pipeline, self._output, self._req.get_header("Accept"))
        if self._is_get:
            self._etag = etag_of(key)
            self._set_validity(opened)
            if is_known(self._req.get_header("If-None-Match"), self._etag):
                self._cache.count_unchanged()
                self._resp.status = 304
                return
        if (entry := await self._cache.find(key)) is not None:
            self._set_hit(entry)
            return
        compute, deadline = partial(self._computed, opened, upload, identity), self._deadline
        try:
            landed = await self._cache.compute(key, compute, self._state.body, deadline)
        except TimeoutError as error:
            raise JobTimeout(self._services.settings.job_timeout_s) from error
        self._set_landed(landed, opened)

    @property
    def _keeps_posts(self) -> bool:
        return self._cache.keeps and self._services.settings.cache_posts

    @property
    def _deadline(self) -> float:
        return (self._state.received or self._state.started) + self._services.settings.job_timeout_s

    async def _digest(self, source: Input) -> str:
        """The identity of the bytes of the picture and its further parts."""
        places = {FILE_PART: (source.start, source.size), **source.parts}
        file = self._state.body.file
        if sum(size for _start, size in places.values()) <= IN_LOOP_BYTES:
            return _digest(file, places)
        return await asyncio.to_thread(_digest, file, places)

    async def _computed(self, opened: OpenedSources, upload: Upload | None, identity: str | None) -> Computed:
        """Perform the job.  upload: None if the sources are not read yet.  identity: the one in the key."""
        req, services = self._req, self._services
        if upload is None:
            upload = await take_picture(req, services, opened, self._pipeline)
            # It may have been changed between the question for its version and the reading.
            is_same = opened.identity == identity
        else:
            is_same = identity is not None
        job = ProcessJob(
            upload.input, self._pipeline, self._output, self._state.request_id, services.offers(req, upload.format)
        )
        report, result = await services.perform(self._state, job, upload)
        if report.way:
            services.row.observe_jpeg(report.way, report.refusal)
        entry = Entry(media_type_of(report.format), *report.size, report.is_broken, time.time(), result)
        keeps = is_same and self._cache.keeps and self._validity(opened).may_keep and not self._wants_no_store
        return Computed(entry, report, keeps=keeps)

    @property
    def _wants_no_store(self) -> bool:
        return wants_no_store(self._req.get_header("Cache-Control"))

    def _validity(self, opened: OpenedSources) -> Validity:
        validators = opened.validators
        return validity_of(validators.cache_control if validators is not None else None)

    def _set_validity(self, opened: OpenedSources) -> None:
        settings, resp = self._services.settings, self._resp
        validity = self._validity(opened)
        resp.set_header("Cache-Control", cache_control(validity, settings.cache_ttl_s, settings.cache_max_ttl_s))
        resp.set_header("ETag", self._etag or "")

    def _set_hit(self, entry: Entry) -> None:
        self._set(entry)
        self._resp.set_header("Age", "0")
        self._tell("hit", status_of(None))
        services, size = self._services, len(entry.body)
        services.budget.hold_answer(size)
        self._state.on_end = partial(services.budget.release_answer, size)

    def _set_landed(self, landed: Landed, opened: OpenedSources) -> None:
        self._set(landed.entry)
        if self._cache.keeps:
            is_looked_for = self._is_get or self._services.settings.cache_posts
            name = "wait" if landed.waited else "miss" if is_looked_for else "bypass"
            self._tell(name, status_of(landed, is_looked_for=is_looked_for))
        if not landed.waited:
            report_source(self._resp, opened)
            report_broken(self._resp, landed.computed.facts)
            report_timings(self._req, self._resp, landed.computed.facts)

    def _set(self, entry: Entry) -> None:
        resp = self._resp
        resp.data, resp.content_type = entry.body, entry.media_type
        resp.set_header("Image-Width", str(entry.width))
        resp.set_header("Image-Height", str(entry.height))
        if entry.is_broken:
            resp.set_header("Image-Broken", "true")

    def _tell(self, name: str, status: str) -> None:
        self._state.cache = name
        self._resp.set_header("Cache-Status", status)


def _digest(file: int, places: Mapping[str, tuple[int, int]]) -> str:
    found = []
    for name, (start, size) in sorted(places.items()):
        digest, place = hashlib.sha256(), start
        while place < start + size and (piece := os.pread(file, min(IN_LOOP_BYTES, start + size - place), place)):
            digest.update(piece)
            place += len(piece)
        found.append(f"{name}={digest.hexdigest()}")
    return f"bytes:{','.join(found)}"
