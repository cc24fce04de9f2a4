"""`/{operation}` and `/pipeline`: a picture in, a picture out.  `PictureAnswer` has the steps that a request passes."""

from __future__ import annotations

from functools import partial

from falcon.asgi import Request, Response

from imgsrv.imaging.operations import OPERATIONS
from imgsrv.web.fields import parsed_with_fields
from imgsrv.web.query import OUTPUT_PARAMETERS, parse_operation, parse_operations
from imgsrv.web.routes.picture_answer import PictureAnswer
from imgsrv.web.services import Services
from imgsrv.web.sources.taking import read_sources

PIPELINE_PARAMETERS = ("ops", *OUTPUT_PARAMETERS)


class OperationRoute:
    """`/{operation}?…`: one operation."""

    def __init__(self, services: Services, operation: str) -> None:
        self._services, self._operation = services, operation
        self._names = {*OPERATIONS[operation].parameters.model_fields, *OUTPUT_PARAMETERS}

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after the operation."""
        sources, query = read_sources(req)
        parse = partial(parse_operation, self._operation)
        wish = await parsed_with_fields(req, self._services, sources, query, self._names, parse)
        await PictureAnswer(self._services, req, resp, sources, *wish).give()

    on_get = on_head = on_post


class PipelineRoute:
    """`/pipeline?ops=…`: several operations, decoded once and encoded once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer with the picture after every step; without `ops` it is only re-encoded."""
        sources, query = read_sources(req)
        wish = await parsed_with_fields(req, self._services, sources, query, PIPELINE_PARAMETERS, parse_operations)
        await PictureAnswer(self._services, req, resp, sources, *wish).give()

    on_get = on_head = on_post
