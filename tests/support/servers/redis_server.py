"""A real redis-server for tests, which can be stopped, killed and started again on the same port."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.ports import free_port
from serving import wait_until

PROGRAM = shutil.which("redis-server") or ""


class RedisServer:
    """A redis-server of its own.  hosts: addresses that it listens on."""

    def __init__(self, folder: Path, *hosts: str) -> None:
        self.port = free_port()
        self._folder, self._hosts = folder, ("127.0.0.1", *hosts)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.url_at("127.0.0.1")

    def url_at(self, host: str) -> str:
        return f"redis://{host}:{self.port}/0"

    def start(self, *flags: str) -> None:
        words = ["--port", str(self.port), "--protected-mode", "no", "--save", "", "--dir", str(self._folder), *flags]
        self.process = subprocess.Popen([PROGRAM, *words, "--bind", *self._hosts], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def values(self) -> int:
        """How many values it holds."""
        return int(self._told(b"DBSIZE").removeprefix(b":"))

    def empty(self) -> None:
        """Remove every value."""
        assert self._told(b"FLUSHALL") == b"+OK\r\n"

    def _told(self, command: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as line:
            line.sendall(command + b"\r\n")
            return line.recv(64)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        return False


@contextlib.contextmanager
def redis_server(folder: Path, *flags: str) -> Iterator[RedisServer]:
    """A Redis that runs during the block; skips where it is not installed."""
    if not PROGRAM:
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder)
    try:
        server.start(*flags)
        yield server
    finally:
        server.stop()
