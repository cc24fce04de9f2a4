"""Pages on an origin of their own, for tests of what a browser lets them ask of the server and read."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LocalPage:
    """One page at every path.  text: its HTML, which may be set later.  reports: the JSON documents that it posts."""

    def __init__(self, port: int) -> None:
        self.port, self.text = port, ""
        self.reports = queue.Queue[dict[str, Any]]()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def answering(get: Callable[[str], tuple[bytes, str]], take: Callable[[str, bytes], None]) -> Iterator[int]:
    """A free port of loopback on which requests are answered, until the end of the block.

    get: gives the body and the media type of a path.  take: gets a path, and the body that was posted to it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*get(self.path))

        def do_POST(self) -> None:
            take(self.path, self.rfile.read(int(self.headers["Content-Length"] or 0)))
            self._answer(b"", "text/plain")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def local_page() -> Iterator[LocalPage]:
    """A page on a free port, until the end of the block."""

    def get(_path: str) -> tuple[bytes, str]:
        return page.text.encode(), "text/html; charset=utf-8"

    def take(_path: str, body: bytes) -> None:
        page.reports.put(json.loads(body))

    with answering(get, take) as port:
        page = LocalPage(port)
        yield page
