"""HTTPS by a real proxy in front: with deploy/Caddyfile, and with nginx and the lines of docs/operating.md."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from far.origins import certificate
from pictures import SAMPLES
from servers import nginx
from servers.ports import free_port, listens
from serving import Server, serving, wait_until

ROOT = Path(__file__).parents[3]

CADDY = shutil.which("caddy") or ""


@contextmanager
def unix_server(folder: Path) -> Iterator[Server]:
    # Larger than what the proxies let through.
    with serving(
        "--workers=1", "--max-body=100MB", f"--host=unix:{folder}/imgsrv.sock", "--trusted-proxies=unix"
    ) as server:
        yield server


def _protocol(port: int) -> str | None:
    """The protocol that the proxy chooses; None while it has no certificate, which Caddy makes after it listens."""
    open_to_all = ssl._create_unverified_context()  # noqa: S323  the certificate is the test's own
    open_to_all.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            open_to_all.wrap_socket(plain, server_hostname="localhost") as wire,
        ):
            return wire.selected_alpn_protocol()
    except ssl.SSLError:
        return None


def look(server: Server, port: int) -> None:
    """Ask through the proxy for a picture, with a claim about the scheme, for metrics, and with too large a body."""
    wait_until(lambda: _protocol(port) == "h2", "the proxy has its certificate and speaks HTTP/2")
    with httpx.Client(verify=False, base_url=f"https://localhost:{port}", timeout=30) as client:  # noqa: S501  as above
        claim = {"X-Forwarded-Proto": "http"}
        answer = client.post("/resize?width=100", content=(SAMPLES / "coffee.jpg").read_bytes(), headers=claim)
        assert (answer.status_code, answer.headers["image-width"]) == (200, "100")
        assert client.get("/metrics").status_code == 403
        assert client.post("/resize?width=100", content=b"\0" * (65 << 20)).status_code == 413
    wait_until(lambda: bool(server.named("request")), "the picture is logged")
    event, *_cut_short = server.named("request")
    assert (event["client"], event["scheme"]) == ("127.0.0.1", "https")


@pytest.mark.skipif(not CADDY, reason="caddy is not installed")
def test_caddy_ends_tls_and_serves_pictures(tmp_path: Path) -> None:
    port = free_port()
    text = (ROOT / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    for old, new in {
        "images.example.com {\n": f"localhost:{port} {{\n\ttls internal\n",
        "/run/imgsrv/http.sock": f"{tmp_path}/imgsrv.sock",
    }.items():
        assert old in text
        text = text.replace(old, new)
    own = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    (tmp_path / "Caddyfile").write_text(own + text, encoding="utf-8")
    environment: Mapping[str, str] = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with unix_server(tmp_path) as server, (tmp_path / "caddy.log").open("wb") as log:
        command = [CADDY, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        caddy = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until(lambda: listens(port) or caddy.poll() is not None, "Caddy listens")
            assert caddy.poll() is None, (tmp_path / "caddy.log").read_text()
            look(server, port)
        finally:
            caddy.terminate()
            caddy.wait(20)


@pytest.mark.skipif(not nginx.PROGRAM, reason="nginx is not installed")
def test_nginx_with_the_lines_for_tls_serves_pictures(tmp_path: Path) -> None:
    port, file = free_port(), certificate(tmp_path, "proxy")
    document = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(listen 443 ssl http2;\n.*?)```", document, re.DOTALL)
    assert found is not None
    lines = found[1].replace("443", f"127.0.0.1:{port}")
    lines = re.sub(r"/etc/\S+\.pem", str(file), lines)
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    text = text.replace("listen 80;", lines).replace("/run/imgsrv/http.sock", f"{tmp_path}/imgsrv.sock")
    with (
        unix_server(tmp_path) as server,
        nginx.running_nginx(tmp_path, text, lambda: listens(port), before=nginx.ALONE),
    ):
        look(server, port)
