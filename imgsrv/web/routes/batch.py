"""`POST /batch`: several outputs of one picture, decoded once, in one answer."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache

from falcon.asgi import Request, Response

from imgsrv.errors import (
    BadOutputs,
    InvalidParameter,
    MissingParameter,
    RepeatedParameter,
    UnknownParameter,
    UnusableParameters,
    joined,
)
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.job import Place
from imgsrv.jobs.variants import LONGEST_OUTPUTS, Variant, naming, parse_variants, variants_of_widths
from imgsrv.web.accept import prefers
from imgsrv.web.http.body import Body
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.routes.images import (
    KEPT_REQUESTS,
    OUTPUT_PARAMETERS,
    Services,
    knowing_curl,
    look_at,
    offered,
    pairs_of,
    performed,
    receive_parts,
    request_id,
    tell_timings,
)
from imgsrv.wording import closest

OWNER = "batch"

OUTPUTS_PART = "outputs"
"""The part of the upload that names the outputs."""

OWN_PARAMETERS = ("widths", "archive")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a query asks for.  variants: by widths, else the upload names them.  given: output parameters of all."""

    archive: str | None
    variants: tuple[Variant, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)


class BatchRoute:
    """`POST /batch?widths=…`, or with a part `outputs`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with all outputs in one archive, or with the error of the first that cannot be made."""
        wish = _wished(req.query_string)
        archive = wish.archive or _archive_accepted(req.get_header("Accept") or "*/*")
        body: Body = req.scope["state"]["body"]
        with closing(body), knowing_curl(req, body):
            parts = await receive_parts(self._services, req, body)
            variants = _variants(wish, body.file, parts.pop(OUTPUTS_PART, None))
            _check_parts(variants, parts.keys() - {FILE_PART})
            upload = look_at(self._services, body, parts)
            job = upload.batch(variants, archive, request_id(req))
            job = replace(job, offers=offered(self._services, req, upload.format))
            answer, result = await performed(self._services, req, body, job)
        if answer.batch is None:
            raise RuntimeError("the engine answered without a batch")
        resp.data, resp.content_type = result, answer.batch.media_type
        resp.set_header("Vary", "Accept")
        tell_timings(req, resp, answer.batch)


@lru_cache(maxsize=KEPT_REQUESTS)
def _wished(query: str) -> Wish:
    """What `POST /batch?{query}` asks for.  Raises BadRequest's children."""
    given: dict[str, str] = {}
    allowed = [*OWN_PARAMETERS, *OUTPUT_PARAMETERS]
    for name, value in pairs_of(query):
        if name not in allowed:
            raise UnknownParameter(OWNER, name, allowed, closest(name, allowed))
        if name in given:
            raise RepeatedParameter(OWNER, name)
        given[name] = value
    archive, widths = given.pop("archive", None), given.pop("widths", None)
    if archive is not None and archive not in ARCHIVES:
        kinds = joined(list(ARCHIVES)).replace(" and ", " or ")
        raise InvalidParameter(OWNER, "archive", archive, kinds, closest(archive, ARCHIVES))
    return Wish(archive, () if widths is None else variants_of_widths(widths, given), given)


def _archive_accepted(accept: str) -> str:
    """A ZIP for who asks for one."""
    return "zip" if prefers(accept, "application/zip", "multipart/mixed") else "multipart"


def _variants(wish: Wish, file: int, place: Place | None) -> tuple[Variant, ...]:
    """The outputs, by the query or by the part of the body in the file.  Raises BadRequest's children."""
    if place is None:
        if not wish.variants:
            raise MissingParameter(OWNER, "widths", f"widths such as 320,640, or a part {OUTPUTS_PART!r} of the upload")
        return wish.variants
    if wish.variants:
        raise UnusableParameters(OWNER, f"widths and the part {OUTPUTS_PART!r} both name outputs; leave one out")
    start, size = place
    if size > LONGEST_OUTPUTS:
        raise BadOutputs(f"they have {size} bytes and {LONGEST_OUTPUTS} are allowed")
    return parse_variants(os.pread(file, size, start), wish.given)


def _check_parts(variants: tuple[Variant, ...], further: Collection[str]) -> None:
    """Raise MissingPart for an output that lacks one of its parts, UnusedPart where none needs one."""
    for variant in variants:
        with naming(variant.name):
            parts = [part for step in variant.pipeline.steps if (part := step.part) in further and part]
            variant.pipeline.check_parts(parts)
    Pipeline(tuple(step for variant in variants for step in variant.pipeline.steps)).check_parts(further)
