"""An S3 server, played by moto."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from servers.ports import free_port, listens
from serving import wait_until


@contextlib.contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """An S3 server of moto with the bucket `cache`; gives the environment of its clients."""
    pytest.importorskip("moto.server", reason="moto is not installed")
    port = free_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listens(port), "the S3 server answers", 60)
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"PUT /cache HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            assert b" 200 " in line.recv(4096)
        yield environment
    finally:
        process.kill()
        process.wait()
