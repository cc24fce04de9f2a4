"""Traces with OpenTelemetry's SDK: a thread sends finished spans to a collector.

This module is imported only if traces are switched on, because the SDK comes with the extra `otel`.  Each worker makes
its own `Traces`, because a thread does not survive a fork.  Warnings of the SDK go to the log, at a limited rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from imgsrv.observe.log.logger import Logger

PATH = "/v1/traces"

EXPORT_S, DELAY_S, FLUSH_S = 5.0, 1.0, 2.0
"""Longest wait for the collector, time for which spans are gathered, and longest wait for the last spans at the end."""

MOST_SPANS, BATCH = 8192, 512
"""Most spans that may wait for the thread (further ones are lost), and most spans in one message."""

COMPLAINT_S = 60.0
"""Shortest time between two warnings in the log."""

Value = str | int


@dataclass(frozen=True, slots=True)
class Span:
    """A finished operation; times in ns since 1970.  error: the kind of failure, if the server failed."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Value]
    error: str | None = None


class Traces:
    """Exporter of spans.

    endpoint: base URL of an OTLP/HTTP collector.  ratio: share of the traces that begin here which are recorded.
    count_lost: called, from any thread, with the number of spans that will not reach the collector.
    """

    def __init__(
        self,
        endpoint: str,
        ratio: float,
        resource: Mapping[str, Value],
        log: Logger,
        count_lost: Callable[[int], None] = lambda _lost: None,
    ) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over the values of the program.
        about = Resource(resource).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=about, shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + PATH, timeout=EXPORT_S)
        self._queue = _Queue(exporter, count_lost)
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer("imgsrv", str(resource.get("service.version", "")))
        self._propagator = TraceContextTextMapPropagator()
        _complain_to(log)

    def add(self, headers: Mapping[str, str], whole: Span, parts: Iterable[Span]) -> str:
        """Export a span of the server and its parts; return the id of their trace in hexadecimal.

        headers: those of the request.  A `traceparent` of the caller also decides whether the trace is recorded.
        """
        caller = self._propagator.extract(headers)
        span = self._tracer.start_span(
            whole.name, caller, trace.SpanKind.SERVER, whole.attributes, start_time=whole.start_ns
        )
        if span.is_recording():
            within = trace.set_span_in_context(span, caller)
            for part in parts:
                child = self._tracer.start_span(part.name, within, attributes=part.attributes, start_time=part.start_ns)
                child.end(part.end_ns)
            if whole.error is not None:
                span.set_status(trace.StatusCode.ERROR, whole.error)
        span.end(whole.end_ns)
        return trace.format_trace_id(span.get_span_context().trace_id)

    async def close(self) -> None:
        """Send the spans that still wait, for at most FLUSH_S seconds."""
        loop, is_done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop has ended without waiting
                loop.call_soon_threadsafe(is_done.set)

        # No thread of the event loop: at its end the loop would wait for it as long as the collector is silent.
        threading.Thread(target=shut_down, daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await is_done.wait()
        self._queue.give_up()


class _Queue(BatchSpanProcessor):
    """Spans that wait for the thread.  count_lost: called with the number of spans lost for any reason."""

    def __init__(self, exporter: SpanExporter, count_lost: Callable[[int], None]) -> None:
        self._count_lost = count_lost
        self._lock, self._waiting = threading.Lock(), 0
        super().__init__(
            _Telling(exporter, self._left),
            max_queue_size=MOST_SPANS,
            schedule_delay_millis=DELAY_S * 1000,
            max_export_batch_size=BATCH,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span if there is space.  The SDK's own limit drops the oldest spans and does not count them."""
        with self._lock:
            if self._waiting >= MOST_SPANS:
                self._count_lost(1)
                return
            self._waiting += 1
        super().on_end(span)

    def give_up(self) -> None:
        """Count the spans that still wait as lost, because the process ends."""
        with self._lock:
            self._count_lost(self._waiting)
            self._waiting = 0

    def _left(self, count: int, *, is_sent: bool) -> None:
        with self._lock:
            # Spans that were given up are counted already.
            known = min(count, self._waiting)
            self._waiting -= known
            if not is_sent:
                self._count_lost(known)


class _Telling(SpanExporter):
    """Exporter that reports how many spans have left the queue, and whether the collector has them."""

    def __init__(self, exporter: SpanExporter, tell: Callable[..., None]) -> None:
        self._exporter, self._tell = exporter, tell
        self.shutdown = exporter.shutdown  # type: ignore[method-assign]  # it needs no report

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._tell(len(spans), is_sent=result is SpanExportResult.SUCCESS)
        return result


class _Complaints(logging.Handler):
    """Writes warnings of the SDK to the log, at most one in COMPLAINT_S: a dead collector causes one every second."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log, self._due = log, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if (now := time.monotonic()) >= self._due:
            self._due = now + COMPLAINT_S
            self._log.warning("traces_lost", reason=record.getMessage())


def _complain_to(log: Logger) -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.handlers = [_Complaints(log)]
