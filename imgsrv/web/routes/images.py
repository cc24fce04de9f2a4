"""`/{operation}` and `/pipeline`: a picture in, a picture out.

A request passes through four steps: query parsed; body received, or sources fetched, and the header checked; job
performed; answer sent.
"""

from __future__ import annotations

from contextlib import closing

from falcon.asgi import Request, Response

from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import ProcessJob
from imgsrv.web.query import parse_operation, parse_operations
from imgsrv.web.services import Services, report_broken, report_timings
from imgsrv.web.sources.naming import Sources
from imgsrv.web.sources.taking import open_sources, read_sources, report_source, take_picture
from imgsrv.web.state import state_of
from imgsrv.web.upload import detecting_lost_line_ends


class OperationRoute:
    """`/{operation}?…`: one operation."""

    def __init__(self, services: Services, operation: str) -> None:
        self._services, self._operation = services, operation

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after the operation."""
        sources, query = read_sources(req)
        pipeline, output = parse_operation(self._operation, query)
        await _answer(self._services, req, resp, sources, pipeline, output)

    on_get = on_head = on_post


class PipelineRoute:
    """`/pipeline?ops=…`: several operations, decoded once and encoded once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after every step; without `ops` it is only re-encoded."""
        sources, query = read_sources(req)
        pipeline, output = parse_operations(query)
        await _answer(self._services, req, resp, sources, pipeline, output)

    on_get = on_head = on_post


async def _answer(
    services: Services, req: Request, resp: Response, sources: Sources, pipeline: Pipeline, output: Output
) -> None:
    state = state_of(req)
    with closing(state.body), detecting_lost_line_ends(req):
        async with open_sources(req, services, sources) as opened:
            upload = await take_picture(req, services, opened, pipeline)
        if output.format == "auto":
            resp.set_header("Vary", "Accept")
        offers = services.offers(req, upload.format)
        job = ProcessJob(upload.input, pipeline, output, state.request_id, offers)
        report, result = await services.perform(state, job, upload)
    resp.data, resp.content_type = result, media_type_of(report.format)
    resp.set_header("Image-Width", str(report.size[0]))
    resp.set_header("Image-Height", str(report.size[1]))
    report_source(resp, opened)
    report_broken(resp, report)
    report_timings(req, resp, report)
