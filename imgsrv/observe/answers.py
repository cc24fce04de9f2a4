"""What is counted of answers: how many of each route and status, and how many pictures of each format.

The names are few and fixed, because each is a cell on the scoreboard and a time series where metrics are kept.  A path,
a status or a format without a name of its own counts as OTHER.
"""

from __future__ import annotations

from functools import lru_cache

from imgsrv.errors import ANSWERS
from imgsrv.routes import all_routes

OTHER = "other"

ROUTES = (*dict.fromkeys(route.path for route in all_routes()), OTHER)
"""The routes as templates, so that a stranger cannot make new ones.  OTHER: unknown paths, and what is not HTTP."""

STATUSES = (*map(str, sorted({200, 201, 204, 206, 304, *(error.status_hint for error in ANSWERS)})), OTHER)

FORMATS = (
    *("jpeg", "png", "webp", "avif", "gif", "tiff", "bmp", "jp2", "ico", "heic", "jxl"),
    *("blurhash", "thumbhash", "lqip"),
    OTHER,
)
"""The formats of results; a test compares them with those that are written."""

ANSWER_FIELDS = {(route, status): f"answer_{route}_{status}" for route in ROUTES for status in STATUSES}
"""The field of the board that counts the answers of a route with a status."""

PICTURE_FIELDS = {name: f"pictures_{name}" for name in FORMATS}
"""The field of the board that counts the pictures in a format."""


@lru_cache(maxsize=1024)
def answer_field(route: str, status: int) -> str:
    """The field that counts an answer.  route: as in ROUTES, or anything."""
    name = str(status)
    return ANSWER_FIELDS[route if route in ROUTES else OTHER, name if name in STATUSES else OTHER]


def picture_field(name: str) -> str:
    """The field that counts a picture in a format."""
    return PICTURE_FIELDS.get(name, PICTURE_FIELDS[OTHER])
