"""Fields of a form as parameters: what a plain HTML form sends beside the picture means the same as in the query.

A query that cannot be used is refused before the body is received.  Only one that lacks a parameter waits for the form.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TypeVar
from urllib.parse import urlencode

from falcon.asgi import Request

from imgsrv.errors import BadMultipart, MissingParameter, RequestError, UnusableParameters
from imgsrv.web.services import Services
from imgsrv.web.sources.naming import Sources
from imgsrv.web.state import state_of
from imgsrv.web.upload import is_form, receive_parts

Wish = TypeVar("Wish")

LONGEST_FIELDS = 32_768
"""Bytes of all fields together, as many as a query may have with its head."""


async def parsed_with_fields(
    req: Request, services: Services, sources: Sources, query: str, names: Collection[str], parse: Callable[[str], Wish]
) -> Wish:
    """What the query and the fields of the form ask for.  names: of parameters.  parse: reads a query.

    A signed URL, and whoever may only ask for presets, adds nothing by a form.
    Raises what `parse` and `receive_parts` raise, and UnusableParameters.
    """
    state = state_of(req)
    if not is_form(req) or sources.picture is not None or state.is_fixed:
        return parse(query)
    lacking: RequestError | None = None
    try:
        parse(query)
    except (MissingParameter, UnusableParameters) as error:
        lacking = error
    try:
        texts = await _received(req, services, names)
        if lacking is None or texts:
            return parse("&".join([*([query] if query else []), *([urlencode(texts)] if texts else [])]))
    except BaseException:
        state.body.close()
        raise
    state.body.close()
    raise lacking


async def _received(req: Request, services: Services, names: Collection[str]) -> dict[str, str]:
    """Receive the form; the fields that were filled in, and the other parts for whoever asks the state for them."""
    state = state_of(req)
    parts = await receive_parts(req, services.max_body, names)
    fields = {name: parts.pop(name) for name in [*parts] if name in names}
    state.parts = parts
    return _texts(state.body.file, fields)


def _texts(file: int, fields: dict[str, tuple[int, int]]) -> dict[str, str]:
    """The fields that were filled in.  file: the descriptor of the body, in which each has a start and a size."""
    size = sum(size for _start, size in fields.values())
    if size > LONGEST_FIELDS:
        raise UnusableParameters("the form", f"its fields have {size} bytes and may have {LONGEST_FIELDS}")
    texts = {name: os.pread(file, size, start) for name, (start, size) in fields.items() if size}
    try:
        return {name: text.decode() for name, text in texts.items()}
    except UnicodeDecodeError as error:
        raise BadMultipart("a field is not text in UTF-8") from error
