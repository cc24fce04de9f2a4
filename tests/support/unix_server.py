"""A server on a Unix socket, and a reload of a server under load."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from load import loading
from serving import DEADLINE_S, Server, wait_until

from imgsrv.cli._control_client import ask as command
from imgsrv.pool.control.instances import Place


class UnixServer(Server):
    """A server on a Unix socket."""

    def __init__(self, path: Path, *flags: str, **options: Any) -> None:
        super().__init__("--host", f"unix:{path}", *flags, **options)
        self._path = path

    def connect(self, source: str = "") -> socket.socket:  # noqa: ARG002  clients have no address here
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(DEADLINE_S)
        try:
            made.connect(str(self._path))
        except OSError:
            made.close()
            raise
        return made


@contextlib.contextmanager
def unix_serving(path: Path, *flags: str, **options: Any) -> Iterator[UnixServer]:
    server = UnixServer(path, *flags, **options)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def reload_under_load(server: Server) -> None:
    """Reload under load, and check that all workers are new and that no client notices."""
    pids = set(server.workers())
    with loading(server, keep_alive=2, fresh=2) as load:
        load.wait_more(1)
        command(Place(server.folder, "default"), "reload", patience_s=60)
        load.wait_more(1)
    assert load.failures == []
    wait_until(lambda: pids.isdisjoint(server.workers()), "the old ones go")
