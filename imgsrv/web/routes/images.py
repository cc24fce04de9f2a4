"""`POST /{operation}` and `POST /pipeline`: a picture in, a picture out.

A request passes through four steps: query parsed, body received and its header checked, job performed, answer sent.
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
from imgsrv.web.state import state_of
from imgsrv.web.upload import detecting_lost_line_ends, receive_upload


class OperationRoute:
    """`POST /{operation}?…`: one operation."""

    def __init__(self, services: Services, operation: str) -> None:
        self._services, self._operation = services, operation

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after the operation."""
        pipeline, output = parse_operation(self._operation, req.query_string)
        await _answer(self._services, req, resp, pipeline, output)


class PipelineRoute:
    """`POST /pipeline?ops=…`: several operations, decoded once and encoded once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after every step; without `ops` it is only re-encoded."""
        pipeline, output = parse_operations(req.query_string)
        await _answer(self._services, req, resp, pipeline, output)


async def _answer(services: Services, req: Request, resp: Response, pipeline: Pipeline, output: Output) -> None:
    state = state_of(req)
    with closing(state.body), detecting_lost_line_ends(req):
        upload = await receive_upload(req, pipeline, services.max_body, services.limits)
        if output.format == "auto":
            resp.set_header("Vary", "Accept")
        offers = services.offers(req, upload.format)
        job = ProcessJob(upload.input, pipeline, output, state.request_id, offers)
        report, result = await services.perform(state, job, upload)
    resp.data, resp.content_type = result, media_type_of(report.format)
    resp.set_header("Image-Width", str(report.size[0]))
    resp.set_header("Image-Height", str(report.size[1]))
    report_broken(resp, report)
    report_timings(req, resp, report)
