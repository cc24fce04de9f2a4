"""The OpenAPI 3.1 description of every route, which `GET /openapi.json` returns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from imgsrv.errors import ImgsrvError
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.codecs.placeholders import MEDIA_TYPE as PLACEHOLDER_TYPE
from imgsrv.imaging.formats import KNOWN
from imgsrv.imaging.info import ALL, INCLUDES
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.imaging.operations.registry import Operation
from imgsrv.imaging.pipelines.pipeline import MAX_STEPS
from imgsrv.reference.batch import batch_route
from imgsrv.reference.catalogue import included_texts
from imgsrv.reference.examples import example_of
from imgsrv.reference.page_routes import page_routes
from imgsrv.reference.parameters import Parameter, parameters_of
from imgsrv.reference.problems import facts_schema, meaning, problems, problems_by_status
from imgsrv.reference.sources import by_method, upload_paths
from imgsrv.reference.who_may_ask import SCHEMES, SECURITY, preset_parameter
from imgsrv.routes import ROUTES, SUMMARY

Json = dict[str, Any]

PROBLEM_TYPE = "application/problem+json"

PART = "file"
"""The name of the part of a multipart body that contains the picture."""

PROBLEM: Mapping[str, tuple[str, Json]] = {
    "type": ("A URI reference for the kind of problem.", {"type": "string", "format": "uri-reference"}),
    "title": ("The kind of problem in words.", {"type": "string"}),
    "status": ("The status of the answer.", {"type": "integer", "minimum": 400, "maximum": 599}),
    "detail": ("What came, what is allowed, and what to change.", {"type": "string"}),
    "code": ("The kind of problem, stable.", {"type": "string"}),
    "request_id": ("Names the request in the server's log.", {"type": "string"}),
}

HEADERS: Mapping[str, tuple[str, str]] = {
    "Image-Width": ("integer", "Width of the result in pixels."),
    "Image-Height": ("integer", "Height of the result in pixels."),
    "Image-Broken": ("string", "`true` where the result shows only what was there of a broken picture."),
    "Image-Format-Reason": ("string", "Why the result has its format, where the server has chosen it just now."),
    "Server-Timing": (
        "string",
        "Milliseconds of receive, queue, decode (for a JPEG, by which decoder), operations, encode, and as predicted.",
    ),
    "X-Request-Id": ("string", "Names the request in the server's log."),
}

TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string"}}

INFO: Mapping[str, Json] = {
    "format": {"type": "string", "enum": list(KNOWN)},
    "media_type": {"type": "string"},
    "width": {"type": "integer", "description": "Pixels of the upright picture."},
    "height": {"type": "integer", "description": "Pixels of the upright picture."},
    "mode": {"type": "string", "description": "Channels of the pixels, as Pillow names them: L, RGB, CMYK."},
    "bit_depth": {"type": "integer", "description": "Bits of a channel in the file."},
    "has_alpha": {"type": "boolean"},
    "frames": {"type": ["integer", "null"], "description": "Null if only decoding could count them."},
    "durations": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "description": "Milliseconds of each frame; empty for a still picture, null if only decoding could tell.",
    },
    "plays": {
        "type": ["integer", "null"],
        "description": "How often an animation plays, 0 for ever; null for a still picture.",
    },
    "orientation": {"type": "integer", "minimum": 1, "maximum": 8, "description": "EXIF orientation; 1 is upright."},
    "profile": {"type": ["string", "null"], "description": "Name of the colour profile."},
    "exif": TEXTS,
    "iptc": {"type": "object", "additionalProperties": {"type": ["string", "array"]}},
    "xmp": TEXTS,
    "gain_map": {"type": "boolean", "description": "True for an Ultra HDR file, whose gain map `hdr=keep` keeps."},
}
"""The fields that `describe_picture` always returns; a test compares them."""

INCLUDED: Mapping[str, Json] = {
    "average": {"type": ["string", "null"]},
    "dominant": {"type": ["string", "null"]},
    "palette": {"type": "array", "items": {"type": "object"}},
    "sharpness": {"type": "number"},
    "broken": {"type": "boolean"},
    "gps": {"type": ["object", "null"], "description": "Latitude and longitude in degrees, `altitude_m`."},
}
"""The fields of `include` whose values are not plain texts."""


def openapi(version: str, presets: Collection[str] = ()) -> Json:
    """The whole description.  version: of the server.  presets: their names."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgsrv",
            "version": version,
            "summary": SUMMARY,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            **{f"/{row.name}": by_method(_operation_route(row), example_of(row).part) for row in OPERATIONS.values()},
            **{path: by_method(route) for path, route in _routes(presets).items()},
            **upload_paths(_body(), _refusals()),
            **{path: {"get": page} for path, page in page_routes().items()},
        },
        "security": SECURITY,
        "components": {
            "securitySchemes": dict(SCHEMES),
            "schemas": {"Problem": _problem_schema(), "Info": _info_schema()}
            | {kind.__name__: _kind_schema(kind) for kind in problems()},
            "responses": {f"Problem{status}": _problem(kinds) for status, kinds in problems_by_status().items()},
            "headers": {
                name: {"description": text, "schema": {"type": kind}} for name, (kind, text) in HEADERS.items()
            },
        },
    }


# ---- routes ------------------------------------------------------------------------------------------


def _routes(presets: Collection[str]) -> Mapping[str, Json]:
    return {"/pipeline": _pipeline_route(presets), "/batch": _batch_route(), "/info": _info_route()}


