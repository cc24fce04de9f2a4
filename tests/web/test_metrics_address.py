"""The operator's own address: metrics and probes there and nowhere else, through reloads and restarts."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
from servers.ports import free_port, listens
from serving import Server, serving, wait_until

from imgsrv.web.access.keys import make_key


def scrape(port: int) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)


def test_metrics_and_probes_are_answered_there_and_pictures_elsewhere(tmp_path: Path) -> None:
    key, _token = make_key("shop", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{key}\n")
    port = free_port()
    flags = (f"--metrics-listen=127.0.0.1:{port}", "--proxy-protocol", f"--keys-file={tmp_path / 'keys'}")
    with serving("--workers", "2", *flags):
        wait_until(lambda: b"imgsrv_workers_ready 2.0" in scrape(port).content, "both workers are ready")
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/info", 404), ("/operations", 404)):
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=30)
            assert (path, answer.status_code) == (path, status)
        refused = httpx.post(f"http://127.0.0.1:{port}/metrics", timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (405, "wrong_method")


def test_the_address_of_the_pictures_then_has_no_metrics() -> None:
    with serving("--workers", "1", f"--metrics-listen=127.0.0.1:{free_port()}") as server, server.client() as client:
        answer = client.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")
        assert "metrics?" not in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200


def test_every_scrape_is_answered_while_workers_die_and_the_server_reloads() -> None:
    port = free_port()
    with serving("--workers", "2", f"--metrics-listen=127.0.0.1:{port}") as server:
        server.signal(signal.SIGHUP)
        while not server.named("reloaded"):
            assert scrape(port).status_code == 200
        assert scrape(port).status_code == 200
    wait_until(lambda: not listens(port), "the address is free")


def test_a_restart_takes_the_address_again() -> None:
    port = free_port()
    with serving("--workers", "1", f"--metrics-listen=127.0.0.1:{port}") as server:
        done = command(server, "restart")
        assert done.returncode == 0, done.stderr
        assert scrape(port).status_code == 200


def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """A command for the running server."""
    program = [sys.executable, "-m", "imgsrv", *words, "--runtime-dir", str(server.folder)]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
