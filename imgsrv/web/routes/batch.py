"""`/batch`: several outputs of one picture, decoded once, in one answer."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import closing

from falcon.asgi import Request, Response

from imgsrv.errors import BadOutputs, MissingParameter, UnusableParameters
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.archive import MEDIA_TYPES
from imgsrv.jobs.job import BatchJob, Place
from imgsrv.jobs.variants import LONGEST_OUTPUTS, Variant, naming, parse_variants
from imgsrv.web.accept import prefers
from imgsrv.web.fields import parsed_with_fields
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.query import BATCH, BATCH_PARAMETERS, BatchQuery, parse_batch
from imgsrv.web.services import Services, work_headers
from imgsrv.web.sources.taking import open_sources, read_sources, take_parts
from imgsrv.web.state import state_of
from imgsrv.web.upload import check_upload, naming_the_mistake

OUTPUTS_PART = "outputs"
"""The part of the upload that names the outputs."""


class BatchRoute:
    """`/batch?widths=…`, or a POST with a part `outputs`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with all outputs in one archive, or with the error of the first output that cannot be made."""
        sources, text = read_sources(req)
        services, state = self._services, state_of(req)
        query = await parsed_with_fields(req, services, sources, text, BATCH_PARAMETERS, parse_batch)
        archive = query.archive or _accepted_archive(req.get_header("Accept") or "*/*")
        with closing(state.body), naming_the_mistake(req):
            async with open_sources(state, services, sources) as opened:
                parts = await take_parts(req, services, opened)
            variants = _variants(query, state.body.file, parts.pop(OUTPUTS_PART, None))
            _check_parts(variants, parts.keys() - {FILE_PART})
            upload = check_upload(state.body, parts, services.limits)
            offers = services.offers(req, upload.format, *(one.output for one in variants))
            job = BatchJob(upload.input, variants, archive, state.request_id, offers)
            report, result = await services.perform(state, job, upload)
        resp.data, resp.content_type = result, report.media_type
        state.formats = report.formats
        resp.set_header("Vary", "Accept")
        resp.set_headers(work_headers(state, report))

    on_get = on_head = on_post


def _accepted_archive(accept: str) -> str:
    """The archive that the Accept header names with the highest q; the usual one if it names none."""
    usual, *others = MEDIA_TYPES
    found = usual
    for name in others:
        if prefers(accept, MEDIA_TYPES[name], MEDIA_TYPES[found]):
            found = name
    return found


def _variants(query: BatchQuery, file: int, place: Place | None) -> tuple[Variant, ...]:
    """The outputs that the query or the part `outputs` names.  Raises BadRequest's children.

    file, place: the body's descriptor, and where the part lies in it; None if there is no such part.
    """
    if place is None:
        if not query.variants:
            raise MissingParameter(BATCH, "widths", f"widths such as 320,640, or a part {OUTPUTS_PART!r} of the upload")
        return query.variants
    if query.variants:
        raise UnusableParameters(BATCH, f"widths and the part {OUTPUTS_PART!r} both name outputs; leave one out")
    start, size = place
    if size > LONGEST_OUTPUTS:
        raise BadOutputs(f"they have {size} bytes and {LONGEST_OUTPUTS} are allowed")
    return parse_variants(os.pread(file, size, start), query.given)


def _check_parts(variants: tuple[Variant, ...], further: Collection[str]) -> None:
    """Raise MissingPart for an output that lacks one of its parts, UnusedPart for a part that no output needs."""
    for variant in variants:
        with naming(variant.name):
            parts = [part for step in variant.pipeline.steps if (part := step.part) in further and part]
            variant.pipeline.check_parts(parts)
    Pipeline(tuple(step for variant in variants for step in variant.pipeline.steps)).check_parts(further)