def _operation_route(operation: Operation) -> Json:
    example = example_of(operation)
    text = "\n\n".join(filter(None, (operation.details, f"For example `POST {example.url}`.")))
    own = parameters_of(operation.parameters)
    query = _merged(own, parameters_of(Output))
    return _picture_route(operation.name, operation.summary, text, query, part=example.part)


def _pipeline_route(presets: Collection[str]) -> Json:
    examples = {row.name: {"value": example_of(row).pipeline} for row in OPERATIONS.values()}
    steps = {
        "name": "ops",
        "in": "query",
        "required": False,
        "description": f"Up to {MAX_STEPS} steps: `operation:parameter=value,parameter=value/operation`.  A value that "
        "contains one of `/ , : = %` is percent-encoded.  Without `ops`, an output parameter is needed; the picture is "
        "then only re-encoded.",
        "schema": {"type": "string"},
        "examples": {"several": {"value": "resize:width=800,height=600,fit=cover/sharpen:amount=0.8/grayscale"}}
        | examples,
    }
    output = [_query(parameter) for parameter in parameters_of(Output)]
    return _picture_route(
        "pipeline", ROUTES["/pipeline"].summary, "", [*preset_parameter(presets), steps, *output], tag="pipeline"
    )


def _batch_route() -> Json:
    names = ("Image-Broken", "Server-Timing", "X-Request-Id")
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return batch_route([_query(parameter) for parameter in parameters_of(Output)], headers, _refusals())


def _info_route() -> Json:
    answer = {
        "description": "Description of the picture.",
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Info"}}},
    }
    return {
        "operationId": "info",
        "tags": ["pictures"],
        "summary": ROUTES["/info"].summary,
        "parameters": [_include()],
        "requestBody": _body(),
        "responses": {"200": answer, **_refusals()},
    }


def _include() -> Json:
    return {
        "name": "include",
        "in": "query",
        "required": False,
        "description": "Additional results, separated by commas: \n"
        + "\n".join(f"- `{name}`: {text}" for name, text in included_texts().items()),
        "schema": {"type": "array", "items": {"type": "string", "enum": list(INCLUDES)}},
        "style": "form",
        "explode": False,
    }


def _info_schema() -> Json:
    more = {
        name: {**INCLUDED.get(name, {"type": "string"}), "description": text}
        for name, text in included_texts().items()
        if name != ALL
    }
    schema = _object(INFO)
    return {**schema, "properties": {**schema["properties"], **more}}


def _picture_route(
    name: str, summary: str, text: str, query: Iterable[Json], *, tag: str = "operations", part: str | None = None
) -> Json:
    picture = {
        "description": "The picture after the operations, or the text of a placeholder format.",
        "headers": {header: {"$ref": f"#/components/headers/{header}"} for header in HEADERS},
        "content": {form.media_type: {} for form in KNOWN.values() if form.is_written} | {PLACEHOLDER_TYPE: {}},
    }
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": text,
        "parameters": list(query),
        "requestBody": _body(part),
        "responses": {"200": picture, **_refusals()},
    }


# ---- parts of routes ---------------------------------------------------------------------------------


def _merged(own: Iterable[Parameter], output: Iterable[Parameter]) -> list[Json]:
    """The query parameters of an operation.  A name that both have appears once, with both meanings."""
    queries = {parameter.name: _query(parameter) for parameter in own}
    for parameter in output:
        query = _query(parameter)
        if parameter.name in queries:
            query = queries[parameter.name]
            query["description"] += f"  For the output: {parameter.description}"
        queries[parameter.name] = query
    return list(queries.values())


def _query(parameter: Parameter) -> Json:
    default = {} if parameter.default is None else {"default": parameter.default}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": {**parameter.schema, **default},
    }


def _body(second: str | None = None) -> Json:
    """A picture as raw body or as part of a form.  An operation with a second part needs the form."""
    names = {PART: "The picture."} | ({second: "The second file that the operation uses."} if second else {})
    part = _object(
        {name: {"description": text, "contentMediaType": "application/octet-stream"} for name, text in names.items()}
    )
    raw: Json = {} if second else {"*/*": {}}
    return {
        "required": True,
        "description": "The bytes of a picture.  The server recognises the format from them and ignores Content-Type.",
        "content": {**raw, "multipart/form-data": {"schema": part}},
    }


def _refusals() -> Json:
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in problems_by_status()}


# ---- problems ----------------------------------------------------------------------------------------


def _problem(kinds: Iterable[type[ImgsrvError]]) -> Json:
    listed = list(kinds)
    return {
        "description": "\n".join(f"- `{kind.code}`: {meaning(kind)}" for kind in listed),
        "content": {
            PROBLEM_TYPE: {"schema": {"oneOf": [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in listed]}}
        },
    }


def _problem_schema() -> Json:
    schema = _object({name: {**schema, "description": text} for name, (text, schema) in PROBLEM.items()})
    output = {
        "type": "string",
        "description": "The output of a batch that the problem concerns, if it concerns only one.",
    }
    return {**schema, "properties": {**schema["properties"], "output": output}}


def _kind_schema(kind: type[ImgsrvError]) -> Json:
    fixed: Json = {"code": {"const": kind.code}, "status": {"const": kind.status_hint}, "title": {"const": kind.title}}
    return {
        "description": meaning(kind),
        "allOf": [{"$ref": "#/components/schemas/Problem"}, _object({**fixed, **facts_schema(kind)})],
    }


def _object(properties: Mapping[str, Json]) -> Json:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}
