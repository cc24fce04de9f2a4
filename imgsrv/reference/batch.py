"""The OpenAPI description of `POST /batch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imgsrv.imaging.codecs.output import Output
from imgsrv.jobs.archive import ARCHIVES, MEDIA_TYPES
from imgsrv.jobs.variants import MOST_VARIANTS, SAFE_NAME
from imgsrv.reference.parameters import parameters_of
from imgsrv.routes import ROUTES

Json = dict[str, Any]

DETAILS = (
    "The picture is decoded once, at the smallest scale that is enough for the largest output.  The part `outputs` of "
    "the upload describes each output; `widths` asks for plain reductions instead.  Output parameters of the query are "
    "the defaults of all outputs.  If one output cannot be made, the answer to the whole batch is its error, with the "
    "name of that output as `output`.  The limit on pixels of one picture applies to the sum of all outputs."
)


def batch_route(output: Sequence[Json], headers: Json, refusals: Json) -> Json:
    """The route.  output: the output parameters in the query.  refusals: the answers for each error status."""
    return {
        "operationId": "batch",
        "tags": ["pipeline"],
        "summary": ROUTES["/batch"].summary,
        "description": DETAILS,
        "parameters": [*_own(), *output],
        "requestBody": _body(),
        "responses": {
            "200": {
                "description": "An archive of all outputs, in their order.  The name of each file is the name of the "
                "output with the suffix of its format.",
                "headers": headers,
                "content": {
                    **{each: {} for each in MEDIA_TYPES.values()},
                    MEDIA_TYPES["json"]: {"schema": _document()},
                },
            },
            **refusals,
        },
    }


def _document() -> Json:
    """The schema of the answer in JSON."""
    whole = {"type": "integer", "minimum": 1}
    properties: Mapping[str, Json] = {
        "name": {"type": "string"},
        "file": {"type": "string", "description": "The name with the suffix of its format."},
        "type": {"type": "string", "description": "Its media type."},
        "width": whole,
        "height": whole,
        "bytes": whole,
        "text": {"type": "string", "description": "The text itself, of an output that is a line of text."},
        "data": {"type": "string", "contentEncoding": "base64"},
    }
    item = {"type": "object", "required": [name for name in properties if name != "text"], "properties": properties}
    srcset = {
        "type": ["string", "null"],
        "description": "Value of the attribute, with the names of the files as URLs; null unless all outputs are "
        "pictures of one type and shape.",
        "examples": ["320.webp 320w, 640.webp 640w"],
    }
    outputs = {"type": "array", "items": item}
    return {"type": "object", "required": ["outputs", "srcset"], "properties": {"outputs": outputs, "srcset": srcset}}


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
            "description": "Widths, separated by commas.  Each gives one output, which has its width as its name.  "
            "Nothing is enlarged: for widths above that of the picture there is one output, with its own width.",
            "schema": widths,
            "style": "form",
            "explode": False,
            "example": [320, 640, 1280],
        },
        {
            "name": "archive",
            "in": "query",
            "required": False,
            "description": "Kind of archive.  Default: the one whose media type the Accept header names, else "
            "`multipart`.  `json` has each output in Base64; `Response.formData()` of browsers reads `form`.",
            "schema": {"type": "string", "enum": list(ARCHIVES)},
        },
    ]


def _body() -> Json:
    own: Mapping[str, Json] = {
        "name": {
            "type": "string",
            "pattern": f"^{SAFE_NAME.pattern}$",
            "description": "Name of the output, different from all others.",
        },
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
        "additionalProperties": {"description": "A file that a step uses, such as a watermark.", **binary},
    }
    return {
        "required": True,
        "description": "The bytes of a picture, with `widths`; or a form with the picture and the outputs.",
        "content": {
            "*/*": {},
            "multipart/form-data": {"schema": form, "encoding": {"outputs": {"contentType": "application/json"}}},
        },
    }
