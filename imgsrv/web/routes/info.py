"""`POST /info`: a picture in, its description out."""

from __future__ import annotations

from contextlib import closing

from falcon.asgi import Request, Response

from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import DescribeJob
from imgsrv.web.query import parse_info
from imgsrv.web.services import Services
from imgsrv.web.state import state_of
from imgsrv.web.upload import detecting_lost_line_ends, receive_upload


class InfoRoute:
    """`POST /info?include=…`: what the picture is."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the description as JSON."""
        include, services, state = parse_info(req.query_string), self._services, state_of(req)
        with closing(state.body), detecting_lost_line_ends(req):
            upload = await receive_upload(req, Pipeline(), services.max_body, services.limits)
            job = DescribeJob(upload.input, include, state.request_id)
            resp.media, _result = await services.perform(state, job, upload)
