"""POST a picture: parameters checked, body received, job queued, answer sent.  A request's way reads downwards."""

from __future__ import annotations

import asyncio
import mmap
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl

from falcon.asgi import Request, Response

from imgsrv.errors import (
    ClientGone,
    EmptyBody,
    JobTimeout,
    LineEndsLost,
    MisplacedParameter,
    MissingParameter,
    RepeatedParameter,
    Undecodable,
    UnknownParameter,
    UnsupportedFormat,
)
from imgsrv.imaging.codecs.auto_format import Offers
from imgsrv.imaging.codecs.header_check import glance
from imgsrv.imaging.codecs.output import OWNER, Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.info import parse_include
from imgsrv.imaging.model.limits import Limits
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline, make_step, parse_pipeline
from imgsrv.imaging.pipelines.validation import validate
from imgsrv.imaging.process import Report
from imgsrv.jobs.batch import BatchReport
from imgsrv.jobs.job import Answer, Job, Place, read_answer
from imgsrv.jobs.variants import Variant
from imgsrv.observe.scoreboard import Row
from imgsrv.settings import Settings
from imgsrv.shortages import needing
from imgsrv.web.accept import offers
from imgsrv.web.admission import Admission
from imgsrv.web.http.body import Body
from imgsrv.web.multipart import FILE_PART, BodyText, find_parts
from imgsrv.wording import closest

Pairs = list[tuple[str, str]]

OUTPUT_PARAMETERS = tuple(Output.model_fields)

CURL_TYPE = "application/x-www-form-urlencoded"
"""What curl calls a body that it was given with -d or --data-binary."""

KEPT_REQUESTS = 256
"""Queries whose meaning is remembered: most clients send the same few for every picture."""


class Exchange(Protocol):
    """Where jobs go; see imgsrv.pool.worker.exchange."""

    def submit(
        self, body: int, plan_start: int, plan_size: int, deadline: float
    ) -> asyncio.Future[tuple[bytes, bytes]]:
        """Queue a job; the future gives the engine's message and the result."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes need of the world."""

    settings: Settings
    limits: Limits
    exchange: Exchange
    admission: Admission
    row: Row


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the picture lies in a body, its format by its first bytes, and where the further parts lie."""

    start: int
    size: int
    format: str
    parts: Mapping[str, Place]

    def job(self, pipeline: Pipeline, output: Output, request_id: str) -> Job:
        """The job of doing that with it."""
        return Job(self.start, self.size, pipeline, output, request_id, self.parts)

    def batch(self, variants: tuple[Variant, ...], archive: str, request_id: str) -> Job:
        """The job of making several outputs of it."""
        return Job(self.start, self.size, None, Output(), request_id, self.parts, variants=variants, archive=archive)

    def description(self, include: tuple[str, ...], request_id: str) -> Job:
        """The job of saying what it is."""
        return Job(self.start, self.size, None, Output(), request_id, include=include)


class OperationRoute:
    """`POST /{operation}?…`: one operation."""

    def __init__(self, services: Services, operation: str) -> None:
        self._services, self._operation = services, operation

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after the operation."""
        pipeline, output = _one_operation(self._operation, req.query_string)
        await _answer_picture(self._services, req, resp, pipeline, output)


class PipelineRoute:
    """`POST /pipeline?ops=…`: several operations, decoded once and encoded once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after every step; without `ops` it is only re-encoded."""
        pipeline, output = _many_operations(req.query_string)
        await _answer_picture(self._services, req, resp, pipeline, output)


class InfoRoute:
    """`POST /info?include=…`: what the picture is."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the description as JSON."""
        include = _included(req.query_string)
        body: Body = req.scope["state"]["body"]
        with closing(body), knowing_curl(req, body):
            upload = await _receive_picture(self._services, req, body, Pipeline())
            job = upload.description(include, request_id(req))
            answer, _result = await performed(self._services, req, body, job)
        resp.media = answer.info


