"""Requests as traces: a real server exports them to a real OTLP receiver in this process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pictures import encoded, picture
from PIL import Image
from serving import DEADLINE_S, serving, wait_until

from imgsrv.cli.main import run
from imgsrv.errors import BadSetting
from imgsrv.installed import install_command
from imgsrv.observe import otel
from imgsrv.observe.log.logger import get_logger
from imgsrv.settings import load_configuration

PNG = encoded(picture("RG/BY"))

LARGE = encoded(Image.new("RGB", (2000, 2000)))
"""Which no engine blurs in a millisecond."""

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """An OTLP receiver over HTTP."""

    def __init__(self) -> None:
        self.resources: list[dict[str, str | int]] = []
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name that the library asks for
                batch = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/traces":
                    for of_one in batch.resource_spans:
                        collector.resources.append(values(of_one.resource.attributes))
                        collector.spans += [span for scope in of_one.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def requests(self) -> list[Span]:
        """The spans of whole requests."""
        return [span for span in list(self.spans) if span.kind == Span.SPAN_KIND_SERVER]

    def stages_of(self, request: Span) -> list[Span]:
        return sorted(
            (span for span in self.spans if span.parent_span_id == request.span_id),
            key=lambda span: (span.start_time_unix_nano, span.end_time_unix_nano),
        )

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(DEADLINE_S)
        self._server.server_close()


def values(attributes: object) -> dict[str, str | int]:
    """Attributes as the wire has them, in Python's types."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}  # type: ignore[attr-defined]


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


def test_a_request_is_a_span_of_its_callers_trace_with_a_child_for_each_stage(collector: Collector) -> None:
    with serving("--workers", "1", f"--otel-endpoint={collector.url}") as server:
        with server.client() as client:
            answer = client.post(
                "/resize?width=8", content=PNG, headers={"traceparent": CALLER, "x-request-id": "shop-1"}
            )
        assert answer.status_code == 200
        wait_until(lambda: len(collector.spans) == 6, "the request and its stages are exported")
    (request,) = collector.requests()
    assert request.name == "POST /resize"
    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert values(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/resize",
        "http.response.status_code": 200,
        "http.request.body.size": len(PNG),
        "http.response.body.size": len(answer.content),
        "url.path": "/resize",
        "url.query": "width=8",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "imgsrv.request_id": "shop-1",
    }
    stages = collector.stages_of(request)
    assert [span.name for span in stages] == ["receive", "queue", "decode", "operations", "encode"]
    assert stages[0].start_time_unix_nano == request.start_time_unix_nano
    assert all(one.end_time_unix_nano == after.start_time_unix_nano for one, after in pairwise(stages))
    assert stages[-1].end_time_unix_nano <= request.end_time_unix_nano
    resource = collector.resources[0]
    assert resource["service.name"] == "imgsrv"
    assert resource["service.instance.id"] == f"default-{resource['process.pid']}"
    logged = server.named("request")[0]
    assert (logged["request_id"], logged["trace_id"]) == ("shop-1", request.trace_id.hex())


def test_a_span_has_the_error_and_fails_only_if_the_server_is_at_fault(collector: Collector) -> None:
    flags = ("--workers", "1", "--job-timeout-s", "0.001", f"--otel-endpoint={collector.url}")
    with serving(*flags) as server, server.client() as client:
        client.post("/resize?width=8", content=b"no picture")
        client.get("/nothing/here")
        assert client.post("/blur?sigma=20", content=LARGE).status_code >= 500
        wait_until(lambda: len(collector.requests()) == 3, "three requests are exported")
    refused, lost, late = sorted(collector.requests(), key=lambda span: span.start_time_unix_nano)
    assert values(refused.attributes)["error.type"] == "unsupported_format"
    assert refused.status.code == Status.STATUS_CODE_UNSET
    assert [span.name for span in collector.stages_of(refused)] == ["receive"]
    assert (lost.name, "http.route" in values(lost.attributes)) == ("GET", False)
    assert late.status.code == Status.STATUS_CODE_ERROR
    assert late.status.message == values(late.attributes)["error.type"]


def test_a_ratio_of_zero_records_only_requests_that_their_caller_records(collector: Collector) -> None:
    with serving("--workers", "1", f"--otel-endpoint={collector.url}", "--otel-ratio=0") as server:
        with server.client() as client:
            for headers in ({}, {"traceparent": CALLER[:-1] + "0"}, {"traceparent": "junk"}, {"traceparent": CALLER}):
                client.get("/operations", headers=headers)
        wait_until(lambda: collector.requests() != [], "the recorded one is exported")
        server.process.terminate()
        assert server.wait_exit() == 0
    assert [span.trace_id.hex() for span in collector.spans] == [CALLER.split("-")[1]]


def test_a_server_that_stops_sends_its_last_spans(collector: Collector) -> None:
    with serving("--workers", "2", f"--otel-endpoint={collector.url}") as server:
        with server.client() as client:
            for _ in range(5):
                client.get("/healthz")
        server.process.terminate()
        assert server.wait_exit() == 0
    assert len(collector.requests()) == 5


@pytest.mark.slow
def test_a_missing_collector_fails_no_request_and_is_logged_once(collector: Collector) -> None:
    collector.close()
    with serving("--workers", "1", f"--otel-endpoint={collector.url}") as server:
        with server.client() as client:
            for _ in range(3):
                assert client.post("/resize?width=8", content=PNG).status_code == 200
                wait_until(lambda: server.named("traces_lost") != [], "the log tells it")
            wait_until(lambda: lost_spans(client.get("/metrics").text) >= 18, "six spans of each request are counted")
        server.process.terminate()
        assert server.wait_exit() == 0
        assert len(server.named("traces_lost")) == 1
        assert server.other_lines == []


def lost_spans(metrics: str) -> float:
    (value,) = [line.split()[1] for line in metrics.splitlines() if line.startswith("imgsrv_spans_lost_total")]
    return float(value)


def test_spans_that_do_not_fit_or_cannot_be_sent_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"MOST_SPANS": 4, "BATCH": 4, "FLUSH_S": 0.1}.items():
        monkeypatch.setattr(otel, name, value)
    lost: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        traces = otel.Traces(f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0, {}, get_logger(), lost.append)
        for _ in range(10):
            traces.add({}, otel.Span("GET /", 0, 1, {}), ())
        assert sum(lost) == 6
        asyncio.run(traces.close())
        assert sum(lost) == 10


def test_without_an_endpoint_the_sdk_is_not_even_imported() -> None:
    code = "import sys, imgsrv.cli.main; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_the_start_is_refused_and_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setattr("imgsrv.settings_checks.find_spec", lambda _name: None)
    assert run(["serve", "--port=0", "--otel-endpoint=http://127.0.0.1:4318"]) == 2
    assert "--otel-endpoint=" in (said := capsys.readouterr().err)
    assert f"traces need the extra `otel`: {install_command('otel')}" in said


@pytest.mark.parametrize("url", ["localhost:4318", "grpc://a:4317", "http://", "http://a:99999", "http://a/?x=1"])
def test_an_address_that_cannot_be_a_collector_is_refused(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^--otel-endpoint="):
        load_configuration({"otel_endpoint": url})
