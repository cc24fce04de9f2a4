"""CORS as Chromium keeps it: what scripts of an allowed page may send and read, and that others may not."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from browsers.local_pages import LocalPage, local_page
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


def report_in_chromium(page: LocalPage, host: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = ["--headless", "--no-sandbox", f"--user-data-dir={profile}"]
        url = f"http://{host}:{page.port}/"
        browser = subprocess.Popen([CHROMIUM, *words, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return page.reports.get(timeout=60)
        finally:
            browser.kill()
            browser.wait()


def test_a_page_of_an_allowed_origin_reads_pictures_errors_and_headers_and_another_reads_nothing(
    tmp_path: Path,
) -> None:
    key, token = make_key("page", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{key}\n")
    with local_page() as page:
        limits = ("--key-limit=100/minute", "--max-body=1MB")
        flags = (f"--keys-file={tmp_path / 'keys'}", f"--cors-origins={page.origin}", *limits)
        with serving("--workers", "1", *flags) as server:
            values = {"URL_OF_SERVER": server.url, "PICTURE": list(encoded(picture("RG/BY"))), "KEY": token}
            constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
            page.text = PAGE.replace("<script>", f"<script>\n{constants}", 1)
            allowed = report_in_chromium(page, "127.0.0.1")
            other = report_in_chromium(page, "localhost")
    assert (allowed["picture"]["status"], allowed["picture"]["width"]) == (200, "2")
    assert allowed["picture"]["left"].startswith('"key";r=')
    assert allowed["picture"]["id"]
    assert (allowed["refused"]["status"], allowed["refused"]["body"]["code"]) == (401, "missing_key")
    assert (allowed["wrong"]["status"], allowed["wrong"]["body"]["code"]) == (400, "unknown_parameter")
    assert (allowed["overfull"]["status"], allowed["overfull"]["body"]["code"]) == (413, "body_too_large")
    assert other == {name: {"error": "TypeError"} for name in allowed}
