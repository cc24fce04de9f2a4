"""Chromium as a reader: a page of its own takes files from a server on loopback and sends pixels back."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import numpy as np

from tests.conformance.readers import LONGEST_S, Pixels

FORMATS = ("jpeg", "png", "gif", "webp", "avif", "bmp", "ico", "svg")

PAGE = """<script>
async function pixels(blob, isSvg) {
  let image;
  if (isSvg) {
    image = new Image(); image.src = URL.createObjectURL(blob); await image.decode();
    image.width = image.naturalWidth; image.height = image.naturalHeight;
  } else image = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
(async () => { for (;;) {
  const task = await (await fetch('/next')).json();
  if (!task) continue;
  let head = {}, body = new Uint8Array();
  try {
    const blob = await (await fetch('/file')).blob();
    const data = await pixels(new Blob([blob], {type: task.type}), task.type == 'image/svg+xml');
    head = {width: data.width, height: data.height}; body = data.data;
  } catch (error) { head = {error: String(error)}; }
  await fetch('/done?' + encodeURIComponent(JSON.stringify(head)), {method: 'POST', body});
} })();
</script>"""

TYPES = {"svg": "image/svg+xml", "svgz": "image/svg+xml"}


class Chromium:
    """One browser without a window; a context manager ends it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._tasks: queue.Queue[Path] = queue.Queue()
        self._results: queue.Queue[Pixels | None] = queue.Queue()
        self._lock = threading.Lock()

    def reads(self, kind: str) -> bool:
        """It is installed and knows the format."""
        return kind in FORMATS and shutil.which("chromium") is not None

    def read(self, path: Path, _kind: str) -> Pixels | None:
        """The pixels; None for a refused picture, and for one that takes too long."""
        with self._lock:
            self._tasks.put(path)
            try:
                return self._results.get(timeout=LONGEST_S)
            except queue.Empty:
                self._browser.kill()
                self._start()
                return None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._browser: subprocess.Popen[bytes] = self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        if shutil.which("chromium"):
            self._browser.kill()
            self._browser.wait()
        self._server.shutdown()
        self._profile.cleanup()

    def _start(self) -> subprocess.Popen[bytes]:
        address = f"http://127.0.0.1:{self._server.server_port}/"
        name = shutil.which("chromium") or "true"
        words = ["--headless", "--no-sandbox", "--force-color-profile=srgb", f"--user-data-dir={self._profile.name}"]
        self._browser = subprocess.Popen([name, *words, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self._browser

    def next_task(self) -> dict[str, str] | None:
        """The next file for the page; None if there was none for a while."""
        try:
            self._path = self._tasks.get(timeout=5)
        except queue.Empty:
            return None
        return {"type": TYPES.get(self._path.suffix[1:].lower(), "")}

    def file(self) -> bytes:
        """The bytes of the file that the page works on."""
        return self._path.read_bytes() if self._path else b""

    def take(self, head: dict[str, int], body: bytes) -> None:
        """The page's answer."""
        is_read = bool(head.get("width"))
        shape = head.get("height", 0), head.get("width", 0), 4
        self._results.put(np.frombuffer(body, np.uint8).reshape(shape) if is_read else None)


def _handler(chromium: Chromium) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/next":
                self._answer(json.dumps(chromium.next_task()).encode(), "application/json")
            elif self.path == "/file":
                self._answer(chromium.file(), "application/octet-stream")
            else:
                self._answer(PAGE.encode(), "text/html")

        def do_POST(self) -> None:
            from urllib.parse import unquote  # noqa: PLC0415

            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            chromium.take(json.loads(unquote(self.path.partition("?")[2])), body)
            self._answer(b"", "text/plain")

        def _answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    return Handler