async def _answer_picture(services: Services, req: Request, resp: Response, pipeline: Pipeline, output: Output) -> None:
    body: Body = req.scope["state"]["body"]
    with closing(body), knowing_curl(req, body):
        upload = await _receive_picture(services, req, body, pipeline)
        if output.format == "auto":
            resp.set_header("Vary", "Accept")
        job = replace(upload.job(pipeline, output, request_id(req)), offers=offered(services, req, upload.format))
        answer, result = await performed(services, req, body, job)
    _send_picture(req, resp, answer, result)


def offered(services: Services, req: Request, own: str) -> Offers:
    """What `format=auto` may be.  own: the input's format."""
    preferred = tuple(services.settings.auto_formats.split(","))
    return offers(req.get_header("Accept") or "*/*", own, preferred)


@contextmanager
def knowing_curl(req: Request, body: Body) -> Iterator[None]:
    """Inside it, that a body is no good picture is LineEndsLost where that is why."""
    try:
        yield
    except (Undecodable, UnsupportedFormat) as error:
        if req.content_type != CURL_TYPE:
            raise
        with needing("the body"), BodyText(body.file, body.received, prot=mmap.PROT_READ) as text:
            if text.find(b"\n") < 0 and text.find(b"\r") < 0:
                raise LineEndsLost from error
        raise


async def _receive_picture(services: Services, req: Request, body: Body, pipeline: Pipeline) -> Upload:
    parts = await receive_parts(services, req, body)
    pipeline.check_parts([name for name in parts if name != FILE_PART])
    return look_at(services, body, parts)


async def receive_parts(services: Services, req: Request, body: Body) -> dict[str, Place]:
    """Where the parts of the received body lie, by their names; a raw picture is one named `file`."""
    if body.expected == 0:
        raise EmptyBody
    file = await body.receive(int(services.settings.max_body))
    state = req.scope["state"]
    state["received"] = time.monotonic()
    if not body.received:
        raise EmptyBody
    content_type = req.content_type or ""
    if not content_type.lower().startswith("multipart/form-data"):
        return {FILE_PART: (0, body.received)}
    with needing("the form"), BodyText(file, body.received, prot=mmap.PROT_READ) as mapping:
        return find_parts(mapping, content_type)


def look_at(services: Services, body: Body, parts: Mapping[str, Place]) -> Upload:
    """The upload whose parts lie there.  Raises what `glance` raises."""
    (start, size), further = parts[FILE_PART], {name: place for name, place in parts.items() if name != FILE_PART}
    # What its header already condemns must not wait behind heavy jobs only to be refused.
    return Upload(start, size, glance(body.file, start, size, services.limits), further)


async def performed(services: Services, req: Request, body: Body, job: Job) -> tuple[Answer, bytes]:
    """The engine's answer to the job.  Raises the error that it met, WorkerLost, JobTimeout, Overloaded, ClientGone."""
    plan = job.to_bytes()
    limit_s = services.settings.job_timeout_s
    deadline = req.scope["state"]["received"] + limit_s
    # Of a large body it was asked before it came; others may have come meanwhile.
    services.admission.check()
    plan_start = body.append(plan)
    reply = services.exchange.submit(body.file, plan_start, len(plan), deadline)
    services.row.add("jobs_submitted")
    body.when_gone(reply.cancel)
    try:
        async with asyncio.timeout(limit_s):
            message, result = await reply
    except TimeoutError as error:
        raise services.admission.overdue(deadline) or JobTimeout(limit_s) from error
    except asyncio.CancelledError as error:
        if not body.is_client_gone:
            raise
        raise ClientGone from error
    # The engine has answered and let go of the body: its file can take another.
    body.is_unused = True
    return read_answer(message), result


def request_id(req: Request) -> str:
    """The name of the request."""
    return str(req.scope["state"]["request_id"])


def _send_picture(req: Request, resp: Response, answer: Answer, result: bytes) -> None:
    if answer.report is None:
        raise RuntimeError("the engine answered without a picture")
    resp.data = result
    report = answer.report
    resp.content_type = media_type_of(report.format)
    resp.set_header("Image-Width", str(report.size[0]))
    resp.set_header("Image-Height", str(report.size[1]))
    tell_timings(req, resp, report)


