"""`/uploads`: pictures that are sent once and asked for many times, as `source=upload:ID`."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from falcon.asgi import Request, Response

from imgsrv.errors import UnknownParameter
from imgsrv.imaging.pipelines.pipeline import Pipeline
from imgsrv.web.multipart import FILE_PART
from imgsrv.web.services import Services
from imgsrv.web.sources.taking import asker_of
from imgsrv.web.sources.uploads.uploads import Kept
from imgsrv.web.state import state_of
from imgsrv.web.upload import check_upload, naming_the_mistake, receive_parts


class UploadsRoute:
    """`POST /uploads`: keep the picture for a while."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Answer 201 with the id of the picture."""
        if req.query_string:
            raise UnknownParameter("uploads", req.query_string.partition("&")[0].partition("=")[0], [])
        services, state = self._services, state_of(req)
        services.origins.uploads.check_allowed()
        with closing(state.body), naming_the_mistake(req):
            parts = await receive_parts(req, services.max_body)
            Pipeline().check_parts([name for name in parts if name != FILE_PART])
            upload = check_upload(state.body, parts, services.limits)
            place = upload.input
            kept = await services.origins.uploads.keep(state.body.file, place.start, place.size, asker_of(state))
        resp.status = 201
        resp.set_header("Location", f"/uploads/{kept.id}")
        resp.media = {**_told(kept), "format": upload.format}


class UploadRoute:
    """`/uploads/{id}`: one upload."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_get(self, req: Request, resp: Response, upload: str) -> None:
        """Answer with what is known of it; 404 for that of another owner too."""
        resp.set_header("Cache-Control", "no-store")
        resp.media = _told(await self._services.origins.uploads.look_up(upload, asker_of(state_of(req))))

    on_head = on_get

    async def on_delete(self, req: Request, resp: Response, upload: str) -> None:
        """Remove it."""
        await self._services.origins.uploads.remove(upload, asker_of(state_of(req)))
        resp.status = 204


def _told(kept: Kept) -> dict[str, Any]:
    expires = datetime.fromtimestamp(kept.expires, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"id": kept.id, "source": f"upload:{kept.id}", "size": kept.size, "expires": expires}
