"""The client behind a proxy: only trusted proxies are believed, and a bad header ends the connection."""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pictures import SAMPLES
from servers.nginx import ALONE, PROGRAM, running_nginx
from serving import Server, serving, wait_until
from wire import Wire, head

from imgsrv.web.http.proxy_headers import V2, BadProxyHeader, Preface, Proxies, read_preface


def v2(source: str, port: int, *, command: int = 0x21, more: bytes = b"") -> bytes:
    address = ipaddress.ip_address(source)
    body = address.packed * 2 + struct.pack("!HH", port, 80) + more
    return V2 + struct.pack("!BBH", command, 0x11 if address.version == 4 else 0x21, len(body)) + body


# ---- X-Forwarded-For --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "client", "headers", "found"),
    [
        pytest.param("10.0.0.0/8", "10.1.1.1", ["1.2.3.4"], "1.2.3.4", id="what-a-trusted-proxy-says-is-taken"),
        pytest.param("10.0.0.0/8", "9.9.9.9", ["1.2.3.4"], "9.9.9.9", id="what-anybody-else-says-is-not"),
        pytest.param("", "10.1.1.1", ["1.2.3.4"], "10.1.1.1", id="nobody-is-trusted-unless-named"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4", id="the-client's-own-claim-is-not"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["1.2.3.4, 10.2.2.2"], "1.2.3.4", id="through-two-trusted-proxies"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["1.2.3.4", "10.2.2.2"], "1.2.3.4", id="in-two-headers"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3", id="a-client-among-the-trusted"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["1.2.3.4, unknown"], "10.1.1.1", id="what-is-no-address-is-not"),
        pytest.param("10.0.0.0/8", "10.1.1.1", ["1.2.3.4:5555"], "1.2.3.4", id="with-a-port"),
        pytest.param("::1", "::1", ["[2001:db8::7]:80"], "2001:db8::7", id="ipv6-with-a-port"),
        pytest.param("127.0.0.1", "127.0.0.1", ["fe80::1%eth0"], "127.0.0.1", id="a-zone-is-no-address"),
        pytest.param("fe80::/10", "fe80::1%eth0", ["1.2.3.4"], "1.2.3.4", id="a-proxy-on-the-same-network"),
        pytest.param("127.0.0.1", "::ffff:127.0.0.1", ["1.2.3.4"], "1.2.3.4", id="a-mapped-address-is-its-ipv4"),
        pytest.param("unix", None, ["1.2.3.4"], "1.2.3.4", id="over-the-unix-socket"),
        pytest.param("10.0.0.0/8", "10.1.1.1", [], "10.1.1.1", id="without-the-header"),
    ],
)
def test_the_client_is_the_last_untrusted_address(
    trusted: str, client: str | None, headers: list[str], found: str
) -> None:
    scope: dict[str, Any] = {
        "client": (client, 1) if client else None,
        "scheme": "http",
        "headers": [(b"x-forwarded-for", value.encode()) for value in headers],
    }
    proxies = Proxies(trusted)
    if proxies.trusts(scope["client"]):
        proxies.forwarded(scope)
    assert scope["client"][0] == found


@pytest.mark.parametrize(
    ("value", "scheme"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("gopher", "http")]
)
def test_the_scheme_is_the_one_that_a_trusted_proxy_names(value: str, scheme: str) -> None:
    scope: dict[str, Any] = {
        "client": None,
        "scheme": "http",
        "headers": [(b"x-forwarded-proto", value.encode())],
    }
    Proxies("unix").forwarded(scope)
    assert scope["scheme"] == scheme


# ---- the PROXY protocol -----------------------------------------------------------------------------------

