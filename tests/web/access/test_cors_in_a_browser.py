"""CORS as Chromium keeps it: what scripts of an allowed page may send and read, and that others may not."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pictures import encoded, picture
from serving import serving

from imgsrv.web.access.keys import make_key

CHROMIUM = shutil.which("chromium") or ""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
]

PAGE = """<script>
const ask = async (path, options) => {
  try {
    const answer = await fetch(URL_OF_SERVER + path, options);
    const isPicture = answer.headers.get('content-type').startsWith('image/');
    return {
      status: answer.status,
      body: isPicture ? (await answer.blob()).size : await answer.json(),
      width: answer.headers.get('Image-Width'), left: answer.headers.get('RateLimit'),
      id: answer.headers.get('X-Request-Id'),
    };
  } catch (error) { return {error: error.name}; }
};
(async () => {
  const body = Uint8Array.from(PICTURE), key = {Authorization: 'Bearer ' + KEY};
  const found = {
    picture: await ask('/flip?format=png', {method: 'POST', body, headers: key}),
    refused: await ask('/flip', {method: 'POST', body}),
    wrong: await ask('/flip?widht=1', {method: 'POST', body, headers: key}),
    overfull: await ask('/flip', {method: 'POST', body: new Uint8Array(3e6), headers: key}),
  };
  await fetch('/done', {method: 'POST', body: JSON.stringify(found)});
})();
</script>"""


class Pages:
    """A server of one page on its own port, which takes what the page reports."""

    def __init__(self) -> None:
        self.text, self.reports = "", queue.Queue[dict[str, Any]]()
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(pages.text.encode(), "text/html")

            def do_POST(self) -> None:
                pages.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(b"", "text/plain")

            def _answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def report_in_chromium(self, host: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            words = ["--headless", "--no-sandbox", f"--user-data-dir={profile}"]
            url = f"http://{host}:{self.server.server_port}/"
            browser = subprocess.Popen([CHROMIUM, *words, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                return self.reports.get(timeout=60)
            finally:
                browser.kill()
                browser.wait()


def test_a_page_of_an_allowed_origin_reads_pictures_errors_and_headers_and_another_reads_nothing(
    tmp_path: Path,
) -> None:
    key, token = make_key("page", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{key}\n")
    pages = Pages()
    origin = f"http://127.0.0.1:{pages.server.server_port}"
    flags = (f"--keys-file={tmp_path / 'keys'}", f"--cors-origins={origin}", "--key-limit=100/minute", "--max-body=1MB")
    try:
        with serving("--workers", "1", *flags) as server:
            values = {"URL_OF_SERVER": server.url, "PICTURE": list(encoded(picture("RG/BY"))), "KEY": token}
            constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
            pages.text = PAGE.replace("<script>", f"<script>\n{constants}", 1)
            allowed = pages.report_in_chromium("127.0.0.1")
            other = pages.report_in_chromium("localhost")
    finally:
        pages.server.shutdown()
        pages.server.server_close()
    assert (allowed["picture"]["status"], allowed["picture"]["width"]) == (200, "2")
    assert allowed["picture"]["left"].startswith('"key";r=')
    assert allowed["picture"]["id"]
    assert (allowed["refused"]["status"], allowed["refused"]["body"]["code"]) == (401, "missing_key")
    assert (allowed["wrong"]["status"], allowed["wrong"]["body"]["code"]) == (400, "unknown_parameter")
    assert (allowed["overfull"]["status"], allowed["overfull"]["body"]["code"]) == (413, "body_too_large")
    assert other == {name: {"error": "TypeError"} for name in allowed}
