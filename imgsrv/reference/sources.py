"""The OpenAPI description of pictures that come from sources, and of uploads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgsrv.routes import ROUTES

Json = dict[str, Any]

SOURCE: Json = {
    "name": "source",
    "in": "query",
    "required": True,
    "description": "Where the picture lies: `file:` with a path, a URL, an object of a bucket, or an upload.  "
    "The operator allows each kind of place by a setting.",
    "schema": {"type": "string", "maxLength": 4096},
    "examples": {
        "file": {"value": "file:photos/cat.jpg"},
        "url": {"value": "https://images.example.com/cat.jpg"},
        "bucket": {"value": "s3://bucket/cat.jpg"},
        "upload": {"value": "upload:ID"},
    },
}

UPLOAD: Json = {
    "type": "object",
    "required": ["id", "source", "size", "expires"],
    "properties": {
        "id": {"type": "string", "description": "A secret: who has it can ask for the picture."},
        "source": {"type": "string", "description": "The id as the parameter `source` takes it."},
        "size": {"type": "integer", "description": "Bytes."},
        "expires": {"type": "string", "format": "date-time", "description": "When the server forgets the picture."},
        "format": {"type": "string", "description": "The format by the first bytes; in the answer to POST."},
    },
}


def by_method(post: Json, part: str | None = None) -> Json:
    """The path of a picture: its POST, and its GET with a source.  part: the further part that the operation needs."""
    parts = [] if part is None else [_part(part)]
    get = {name: value for name, value in post.items() if name != "requestBody"}
    get["operationId"] = f"{post['operationId']}_of_source"
    get["parameters"] = [SOURCE, *parts, *post["parameters"]]
    return {"post": post, "get": get}


def upload_paths(body: Json, refusals: Json) -> Mapping[str, Json]:
    """The paths of uploads.  body: of a request with a picture.  refusals: the answers for each error status."""
    answer = {"content": {"application/json": {"schema": UPLOAD}}}
    place = {"description": "Where the upload is described.", "schema": {"type": "string"}}
    name = {"name": "upload", "in": "path", "required": True, "schema": {"type": "string"}, "description": "The id."}
    kept = {"description": "The picture is kept.", "headers": {"Location": place}, **answer}
    one, summary = {"tags": ["uploads"], "parameters": [name]}, ROUTES["/uploads"].summary
    return {
        "/uploads": {
            "post": {
                "operationId": "upload",
                "tags": ["uploads"],
                "summary": summary,
                "requestBody": body,
                "responses": {"201": kept, **refusals},
            }
        },
        "/uploads/{upload}": {
            "get": {
                "operationId": "describe_upload",
                "summary": "JSON: what is known of an upload.",
                **one,
                "responses": {"200": {"description": "The upload.", **answer}, **refusals},
            },
            "delete": {
                "operationId": "remove_upload",
                "summary": ROUTES["/uploads/{upload}"].summary,
                **one,
                "responses": {"204": {"description": "It is removed."}, **refusals},
            },
        },
    }


def _part(name: str) -> Json:
    return {
        "name": f"source.{name}",
        "in": "query",
        "required": True,
        "description": "Where the second file lies that the operation uses, in the form of `source`.",
        "schema": SOURCE["schema"],
    }
