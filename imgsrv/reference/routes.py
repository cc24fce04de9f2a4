"""Every route, once.

From these rows are made the app, the API's description, `GET /`, the README's table and the hint for a misspelt path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from imgsrv.imaging.operations import OPERATIONS

SUMMARY = "POST a picture, get it back processed."


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.  query: what a call of it looks like."""

    method: str
    path: str
    query: str
    summary: str


ONE_OPERATION = Route("POST", "/{operation}", "?width=800…", "The picture after one operation.")

ROUTES = {
    row[1]: Route(*row)
    for row in (
        ("POST", "/pipeline", "?ops=…", "The picture after several operations, decoded once and encoded once."),
        ("POST", "/batch", "?widths=320,640…", "Several outputs of one picture, as `multipart/mixed` or a ZIP."),
        ("POST", "/info", "?include=…", "JSON: what the header says, and what else is asked for."),
        ("GET", "/", "", "JSON: name, version and these routes."),
        ("GET", "/operations", "", "JSON: the catalogue of operations, formats and output parameters."),
        ("GET", "/openapi.json", "", "JSON: the description of this API, as OpenAPI 3.1."),
        ("GET", "/healthz", "", "JSON: the server lives."),
        ("GET", "/readyz", "", "JSON: whether to send it work; 503 while it stops or has all that it can take."),
        ("GET", "/metrics", "", "Metrics of the whole pool, as Prometheus text."),
    )
}
"""All but the operations' own, by path."""


def names() -> Iterator[str]:
    """What can stand behind the slash, operations included."""
    yield from OPERATIONS
    yield from (path.removeprefix("/") for path in ROUTES if path != "/")


def all_routes() -> Iterator[Route]:
    """Every row, in the order in which they are listed."""
    yield ONE_OPERATION
    yield from ROUTES.values()


def index(version: str) -> dict[str, Any]:
    """What `GET /` answers.  version: that of the server."""
    return {"name": "imgsrv", "version": version, "summary": SUMMARY, "routes": [asdict(row) for row in all_routes()]}
