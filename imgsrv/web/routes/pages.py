"""The GET routes: index, catalogue, API description, health and metrics.  None of them is ever queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from falcon.asgi import Request, Response

from imgsrv import __version__
from imgsrv.imaging.lettering.fonts import font_facts
from imgsrv.observe.metrics import CONTENT_TYPE
from imgsrv.reference.catalogue import catalogue
from imgsrv.reference.openapi import openapi
from imgsrv.routes import SUMMARY, all_routes
from imgsrv.web.admission import Admission
from imgsrv.web.http.host import Drain
from imgsrv.web.pages.serve import PATH as FILES_PATH
from imgsrv.web.pages.serve import Files, Home
from imgsrv.web.routes.document import Document, JsonPage

Page = Document | Home | Files
"""A route that any worker answers by itself."""


class HealthPage:
    """`GET /healthz`: the process is alive and its event loop runs."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Answer 200."""
        resp.media = {"status": "ok"}

    on_head = on_get


class ReadyPage:
    """`GET /readyz`: tells a load balancer if it may send pictures here."""

    def __init__(self, drain: Drain, admission: Admission) -> None:
        self._drain, self._admission = drain, admission

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Answer 200, or 503 while the server stops or its queue is full."""
        status = "draining" if self._drain.has_begun else "saturated" if self._admission.is_saturated() else "ready"
        resp.status = 200 if status == "ready" else 503
        resp.media = {"status": status}

    on_head = on_get


class MetricsPage:
    """`GET /metrics`: Prometheus text for the whole pool."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Answer with the metrics of this moment."""
        resp.content_type = CONTENT_TYPE
        resp.data = self._render()

    on_head = on_get


def documents(presets: Mapping[str, str], *, has_pages: bool, has_uploads: bool) -> dict[str, Page]:
    """The documents that are generated from the tables of routes, operations, formats and presets, by their path.

    has_pages: with the pages for browsers, and the files of these.  has_uploads: the server keeps uploads.
    """
    start, files = JsonPage(index), Files() if has_pages else None
    return {
        "/": start if files is None else Home(start, files.page("playground/index.html")),
        **({} if files is None else _pages(files)),
        "/operations": JsonPage(partial(catalogue, presets, has_uploads=has_uploads)),
        "/fonts": JsonPage(lambda: {"fonts": list(font_facts())}),
        "/openapi.json": JsonPage(partial(openapi, __version__, presets)),
    }


def _pages(files: Files) -> dict[str, Page]:
    """The pages that stand beside the first one, and the files of all."""
    return {
        FILES_PATH: files,
        "/docs": files.page("docs/index.html"),
        "/dashboard": files.page("dashboard/index.html"),
    }


def index() -> dict[str, Any]:
    """The document at `/`: name, version and routes."""
    routes = [
        {"methods": [*row.methods], "path": row.path, "query": row.query, "summary": row.summary, "method": row.method}
        for row in all_routes()
    ]
    return {"name": "imgsrv", "version": __version__, "summary": SUMMARY, "routes": routes}
