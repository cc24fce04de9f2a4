"""`/{operation}` and `/pipeline`: a picture in, a picture out.  `PictureAnswer` has the steps that a request passes."""

from __future__ import annotations

from falcon.asgi import Request, Response

from imgsrv.web.query import parse_operation, parse_operations
from imgsrv.web.routes.picture_answer import PictureAnswer
from imgsrv.web.services import Services
from imgsrv.web.sources.taking import read_sources


class OperationRoute:
    """`/{operation}?…`: one operation."""

    def __init__(self, services: Services, operation: str) -> None:
        self._services, self._operation = services, operation

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after the operation."""
        sources, query = read_sources(req)
        pipeline, output = parse_operation(self._operation, query)
        await PictureAnswer(self._services, req, resp, sources, pipeline, output).give()

    on_get = on_head = on_post


class PipelineRoute:
    """`/pipeline?ops=…`: several operations, decoded once and encoded once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after every step; without `ops` it is only re-encoded."""
        sources, query = read_sources(req)
        pipeline, output = parse_operations(query)
        await PictureAnswer(self._services, req, resp, sources, pipeline, output).give()

    on_get = on_head = on_post
