"""The OpenAPI description of the routes that only answer: documents, pages, probes and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgsrv.routes import ROUTES

Json = dict[str, Any]

STATUS: Json = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}


def page_routes() -> Mapping[str, Json]:
    """Each route, by its path."""
    status = {"application/json": {"schema": STATUS}}
    document = {"application/json": {"schema": {"type": "object"}}}
    text = {"text/plain": {"schema": {"type": "string"}}}
    page = {"text/html": {"schema": {"type": "string"}}}
    events = {"text/event-stream": {"schema": {"type": "string"}}}
    stopping = {"503": {"description": "The server stops or is saturated; send work elsewhere.", "content": status}}
    return {
        "/": _page("/", "index", document),
        "/operations": _page("/operations", "operations", document),
        "/fonts": _page("/fonts", "fonts", document),
        "/openapi.json": _page("/openapi.json", "openapi", document),
        "/docs": _page("/docs", "docs", page),
        "/dashboard": _page("/dashboard", "dashboard", page),
        "/dashboard/events": _page("/dashboard/events", "dashboardEvents", events),
        "/healthz": _page("/healthz", "healthz", status),
        "/readyz": _page("/readyz", "readyz", status, stopping),
        "/metrics": _page("/metrics", "metrics", text),
    }


def _page(path: str, name: str, content: Json, more: Mapping[str, Json] | None = None) -> Json:
    summary = ROUTES[path].summary
    answer = {"description": summary, "content": content}
    return {"operationId": name, "tags": ["server"], "summary": summary, "responses": {"200": answer, **(more or {})}}
