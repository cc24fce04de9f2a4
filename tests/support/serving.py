"""A real server for tests: started with the command line on a free port, and ended with the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

DEADLINE_S = 60.0

ENDLESS = {"IMGSRV_MAX_JOB_COST_S": "86400"}
"""Many tests need a job that never ends, which a server refuses by default."""


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Return when the condition holds; fail with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.01)


class Server:
    """`imgsrv serve` as a child process; its log is read as events, from stderr or the file that it is to have."""

    def __init__(
        self,
        *flags: str,
        environment: dict[str, str] | None = None,
        program: list[str] | None = None,
        descriptors: tuple[int, ...] = (),
        log_file: Path | None = None,
        is_bounded: bool = False,
        output: int = subprocess.PIPE,
    ) -> None:
        """output: a descriptor in place of a pipe.

        is_bounded: refuse dear jobs, as a server does by default; tests of overload ask for endless ones.
        """
        self.log_file = log_file
        if log_file is not None:
            flags = (*flags, f"--log-file={log_file}")
        bounds = {} if is_bounded else ENDLESS
        command = program or [sys.executable, "-m", "imgsrv"]
        # Of its own, so that any number of servers may be named `default`.
        self.folder = Path(tempfile.mkdtemp(prefix="imgsrv-test-"))
        self.process = subprocess.Popen(
            [*command, "serve", "--port", "0", "--log-format", "json", *flags],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "IMGSRV_RUNTIME_DIR": str(self.folder),
                **bounds,
                **(environment or {}),
            },
            pass_fds=descriptors,
        )
        self.events: list[dict[str, Any]] = []
        self.other_lines: list[str] = []
        # Those that a test still holds when it fails would otherwise be reported as its leaks besides.
        self._connections = weakref.WeakSet[socket.socket]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.events.append(json.loads(line))
            except json.JSONDecodeError:
                self.other_lines.append(line)

    def wait_ready(self) -> Self:
        """Return when the server serves; else fail with its log."""
        wait_until(lambda: self.named("serving") != [] or self.process.poll() is not None, "the server serves")
        assert self.process.poll() is None, [*self.other_lines, *self.events]
        if self.log_file is not None:
            self.port  # noqa: B018  kept while the event that tells it is still in the file
        return self

    def named(self, event: str) -> list[dict[str, Any]]:
        """The events of that name until now."""
        filed = self.log_file.read_text().splitlines() if self.log_file and self.log_file.exists() else []
        return [found for found in [*self.events, *map(json.loads, filed)] if found["event"] == event]

    @cached_property
    def port(self) -> int:
        return int(self.named("serving")[0]["port"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """The process numbers of the living workers."""
        return sorted(child.pid for child in psutil.Process(self.pid).children())

    def processor_s(self) -> float:
        """The processor time of all workers and their children, from their start on."""
        seconds = 0.0
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                seconds += sum(process.cpu_times())
        return seconds

    def client(self, timeout_s: float = 30.0) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=timeout_s)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A plain TCP connection, for requests that no correct client sends.  It ends with the server at the latest.

        source: an address of this machine; each of 127.0.0.0/8 is another client.
        """
        made = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S, source_address=(source, 0))
        self._connections.add(made)
        return made

    def front_of(self, connection: socket.socket) -> int:
        """The worker that serves a connection of this process; it may be connected long before it is accepted."""
        own_end, found = connection.getsockname(), list[int]()

        def is_accepted() -> bool:
            for pid in self.workers():
                with contextlib.suppress(psutil.Error):
                    # A listening socket's other end is an empty tuple.
                    if any(tuple(each.raddr) == own_end for each in psutil.Process(pid).net_connections("tcp")):
                        found.append(pid)
            return found != []

        wait_until(is_accepted, "a worker accepts the connection")
        return found[0]

    def signal(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def lose_power(self) -> None:
        """End all processes of the server as a loss of power would: nothing of it says a word more."""
        for process in [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def wait_exit(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the exit status and the end of the log; return the status."""
        status = self.process.wait(deadline_s)
        self._reader.join(deadline_s)
        return status

    def stop(self) -> None:
        """End the server in any state, with all its processes and connections."""
        for connection in list(self._connections):
            connection.close()
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children(recursive=True)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._reader.join(DEADLINE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def serving(*flags: str, **options: Any) -> Iterator[Server]:
    """A server that runs during the block."""
    server = Server(*flags, **options)
    try:
        yield server.wait_ready()
    finally:
        server.stop()
