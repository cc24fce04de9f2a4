"""The short way: `POST /{operation}?…` or `/pipeline?…` with the picture as its body, which is most of what is asked.

Such a request goes past Falcon and the routes, and nothing else is left out: the gate around this counts and logs it,
`Access` asks who it is, and `Services` admits, queues and awaits its job within the same deadlines.  What the short way
has no answer for goes on to the app with the error that it met, so that an error is worded in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import lru_cache, partial

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.jobs.job import ProcessJob
from imgsrv.web.access.access import Access
from imgsrv.web.counting import format_of
from imgsrv.web.http.host import App, Headers, Message, Receive, Send
from imgsrv.web.query import KEPT_QUERIES, parse_operation, parse_operations
from imgsrv.web.services import Services, work_headers
from imgsrv.web.sources.naming import split_sources
from imgsrv.web.state import RequestState, state_in
from imgsrv.web.upload import CURL_TYPE, check_upload, receive_picture

READERS: dict[str, Callable[[str], Wish]] = {
    "/pipeline": parse_operations,
    **{f"/{name}": partial(parse_operation, name) for name in OPERATIONS},
}
"""What reads the query, by path."""

FORMS = (b"multipart/", CURL_TYPE.encode())
"""Beginnings of types of a body that is not simply the picture."""


Wish = tuple[Pipeline, Output]


class PlainWay:
    """ASGI middleware between the gate and the app, for servers that keep no results."""

    def __init__(self, app: App, access: Access, services: Services) -> None:
        self._app, self._access, self._services = app, access, services

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a plain request; pass any other on, and one that fails."""
        wish, state = _wish_in(scope), state_in(scope)
        if wish is None:
            await self._app(scope, receive, send)
            return
        try:
            headers, result = await self._answer(scope, state, *wish)
        # Whatever it is, `Access` raises it again, and the app's handlers log and answer it.
        except Exception as fault:  # noqa: BLE001
            state.fault = fault
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": result})

    async def _answer(
        self, scope: Message, state: RequestState, pipeline: Pipeline, output: Output
    ) -> tuple[Headers, bytes]:
        """The headers of the answer and the picture.  Raises the errors of requests and of the server."""
        self._access.greet(scope)
        await self._access.admit(scope, scope["path"], "")
        services = self._services
        with closing(state.body):
            upload = check_upload(state.body, await receive_picture(state, services.max_body), services.limits)
            job = ProcessJob(upload.input, pipeline, output, state.request_id)
            report, result = await services.process(state, job, upload)
        media_type = media_type_of(report.format)
        state.formats = (format_of(media_type, output.format or ""),)
        width, height = report.size
        headers = [
            (b"content-type", media_type.encode()),
            (b"image-width", b"%d" % width),
            (b"image-height", b"%d" % height),
            *((name.encode(), value.encode()) for name, value in work_headers(state, report).items()),
            (b"content-length", b"%d" % len(result)),
        ]
        return headers, result


def _wish_in(scope: Message) -> Wish | None:
    """What a plain request asks for; None for one that is not plain."""
    if scope["method"] != "POST" or scope["path"] not in READERS or state_in(scope).body.expected == 0:
        return None
    types = []
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            return None  # the app says that no coding is taken
        if name == b"content-type":
            types.append(value.lower())
    if len(types) > 1 or (types and types[0].startswith(FORMS)):
        return None
    return _wish(scope["path"], scope["query_string"])


@lru_cache(maxsize=KEPT_QUERIES)
def _wish(path: str, query: bytes) -> Wish | None:
    """The pipeline and the output of a query; None if it names sources, needs further parts, or cannot be read.

    `format=auto` is not plain either: its answer follows from the Accept header.
    """
    try:
        sources, rest = split_sources(query.decode())
        pipeline, output = READERS[path](rest)
    except (ImgsrvError, UnicodeDecodeError):
        return None  # the app says why
    has_parts = any(step.part is not None for step in pipeline.steps)
    return None if sources or has_parts or output.format == "auto" else (pipeline, output)
