"""Errors as answers: `application/problem+json` (RFC 9457), each with its status."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import falcon
import falcon.asgi

from imgsrv.errors import (
    ClientGone,
    ImgsrvError,
    InternalError,
    MissingKey,
    Overloaded,
    RequestError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnknownKey,
    UnknownOperation,
    UnknownRoute,
    UnsupportedEncoding,
    WrongMethod,
)
from imgsrv.foreign_advice import operation_advice, path_advice
from imgsrv.imaging.codecs.output import Output
from imgsrv.imaging.operations import OPERATIONS
from imgsrv.observe.log.logger import get_logger
from imgsrv.routes import ROUTES
from imgsrv.web.state import state_of
from imgsrv.wording import closest

MEDIA_TYPE = "application/problem+json"

FAULTS = 500
"""From this status on an answer is the server's fault, unless the server is overloaded."""

PATHS = (*OPERATIONS, *(path.removeprefix("/") for path in ROUTES if path != "/" and "{" not in path))
"""What may follow the slash of a path."""

LATER = (Unavailable, TooManyRequests)
"""Errors that say when the same request may be served."""

CHALLENGE = {MissingKey: 'Bearer realm="imgsrv"', UnknownKey: 'Bearer realm="imgsrv", error="invalid_token"'}
"""What a 401 asks for (RFC 6750, section 3): without a key no error is named."""

VALIDATORS = ("ETag", "Last-Modified", "Age")
"""Headers of the version of a picture.  An error must not have them: a later 304 would mean the error."""

REQUEST_ID = re.compile(rb"[\w.:/+=-]{1,128}")
"""An X-Request-Id of a client is used if it matches this."""


def problem(error: ImgsrvError, request_id: str) -> dict[str, Any]:
    """The error as a problem of RFC 9457, with its facts beside its message."""
    facts = {name: value for name, value in error.facts.items() if name not in ("title", "status", "detail")}
    return {
        "type": f"urn:imgsrv:problem:{error.code}",
        "title": error.title,
        "status": error.status_hint,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
        **({"output": error.output} if error.output else {}),
        **facts,
    }


def make_request_id() -> str:
    """A new id for a request; the client has not given one."""
    return os.urandom(8).hex()


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of a request: the client's if it is valid, else a new one."""
    given = next((value for name, value in headers if name == b"x-request-id"), b"")
    return given.decode("ascii") if REQUEST_ID.fullmatch(given) else make_request_id()


def raw_answer(error: ImgsrvError, request_id: str, further: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """A whole HTTP answer that closes its connection, for a request that is refused before the app sees it.

    further: headers of the answer.
    """
    body = json.dumps(problem(error, request_id)).encode()
    status = falcon.code_to_http_status(error.status_hint)
    retry_after = f"retry-after: {error.retry_after_s}\r\n" if isinstance(error, LATER) else ""
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n{retry_after}"
        f"x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\nconnection: close\r\n"
    )
    lines = b"".join(b"%b: %b\r\n" % pair for pair in further)
    return head.encode() + lines + b"\r\n" + body


def add_handlers(app: falcon.asgi.App[Any, Any]) -> None:
    """Let the app answer every error with a problem."""
    app.add_error_handler(RequestError, _answer)
    app.add_error_handler(ServerError, _answer)
    app.add_error_handler(falcon.HTTPError, _answer_falcon)
    app.add_error_handler(Exception, _answer_fault)


async def _answer(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ImgsrvError, _params: dict[str, Any]
) -> None:
    if error.status_hint >= FAULTS and not isinstance(error, Overloaded):
        get_logger().warning(
            "request_failed",
            request_id=state_of(req).request_id,
            path=req.path,
            code=error.code,
            reason=str(error),
        )
    _set(req, resp, error)


async def _answer_falcon(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: falcon.HTTPError, _params: dict[str, Any]
) -> None:
    """Falcon itself raises errors only where no route or no method fits."""
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        allowed = [name.strip() for name in dict(error.headers or {})["Allow"].split(",")]
        _set(req, resp, WrongMethod(req.method, req.path, allowed))
    elif isinstance(error, falcon.HTTPNotFound):
        _set(req, resp, _not_found(req.path))
    else:
        get_logger().error("unexpected_http_error", error=repr(error), path=req.path)
        _set(req, resp, InternalError())


async def _answer_fault(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, _params: dict[str, Any]
) -> None:
    """A fault of ours: the log gets all details, the client the id to ask for them."""
    get_logger().error("request_failed", request_id=state_of(req).request_id, path=req.path, exc_info=error)
    _set(req, resp, InternalError())


def _set(req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ImgsrvError) -> None:
    state_of(req).code = error.code
    resp.status = "499 Client Closed Request" if isinstance(error, ClientGone) else error.status_hint
    resp.content_type = MEDIA_TYPE
    # A value of the client may hold half of a surrogate pair, which UTF-8 does not.
    resp.data = json.dumps(problem(error, state_of(req).request_id), ensure_ascii=False).encode(errors="replace")
    for name in VALIDATORS:
        resp.delete_header(name)
    if req.method in ("GET", "HEAD"):
        # A proxy may keep some errors where nothing is said.
        resp.set_header("Cache-Control", "no-store")
    if isinstance(error, LATER):
        resp.set_header("Retry-After", str(error.retry_after_s))
    if isinstance(error, WrongMethod):
        resp.set_header("Allow", ", ".join(error.allowed))
    if isinstance(error, UnsupportedEncoding):
        # RFC 9110, sections 12.5.3 and 15.5.16: the codings that would have been accepted.
        resp.set_header("Accept-Encoding", "identity")
    if isinstance(error, Unauthorized):
        resp.set_header("WWW-Authenticate", CHALLENGE[type(error)])


def _not_found(path: str) -> ImgsrvError:
    name = path.strip("/")
    if advice := path_advice(path):
        return UnknownRoute(path, None, advice)
    if advice := operation_advice(name, Output.model_fields):
        return UnknownOperation(name, None, advice)
    near = closest(name, PATHS)
    if path == f"/{near}":
        return UnknownRoute(path, None)  # another address of this server has it
    if near is None and name and "/" not in name and "." not in name:
        return UnknownOperation(name)
    return (
        UnknownOperation(name, near)
        if near in OPERATIONS and near != name
        else UnknownRoute(path, f"/{near}" if near else None)
    )
