"""Every route, once.

The app, the API's description, `GET /`, the README's table and the hint for a misspelt path are made from these rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SUMMARY = "POST a picture, get it back processed."


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.  query: an example of its query."""

    method: str
    path: str
    query: str
    summary: str

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods of the path, the usual one first."""
        return (self.method, *FURTHER.get(self.path, BY_METHOD[self.method]))


BY_METHOD: dict[str, tuple[str, ...]] = {"GET": ("HEAD",), "POST": ("GET", "HEAD"), "DELETE": ("GET", "HEAD")}
"""Further methods of a path.  A GET in place of a POST names its picture with `source=`."""

FURTHER: dict[str, tuple[str, ...]] = {"/uploads": (), "/dashboard/events": ()}
"""Paths with other methods than those."""


ONE_OPERATION = Route("POST", "/{operation}", "?width=800…", "The picture after one operation.")

ROUTES = {
    row[1]: Route(*row)
    for row in (
        ("POST", "/pipeline", "?ops=…", "The picture after several operations, decoded once and encoded once."),
        (
            "POST",
            "/batch",
            "?widths=320,640…",
            "Several outputs of one picture, as a MIME message, ZIP, JSON or form.",
        ),
        ("POST", "/info", "?include=…", "JSON: what the header says, and what else is asked for."),
        ("POST", "/uploads", "", "JSON: the id of a picture that is kept for a while, for `source=upload:ID`."),
        ("DELETE", "/uploads/{upload}", "", "Nothing: the upload is removed.  GET tells its size and its end."),
        ("GET", "/", "", "JSON: name, version and these routes.  In a browser: a page to try everything."),
        ("GET", "/operations", "", "JSON: the catalogue of operations, formats and output parameters."),
        ("GET", "/fonts", "", "JSON: the fonts of `text`, and which scripts each can write."),
        ("GET", "/openapi.json", "", "JSON: the description of this API, as OpenAPI 3.1."),
        ("GET", "/docs", "", "HTML: this API to read and to try."),
        ("GET", "/dashboard", "", "HTML: what the server does now."),
        ("GET", "/dashboard/events", "", "Server-sent events: each second, what the whole pool does."),
        ("GET", "/healthz", "", "JSON: the server lives."),
        ("GET", "/readyz", "", "JSON: whether to send it work; 503 while it stops or has all that it can take."),
        ("GET", "/metrics", "", "Metrics of the whole pool, as Prometheus text."),
    )
}
"""All routes except those of single operations, by path."""


def all_routes() -> Iterator[Route]:
    """Every row, in the order in which they are listed."""
    yield ONE_OPERATION
    yield from ROUTES.values()