HEADERS = [
    pytest.param(b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 80\r\n", ("1.2.3.4", 1111), id="v1-ipv4"),
    pytest.param(b"PROXY TCP6 2001:db8::1 ::1 1111 80\r\n", ("2001:db8::1", 1111), id="v1-ipv6"),
    pytest.param(b"PROXY TCP6 ::ffff:1.2.3.4 ::1 65535 80\r\n", ("::ffff:1.2.3.4", 65535), id="v1-mapped-ipv4"),
    pytest.param(b"PROXY UNKNOWN\r\n", None, id="v1-unknown"),
    pytest.param(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None, id="v1-unknown-with-addresses"),
    pytest.param(v2("1.2.3.4", 1111), ("1.2.3.4", 1111), id="v2-ipv4"),
    pytest.param(v2("2001:db8::1", 1111), ("2001:db8::1", 1111), id="v2-ipv6"),
    pytest.param(v2("1.2.3.4", 1111, more=b"\x04\x00\x02xx"), ("1.2.3.4", 1111), id="v2-with-additions"),
    pytest.param(v2("1.2.3.4", 1111, command=0x20), None, id="v2-the-proxy's-own-check"),
    pytest.param(V2 + b"\x21\x00\x00\x00", None, id="v2-no-family"),
]


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_a_header_is_read_and_the_bytes_after_it_are_left(header: bytes, client: tuple[str, int] | None) -> None:
    assert read_preface(header + b"GET / HTTP/1.1") == Preface(client, len(header))


@pytest.mark.parametrize(("header", "client"), HEADERS)
def test_an_incomplete_header_is_waited_for(header: bytes, client: tuple[str, int] | None) -> None:  # noqa: ARG001
    assert [read_preface(header[:size]) for size in range(1, len(header))] == [None] * (len(header) - 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n", "does not begin with a PROXY header", id="a-request"),
        pytest.param(b"PUT / HTTP/1.1\r\n", "does not begin with a PROXY header", id="a-request-that-begins-alike"),
        pytest.param(b"PROXY TCP4 " + b"1" * 100, "longer than 107 bytes", id="v1-too-long"),
        pytest.param(b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", "two addresses of that family", id="v1-no-address"),
        pytest.param(b"PROXY TCP4 ::1 ::1 1 2\r\n", "two addresses of that family", id="v1-another-family"),
        pytest.param(b"PROXY TCP4 1.2.3.4 5.6.7.8 x 2\r\n", "two addresses of that family", id="v1-no-port"),
        pytest.param(b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", "ports up to 65535", id="v1-port-too-high"),
        pytest.param(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", "ports up to 65535", id="v1-own-port-too-high"),
        pytest.param(b"PROXY TCP4 1.2.3.4 there 1 2\r\n", "two addresses", id="v1-no-own-address"),
        pytest.param(b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "without a zone", id="v1-zone"),
        pytest.param(b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "none of TCP4, TCP6 and UNKNOWN", id="v1-udp"),
        pytest.param(V2 + b"\x31\x11\x00\x0c", "its version and command are 0x31", id="v2-another-version"),
        pytest.param(V2 + b"\x21\x11\xff\xff", "has 65551 bytes and may have 4096", id="v2-too-long"),
        pytest.param(V2 + b"\x21\x11\x00\x04abcd", "too short for its addresses", id="v2-too-short"),
    ],
)
def test_a_bad_header_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadProxyHeader, match=reason):
        read_preface(data)


@pytest.fixture(scope="module")
def proxied() -> Iterator[Server]:
    """A server behind a proxy on this machine that speaks the PROXY protocol."""
    with serving("--workers", "1", "--proxy-protocol", "--trusted-proxies", "127.0.0.1") as server:
        yield server


def last_client(server: Server, count: int) -> str:
    wait_until(lambda: len(server.named("request")) >= count, "the request is logged")
    return str(server.named("request")[-1]["client"])


@pytest.mark.parametrize("header", [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", v2("1.2.3.4", 1)], ids=["v1", "v2"])
def test_the_access_log_has_the_client_of_the_header(proxied: Server, header: bytes) -> None:
    count = len(proxied.named("request"))
    with Wire(proxied) as wire:
        wire.send(header[:5])
        wire.send(header[5:] + head("/healthz", method="GET"))
        assert wire.answer().status == 200
        wire.send(head("/healthz", method="GET"))
        assert wire.answer().status == 200
    assert last_client(proxied, count + 2) == "1.2.3.4"


def test_a_connection_without_the_header_is_closed_and_logged(proxied: Server) -> None:
    count = len(proxied.named("proxy_header_refused"))
    with Wire(proxied) as wire, contextlib.suppress(ConnectionResetError):
        wire.send(head("/healthz", method="GET"))
        assert wire.socket.recv(1) == b""
    wait_until(lambda: len(proxied.named("proxy_header_refused")) == count + 1, "it is logged")
    assert "does not begin with a PROXY header" in proxied.named("proxy_header_refused")[-1]["reason"]


def test_the_header_of_an_untrusted_sender_is_read_and_ignored() -> None:
    with serving("--workers", "1", "--proxy-protocol") as server, Wire(server) as wire:
        wire.send(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + head("/healthz", method="GET"))
        assert wire.answer().status == 200
        assert last_client(server, 1) == "127.0.0.1"


# ---- a real nginx -----------------------------------------------------------------------------------------

DEPLOYED = (Path(__file__).parents[3] / "deploy" / "nginx.conf").read_text(encoding="utf-8")
"""Tested as it is, but for where it listens and finds the server."""


@pytest.mark.skipif(not PROGRAM, reason="nginx is not installed")
def test_nginx_in_front_of_a_unix_socket_serves_pictures_and_names_the_client(tmp_path: Path) -> None:
    deployed = DEPLOYED.replace(
        "listen 80;", f"listen unix:{tmp_path}/nginx.sock; set_real_ip_from unix:; real_ip_header X-Forwarded-For;"
    )
    deployed = deployed.replace("/run/imgsrv/http.sock", f"{tmp_path}/imgsrv.sock")
    with serving("--workers", "2", "--host", f"unix:{tmp_path}/imgsrv.sock", "--trusted-proxies", "unix") as server:
        with running_nginx(tmp_path, deployed, (tmp_path / "nginx.sock").exists, before=ALONE):
            transport = httpx.HTTPTransport(uds=str(tmp_path / "nginx.sock"))
            with httpx.Client(transport=transport, base_url="http://localhost", timeout=30) as client:
                for _ in range(5):
                    answer = client.post(
                        "/resize?width=100",
                        content=(SAMPLES / "coffee.jpg").read_bytes(),
                        headers={"X-Forwarded-For": "203.0.113.9"},
                    )
                    assert (answer.status_code, answer.headers["image-width"]) == (200, "100")
                assert client.get("/metrics").status_code == 403
        wait_until(lambda: len(server.named("request")) == 5, "all are logged")
        told = {(event["client"], event["scheme"]) for event in server.named("request")}
        assert told == {("203.0.113.9", "http")}
