"""Chromium as a reader: a page of its own takes files from a server on loopback and sends pixels back."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import numpy as np
from browsers.local_pages import answering

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
        self._stack = ExitStack()
        self._profile = self._stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self._port = self._stack.enter_context(answering(self._got, self._take))
        self._browser: subprocess.Popen[bytes] = self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        if shutil.which("chromium"):
            self._browser.kill()
            self._browser.wait()
        self._stack.close()

    def _start(self) -> subprocess.Popen[bytes]:
        address = f"http://127.0.0.1:{self._port}/"
        name = shutil.which("chromium") or "true"
        words = ["--headless", "--no-sandbox", "--force-color-profile=srgb", f"--user-data-dir={self._profile}"]
        self._browser = subprocess.Popen([name, *words, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self._browser

    def _got(self, path: str) -> tuple[bytes, str]:
        """What the page asks for, or the page."""
        if path == "/next":
            return json.dumps(self._next_task()).encode(), "application/json"
        if path == "/file":
            return (self._path.read_bytes() if self._path else b""), "application/octet-stream"
        return PAGE.encode(), "text/html"

    def _next_task(self) -> dict[str, str] | None:
        """The next file for the page; None if there was none for a while."""
        try:
            self._path = self._tasks.get(timeout=5)
        except queue.Empty:
            return None
        return {"type": TYPES.get(self._path.suffix[1:].lower(), "")}

    def _take(self, path: str, body: bytes) -> None:
        """The page's answer."""
        head: dict[str, int] = json.loads(unquote(path.partition("?")[2]))
        shape = head.get("height", 0), head.get("width", 0), 4
        self._results.put(np.frombuffer(body, np.uint8).reshape(shape) if head.get("width") else None)
