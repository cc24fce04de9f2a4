"""`/info`: a picture in, its description out."""

from __future__ import annotations

from contextlib import closing

from falcon.asgi import Request, Response

from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import DescribeJob
from imgsrv.web.fields import parsed_with_fields
from imgsrv.web.query import parse_info
from imgsrv.web.services import Services
from imgsrv.web.sources.taking import open_sources, read_sources, take_picture
from imgsrv.web.state import state_of
from imgsrv.web.upload import naming_the_mistake


class InfoRoute:
    """`/info?include=…`: what the picture is."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the description as JSON."""
        sources, query = read_sources(req)
        services, state = self._services, state_of(req)
        include = await parsed_with_fields(req, services, sources, query, ("include",), parse_info)
        with closing(state.body), naming_the_mistake(req):
            async with open_sources(state, services, sources) as opened:
                upload = await take_picture(req, services, opened, Pipeline())
            job = DescribeJob(upload.input, include, state.request_id)
            resp.media, _result = await services.perform(state, job, upload)

    on_get = on_head = on_post