def tell_timings(req: Request, resp: Response, report: Report | BatchReport) -> None:
    """Say how long everything took, to the client and to the log."""
    state = req.scope["state"]
    worked_s = report.decode_s + report.operations_s + report.encode_s
    timings = {
        "receive": state["received"] - state["started"],
        "queue": max(0.0, time.monotonic() - state["received"] - worked_s),
        "decode": report.decode_s,
        "operations": report.operations_s,
        "encode": report.encode_s,
    }
    state["stages"] = timings
    state["timings"] = {f"{name}_ms": round(seconds * 1000, 1) for name, seconds in timings.items()}
    resp.set_header("Server-Timing", ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in timings.items()))


@lru_cache(maxsize=KEPT_REQUESTS)
def _one_operation(name: str, query: str) -> tuple[Pipeline, Output]:
    """What `POST /{name}?{query}` asks for.  Raises BadRequest's children."""
    own = OPERATIONS[name].parameters.model_fields
    pairs = pairs_of(query)
    allowed = list(dict.fromkeys((*own, *OUTPUT_PARAMETERS)))
    if unknown := next((pair[0] for pair in pairs if pair[0] not in allowed), None):
        raise UnknownParameter(name, unknown, allowed, closest(unknown, allowed))
    # `background` is both the operation's and the output's: whoever names a colour means it for both.
    step = make_step(name, [pair for pair in pairs if pair[0] in own])
    return Pipeline((step,)), _output([pair for pair in pairs if pair[0] in OUTPUT_PARAMETERS])


@lru_cache(maxsize=KEPT_REQUESTS)
def _many_operations(query: str) -> tuple[Pipeline, Output]:
    """What `POST /pipeline?{query}` asks for.  Raises BadRequest's children and UnknownOperation."""
    pairs = pairs_of(query)
    texts = [value for name, value in pairs if name == "ops"]
    if len(texts) > 1:
        raise RepeatedParameter("pipeline", "ops")
    rest = [(name, value) for name, value in pairs if name != "ops"]
    _refuse_parameters_of_steps(rest)
    output = _output(rest, also=("ops",))
    if not texts and not output.model_fields_set:
        raise MissingParameter("pipeline", "ops", "steps such as resize:width=800/sharpen/grayscale")
    return parse_pipeline(texts[0]) if texts else Pipeline(), output


def _refuse_parameters_of_steps(pairs: Pairs) -> None:
    for name, value in pairs:
        for row in () if name in OUTPUT_PARAMETERS else OPERATIONS.values():
            if name in row.parameters.model_fields:
                place = f"into a step, as in ops={row.name}:{name}={value}"
                raise MisplacedParameter("the pipeline itself", name, place)


@lru_cache(maxsize=KEPT_REQUESTS)
def _included(query: str) -> tuple[str, ...]:
    """What `POST /info?{query}` asks for beside the facts of the header.  Raises BadRequest's children."""
    texts: list[str] = []
    for name, value in pairs_of(query):
        if name != "include":
            raise UnknownParameter("info", name, ["include"], closest(name, ["include"]))
        if texts:
            raise RepeatedParameter("info", name)
        texts.append(value)
    return parse_include(texts[0]) if texts else ()


def pairs_of(query: str) -> Pairs:
    """Names and values of a query."""
    return parse_qsl(query, keep_blank_values=True)


def _output(pairs: Pairs, also: tuple[str, ...] = ()) -> Output:
    """The output parameters.  also: what else the route takes, for the message."""
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in OUTPUT_PARAMETERS:
            allowed = [*also, *OUTPUT_PARAMETERS]
            raise UnknownParameter("pipeline", name, allowed, closest(name, allowed))
        if name in given:
            raise RepeatedParameter(OWNER, name)
        given[name] = value
    return validate(Output, given, owner=OWNER).check()
