"""A socket from systemd: it stays open over reloads, restarts and new servers."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import DEADLINE_S, Server, wait_until
from unix_server import UnixServer, reload_under_load
from wire import Wire, head

from imgsrv.cli._control_client import ask as command
from imgsrv.pool.control.instances import Place

pytestmark = pytest.mark.slow

AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS=sys.argv[2], LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "imgsrv", *sys.argv[3:]])
"""
"""The steps of systemd before it runs a service with a socket."""


@contextlib.contextmanager
def bound(family: socket.AddressFamily, address: Any) -> Iterator[socket.socket]:
    with socket.socket(family) as made:
        made.bind(address)
        made.listen(64)
        yield made


def activated(made: socket.socket, *flags: str, count: int = 1) -> Server:
    as_systemd = [sys.executable, "-c", AS_SYSTEMD, str(made.fileno()), str(count)]
    options: dict[str, Any] = {"program": as_systemd, "descriptors": (made.fileno(),)}
    if made.family == socket.AF_UNIX:
        return UnixServer(Path(made.getsockname()), "--workers", "2", *flags, **options)
    return Server("--workers", "2", *flags, **options)


FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])


def address_of(family: socket.AddressFamily, folder: Path) -> Any:
    return ("127.0.0.1", 0) if family == socket.AF_INET else str(folder / "s")


@FAMILIES
def test_a_new_server_on_a_socket_from_systemd_answers_clients_that_connected_before_it(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    with bound(family, address_of(family, tmp_path)) as made, contextlib.ExitStack() as clients:
        for _ in range(2):
            waiting = clients.enter_context(socket.socket(family))
            waiting.settimeout(DEADLINE_S)
            # Nobody accepts yet: the socket is systemd's and outlives every server on it.
            waiting.connect(made.getsockname())
            waiting.sendall(head("/healthz", method="GET"))
            server = activated(made)
            try:
                server.wait_ready()
                assert waiting.recv(100).startswith(b"HTTP/1.1 200")
                server.signal(signal.SIGTERM)
                assert server.wait_exit() == 0
            finally:
                server.stop()


@FAMILIES
def test_a_reload_on_a_socket_from_systemd_loses_no_request(tmp_path: Path, family: socket.AddressFamily) -> None:
    with bound(family, address_of(family, tmp_path)) as made:
        server = activated(made)
        try:
            server.wait_ready()
            before = psutil.Process(server.pid).num_fds()
            for _ in range(2):
                reload_under_load(server)
            wait_until(lambda: psutil.Process(server.pid).num_fds() == before, "it has as many descriptors as before")
        finally:
            server.stop()


@FAMILIES
def test_a_restart_keeps_the_socket_from_systemd_and_answers_waiting_clients(
    tmp_path: Path, family: socket.AddressFamily
) -> None:
    with bound(family, address_of(family, tmp_path)) as made:
        server = activated(made)
        try:
            server.wait_ready()
            command(Place(server.folder, "default"), "restart", patience_s=60)
            with Wire(server) as wire:
                wire.send(head("/healthz", method="GET"))
                assert wire.answer().status == 200
            wait_until(lambda: len(server.named("serving")) == 2, "it serves again")
        finally:
            server.stop()


def test_more_than_one_socket_from_systemd_is_refused(tmp_path: Path) -> None:
    with bound(socket.AF_UNIX, str(tmp_path / "s")) as made:
        server = activated(made, count=2)
        try:
            assert server.wait_exit() == 2
            assert "there are 2; give one ListenStream= to the .socket unit" in server.other_lines[-1]
        finally:
            server.stop()


def test_a_socket_from_systemd_that_does_not_listen_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        server = activated(made)
        try:
            assert server.wait_exit() == 2
            assert "it does not listen for streams" in server.other_lines[-1]
        finally:
            server.stop()
