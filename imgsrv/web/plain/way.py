"""The short way: one picture and what is done with it, which is most of what is asked.

`POST /{operation}?…` or `/pipeline?…` has the picture as its body; `GET` names it by `source=`.  Such a request goes
past Falcon and the routes, and nothing else is left out: the gate around this counts and logs it, `Access` asks who it
is, and `Services` admits, queues and awaits its job within the same deadlines.  What the short way has no answer for
goes on to the app with the error that it met, so that an error is worded in one place.
"""

from __future__ import annotations

from contextlib import closing

from imgsrv.imaging.codecs.placeholders import media_type_of
from imgsrv.imaging.process import Report
from imgsrv.jobs.job import ProcessJob
from imgsrv.web.access.access import Access
from imgsrv.web.counting import format_of
from imgsrv.web.http.host import App, Headers, Message, Receive, Send
from imgsrv.web.plain.sourced import Sourced
from imgsrv.web.plain.wishes import SourceWish, Wish, wish_in
from imgsrv.web.services import Services, work_headers
from imgsrv.web.state import RequestState, state_in
from imgsrv.web.upload import check_upload, receive_picture


class PlainWay:
    """ASGI middleware between the gate and the app, for servers that keep no results."""

    def __init__(self, app: App, access: Access, services: Services) -> None:
        self._app, self._access, self._services = app, access, services
        self._sourced = Sourced(access, services)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a plain request; pass any other on, and one that fails."""
        wish, state = wish_in(scope), state_in(scope)
        if wish is None:
            await self._app(scope, receive, send)
            return
        try:
            headers, result = await self._answer(scope, state, wish)
        # Whatever it is, `Access` raises it again, and the app's handlers log and answer it.
        except Exception as fault:  # noqa: BLE001
            state.fault = fault
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else result})

    async def _answer(self, scope: Message, state: RequestState, wish: Wish) -> tuple[Headers, bytes]:
        """The headers of the answer and the picture.  Raises the errors of requests and of the server."""
        self._access.greet(scope)
        await self._access.admit(scope, scope["path"], wish.query)
        services, told = self._services, Headers()
        with closing(state.body):
            if isinstance(wish, SourceWish):
                upload, told = await self._sourced.take(state, wish)
            else:
                upload = check_upload(state.body, await receive_picture(state, services.max_body), services.limits)
            job = ProcessJob(upload.input, wish.pipeline, wish.output, state.request_id)
            report, result = await services.process(state, job, upload)
        return [*told, *_headers(state, wish, report, result)], result


def _headers(state: RequestState, wish: Wish, report: Report, result: bytes) -> Headers:
    """The headers that every answer with a picture has; the state has its format from now on."""
    media_type = media_type_of(report.format)
    state.formats = (format_of(media_type, wish.output.format or ""),)
    width, height = report.size
    return [
        (b"content-type", media_type.encode()),
        (b"image-width", b"%d" % width),
        (b"image-height", b"%d" % height),
        *((name.encode(), value.encode()) for name, value in work_headers(state, report).items()),
        (b"content-length", b"%d" % len(result)),
    ]
