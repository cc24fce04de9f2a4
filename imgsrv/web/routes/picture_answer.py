"""How a request for a picture gets its answer: from its client's own copy, from the cache, or computed.

1. The sources are asked for their versions, and nothing is read.
2. If the client has the result of this version, the answer is 304.
3. If the cache has it, the answer is that.
4. Else the picture is received or fetched, its header checked, and the job performed; equal requests of this time wait
   for this one.

A picture whose version nobody tells (a POST, a place without validators) is received first; its bytes tell the version.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial

from falcon.asgi import Request, Response

from imgsrv.errors import JobTimeout
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import ProcessJob
from imgsrv.web.cache.entry import Entry
from imgsrv.web.cache.flights import Computed, Landed
from imgsrv.web.cache.identity import identity_of_bytes
from imgsrv.web.cache.key import etag_of
from imgsrv.web.cache.quick import Meaning
from imgsrv.web.cache.results import status_of
from imgsrv.web.cache.validity import is_known, validity_in, version_headers, wants_no_store
from imgsrv.web.cache.versions import Version, Versions
from imgsrv.web.counting import format_of
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.services import Services, work_headers
from imgsrv.web.sources.naming import Sources
from imgsrv.web.sources.opened import Validators
from imgsrv.web.sources.origins import OpenedSources
from imgsrv.web.sources.taking import BODYLESS, open_sources, take_picture
from imgsrv.web.state import state_of
from imgsrv.web.upload import Upload, naming_the_mistake


class PictureAnswer:
    """The answer to one request for a picture."""

    def __init__(
        self, services: Services, req: Request, resp: Response, sources: Sources, pipeline: Pipeline, output: Output
    ) -> None:
        self._services, self._req, self._resp = services, req, resp
        self._sources, self._pipeline, self._output = sources, pipeline, output
        self._state, self._cache = state_of(req), services.cache
        self._is_get = req.method in BODYLESS

    async def give(self) -> None:
        """Set the answer.  Raises the errors of requests and of the server."""
        if self._output.format == "auto":
            self._resp.set_header("Vary", "Accept")
        with closing(self._state.body), naming_the_mistake(self._req):
            picture = self._sources.picture
            version = await self._versions.find(picture) if picture is not None and not self._sources.parts else None
            if picture is not None and version is not None and self._versions.is_fresh(version):
                self._services.origins.check(picture)
                self._tell_version(version.validators, version)
                if await self._give_kept(self._key(version.identity)):
                    return
                version = None  # its bytes are needed
            known = {} if picture is None or version is None else {picture.text: version.validators}
            async with open_sources(self._state, self._services, self._sources, known) as opened:
                await self._give(opened, version)

    async def _give(self, opened: OpenedSources, version: Version | None) -> None:
        """Answer by what the places have said.  version: a kept one, if they were asked whether it still holds."""
        if version is not None and opened.picture is not None and opened.picture.is_unchanged:
            await self._keep_version(opened, version.identity)
            key = self._key(version.identity)
            self._tell_version(opened.validators, None)
            if not await self._give_kept(key):
                async with open_sources(self._state, self._services, self._sources) as again:
                    await self._compute(key, again, None, version.identity)
            return
        identity, upload = opened.identity, None
        if identity is None:
            upload = await take_picture(self._req, self._services, opened, self._pipeline)
            is_keyed = self._is_get or self._keeps_posts
            identity = await identity_of_bytes(self._state.body.file, upload.input) if is_keyed else None
        self._tell_version(opened.validators, None)
        if identity is None:
            self._set_landed(Landed(await self._computed(opened, upload, None)))
            return
        await self._keep_version(opened, identity)
        key = self._key(identity)
        if await self._give_kept(key):
            self._learn(key, opened)
        else:
            await self._compute(key, opened, upload, identity)

    def _key(self, identity: str) -> bytes:
        accept = self._req.get_header("Accept")
        return self._cache.key({FILE_PART: identity}, self._pipeline, self._output, accept)

    async def _give_kept(self, key: bytes) -> bool:
        """Answer 304 or from the cache; False if neither can be."""
        if self._is_get:
            etag = etag_of(key)
            self._resp.set_header("ETag", etag)
            if is_known(self._req.get_header("If-None-Match"), etag):
                self._cache.count_unchanged()
                self._resp.status = 304
                return True
        if (entry := await self._cache.find(key)) is None:
            return False
        self._set_hit(entry)
        return True

    def _learn(self, key: bytes, opened: OpenedSources) -> None:
        """Let the same request be answered at its head next time, if that is possible for it."""
        quick, picture, resp, scope = self._cache.quick, self._sources.picture, self._resp, self._req.scope
        if quick is None or picture is None or self._sources.parts or self._req.method != "GET" or not resp.data:
            return
        identity = opened.validators.identity if opened.validators is not None else None
        watch = None if identity is None else self._services.origins.watch(picture, identity)
        if watch is None:
            return
        lines = [
            f"{name}: {value}\r\n" for name, value in {**resp.headers, "x-content-type-options": "nosniff"}.items()
        ]
        accepts = [value for name, value in scope["headers"] if name == b"accept"]
        if len(accepts) > 1:
            return  # the answer follows from more than the one that it would be remembered for
        head = "".join(lines).encode("latin-1")
        target = scope["raw_path"] + b"?" + scope["query_string"]
        accept = accepts[0] if accepts else None
        quick.learn(target, accept, Meaning(key, etag_of(key).encode(), head, watch, self._state.formats[0]))

    async def _compute(self, key: bytes, opened: OpenedSources, upload: Upload | None, identity: str) -> None:
        compute = partial(self._computed, opened, upload, identity)
        try:
            landed = await self._cache.compute(key, compute, self._state.body, self._deadline)
        except TimeoutError as error:
            raise JobTimeout(self._services.settings.job_timeout_s) from error
        self._set_landed(landed)

    async def _keep_version(self, opened: OpenedSources, identity: str) -> None:
        """Remember what the place of the picture has said, if it is all that the result follows from."""
        picture, validators = self._sources.picture, opened.validators
        if self._is_get and picture is not None and validators is not None and not self._sources.parts:
            await self._versions.keep(picture, validators, identity)

    @property
    def _versions(self) -> Versions:
        return self._cache.versions

    @property
    def _keeps_posts(self) -> bool:
        return self._cache.keeps and self._services.settings.cache_posts

    @property
    def _deadline(self) -> float:
        return (self._state.received or self._state.started) + self._services.settings.job_timeout_s

    async def _computed(self, opened: OpenedSources, upload: Upload | None, identity: str | None) -> Computed:
        """Perform the job.  upload: None if the sources are not read yet.  identity: the one in the key."""
        req, services = self._req, self._services
        if upload is None:
            upload = await take_picture(req, services, opened, self._pipeline)
            # It may have been changed between the question for its version and the reading.
            is_same = identity == (opened.identity or await identity_of_bytes(self._state.body.file, upload.input))
        else:
            is_same = identity is not None
        offers = services.offers(req, upload.format, self._output)
        job = ProcessJob(upload.input, self._pipeline, self._output, self._state.request_id, offers)
        report, result = await services.process(self._state, job, upload)
        entry = Entry(media_type_of(report.format), *report.size, report.is_broken, time.time(), result)
        may_keep = validity_in(opened.validators).may_keep and not self._wants_no_store
        return Computed(entry, report, keeps=is_same and may_keep and self._cache.keeps)

    @property
    def _wants_no_store(self) -> bool:
        return wants_no_store(self._req.get_header("Cache-Control"))

    def _tell_version(self, validators: Validators | None, version: Version | None) -> None:
        """Say how long the answer holds.  version: a kept one; None if its place was asked just now."""
        if not self._is_get:
            return
        settings, age_s = self._services.settings, None if version is None else version.age_s(time.time())
        self._resp.set_headers(version_headers(validators, age_s, settings.cache_ttl_s, settings.cache_max_ttl_s))

    def _set_hit(self, entry: Entry) -> None:
        self._set(entry)
        self._tell("hit", status_of(None))
        services, size = self._services, len(entry.body)
        services.budget.hold_answer(size)
        self._state.on_end = partial(services.budget.release_answer, size)

    def _set_landed(self, landed: Landed) -> None:
        self._set(landed.entry)
        if self._cache.keeps:
            is_looked_for = self._is_get or self._services.settings.cache_posts
            name = "wait" if landed.waited else "miss" if is_looked_for else "bypass"
            self._tell(name, status_of(landed, is_looked_for=is_looked_for))
        if not landed.waited:
            self._resp.set_headers(work_headers(self._state, landed.computed.facts))

    def _set(self, entry: Entry) -> None:
        resp = self._resp
        resp.data, resp.content_type = entry.body, entry.media_type
        self._state.formats = (format_of(entry.media_type, self._output.format or ""),)
        resp.set_header("Image-Width", str(entry.width))
        resp.set_header("Image-Height", str(entry.height))
        if entry.is_broken:
            resp.set_header("Image-Broken", "true")

    def _tell(self, name: str, status: str) -> None:
        self._state.cache = name
        self._resp.set_header("Cache-Status", status)
