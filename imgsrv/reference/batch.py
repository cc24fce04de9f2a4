"""`POST /batch` in the API's description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imgsrv.imaging.codecs.output import Output
from imgsrv.jobs.archive import ARCHIVES
from imgsrv.jobs.variants import MOST_VARIANTS, SAFE_NAME
from imgsrv.reference.parameters import parameters_of
from imgsrv.routes import ROUTES

Json = dict[str, Any]

MEDIA_TYPES = ("multipart/mixed", "application/zip")

DETAILS = (
    "The picture is decoded once, at the scale that suits the largest output.  The outputs are named by the part "
    "`outputs` of the upload or, as plain reductions, by `widths`; output parameters of the query hold for all of "
    "them where one does not say otherwise.  If one output cannot be made the whole batch is answered with its error, "
    "which names it as `output`.  Together the outputs may have as many pixels as one picture."
)


def batch_route(output: Sequence[Json], headers: Json, refusals: Json) -> Json:
    """The route.  output: the queries of the output parameters.  refusals: the answers to what cannot be done."""
    return {
        "operationId": "batch",
        "tags": ["pipeline"],
        "summary": ROUTES["/batch"].summary,
        "description": DETAILS,
        "parameters": [*_own(), *output],
        "requestBody": _body(),
        "responses": {
            "200": {
                "description": "An archive of all outputs, in their order; each is named as its output, with the "
                "suffix of its format.",
                "headers": headers,
                "content": {media_type: {} for media_type in MEDIA_TYPES},
            },
            **refusals,
        },
    }


def _own() -> list[Json]:
    widths = {
        "type": "array",
        "items": {"type": "integer", "minimum": 1},
        "minItems": 1,
        "maxItems": MOST_VARIANTS,
    }
    return [
        {
            "name": "widths",
            "in": "query",
            "required": False,
            "description": "Widths with commas between: an output for each, named by it.",
            "schema": widths,
            "style": "form",
            "explode": False,
            "example": [320, 640, 1280],
        },
        {
            "name": "archive",
            "in": "query",
            "required": False,
            "description": "How the outputs come; by default `zip` where the Accept header asks for it.",
            "schema": {"type": "string", "enum": list(ARCHIVES)},
        },
    ]


def _body() -> Json:
    own: Mapping[str, Json] = {
        "name": {"type": "string", "pattern": f"^{SAFE_NAME.pattern}$", "description": "Of its own."},
        "ops": {"type": "string", "description": "A pipeline, as `/pipeline` takes it."},
    }
    taken = {one.name: {**one.schema, "description": one.description} for one in parameters_of(Output)}
    item = {
        "type": "object",
        "required": ["name"],
        "properties": {**own, **taken},
        "additionalProperties": False,
        "examples": [{"name": "small", "ops": "resize:width=320", "format": "webp"}],
    }
    binary = {"contentMediaType": "application/octet-stream"}
    form = {
        "type": "object",
        "required": ["file"],
        "properties": {
            "file": {"description": "The picture.", **binary},
            "outputs": {"type": "array", "minItems": 1, "maxItems": MOST_VARIANTS, "items": item},
        },
        "additionalProperties": {"description": "What a step works with, such as a watermark.", **binary},
    }
    return {
        "required": True,
        "description": "A picture as it is, with `widths`, or a form with the picture and the outputs.",
        "content": {
            "*/*": {},
            "multipart/form-data": {"schema": form, "encoding": {"outputs": {"contentType": "application/json"}}},
        },
    }
