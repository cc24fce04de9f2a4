"""A request as a trace: a span for the whole and one for each stage, named by OpenTelemetry's conventions.

The spans are made after the answer has been sent, from the times that every request keeps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from imgsrv import __version__
from imgsrv.errors import UnknownOperation, UnknownRoute
from imgsrv.observe.log.logger import Logger
from imgsrv.settings import Settings
from imgsrv.web.access.signatures import unsigned
from imgsrv.web.problems import FAULTS
from imgsrv.web.sources.naming import masked
from imgsrv.web.state import RequestState, state_in

if TYPE_CHECKING:
    from imgsrv.observe.otel import Span, Traces, Value

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY")

PROPAGATED = (b"traceparent", b"tracestate")

LONGEST_PROPAGATED = 512
"""Bytes of a header that is passed on: as many of a tracestate as the W3C's recommendation asks for (3.3.1.5)."""

NOWHERE = (UnknownRoute.code, UnknownOperation.code)
"""Errors of paths that are not routes; a span may only be named after a route."""


def load_tracing(settings: Settings) -> None:
    """Import the packages for traces if they are enabled: before the fork, so that all workers share them."""
    if settings.otel_endpoint:
        import_module("imgsrv.observe.otel")


def make_tracing(settings: Settings, log: Logger, count_lost: Callable[[int], None]) -> Tracing | None:
    """The tracing of this process; None if it is not enabled.  count_lost: called with the number of lost spans."""
    if not settings.otel_endpoint:
        return None
    from imgsrv.observe.otel import Span, Traces  # noqa: PLC0415  an optional wheel

    about: dict[str, str | int] = {
        "service.name": "imgsrv",
        "service.version": __version__,
        "service.instance.id": f"{settings.name}-{os.getpid()}",
        "process.pid": os.getpid(),
    }
    return Tracing(Traces(settings.otel_endpoint, settings.otel_ratio, about, log, count_lost), Span)


class Tracing:
    """Makes the spans of requests.  new_span: their class, which needs the extra `otel`."""

    def __init__(self, traces: Traces, new_span: type[Span]) -> None:
        self._traces, self._new_span = traces, new_span
        self.close = traces.close

    def add(self, scope: dict[str, Any], status: int, sizes: tuple[int, int], seconds: float) -> str:
        """Export the request that has just ended; gives the id of its trace.  sizes: bytes received and sent."""
        end_ns = time.time_ns()
        start_ns = end_ns - round(seconds * 1e9)
        attributes = _attributes(scope, status, sizes)
        method, route = attributes["http.request.method"], attributes.get("http.route")
        name = "HTTP" if method == "_OTHER" else method
        whole = self._new_span(
            f"{name} {route}" if route else f"{name}",
            start_ns,
            end_ns,
            attributes,
            str(attributes.get("error.type", status)) if status >= FAULTS else None,
        )
        headers = {
            key.decode(): value.decode("latin-1")
            for key, value in scope["headers"]
            if key in PROPAGATED and len(value) <= LONGEST_PROPAGATED
        }
        return self._traces.add(headers, whole, self._stages(state_in(scope), start_ns))

    def _stages(self, state: RequestState, at_ns: int) -> Iterator[Span]:
        """A span for each stage, one after another; for a request that failed only for the receipt of its body."""
        stages = state.stages
        if not stages and state.received is not None:
            stages = {"receive": state.received - state.started}
        for name, seconds in stages.items():
            until_ns = at_ns + round(seconds * 1e9)
            yield self._new_span(name, at_ns, until_ns, {})
            at_ns = until_ns


def _attributes(scope: dict[str, Any], status: int, sizes: tuple[int, int]) -> dict[str, Value]:
    state, method = state_in(scope), scope["method"]
    code = state.code
    known = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "http.request.method_original": None if method in METHODS else method,
        "http.route": None if code in NOWHERE else scope["path"],
        "http.response.status_code": status,
        "http.request.body.size": sizes[0],
        "http.response.body.size": sizes[1],
        "url.path": scope["path"],
        "url.query": masked(unsigned(scope["query_string"]).decode("ascii", "replace")) or None,
        "url.scheme": scope["scheme"],
        "client.address": scope["client"][0] if scope["client"] else None,
        "network.protocol.version": scope["http_version"],
        "error.type": code,
        "imgsrv.request_id": state.request_id,
    }
    return {name: value for name, value in known.items() if value is not None}
