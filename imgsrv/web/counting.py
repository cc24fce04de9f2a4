"""What the scoreboard learns of an answer: its route, its status, and the pictures in it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from imgsrv.imaging.codecs.placeholders import PLACEHOLDERS
from imgsrv.imaging.formats import WRITTEN
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.observe.answers import OTHER, answer_field, picture_field
from imgsrv.observe.scoreboard import Row
from imgsrv.routes import ONE_OPERATION, ROUTES

NAMES = {form.media_type: name for name, form in WRITTEN.items()}

UPLOAD = next(path for path in ROUTES if "{" in path)


def count_answer(row: Row, path: str, status: int, formats: Iterable[str] = ()) -> None:
    """Count one answer, and the pictures in it by their formats.  path: OTHER for what never reached the app."""
    row.add(answer_field(_route(path), status))
    for name in formats:
        row.add(picture_field(name))


def format_of(media_type: str, asked: str) -> str:
    """The name of a result's format.  asked: the parameter `format`, because all placeholders are plain text."""
    return asked if asked in PLACEHOLDERS else NAMES.get(media_type, OTHER)


@lru_cache(maxsize=256)
def _route(path: str) -> str:
    """The template of the route that a path belongs to; OTHER if there is none."""
    name = path.strip("/")
    if name in OPERATIONS:
        return ONE_OPERATION.path
    if f"/{name}" in ROUTES:
        return f"/{name}"
    return UPLOAD if name.startswith("uploads/") and name.count("/") == 1 else OTHER
