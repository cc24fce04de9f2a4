"""How the pages and their files are served: to browsers only, compressed, kept for good, under a strict policy."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import Server, serving

from imgsrv.web.access.keys import make_key
from imgsrv.web.pages.serve import FOLDER, TYPES, Files

pytestmark = pytest.mark.slow

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
NAMES = sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.suffix in TYPES)
SENT = [name for name in NAMES if not name.endswith(".html")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--workers", "1") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def test_a_browser_gets_the_page_and_every_other_client_the_document(client: httpx.Client) -> None:
    page = client.get("/", headers={"Accept": BROWSER})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.9"):
        document = client.get("/", headers={"Accept": accept})
        assert document.json()["name"] == "imgsrv"
        assert document.headers["vary"] == page.headers["vary"] == "Accept, Accept-Encoding"


def test_the_page_allows_no_inline_script_and_nothing_of_another_origin(client: httpx.Client) -> None:
    headers = client.get("/", headers={"Accept": BROWSER}).headers
    assert "'unsafe" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", SENT)
def test_a_file_of_the_pages_is_compressed_and_kept_for_good(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/pages/{Files().digest}/{name}", headers={"Accept-Encoding": "gzip"})
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == TYPES[Path(name).suffix]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = client.get(answer.url, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_script_is_sent_in_gzip_to_those_who_take_it(client: httpx.Client) -> None:
    path = f"/pages/{Files().digest}/common/theme.css"
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as packed:
        content = b"".join(packed.iter_raw())
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert gzip.decompress(content) == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]


def test_a_page_of_another_version_gets_the_file_of_this_one_and_does_not_keep_it(client: httpx.Client) -> None:
    answer = client.get("/pages/0123456789abcdef/common/theme.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "path", ["/pages/x/serve.py", "/pages/x/../serve.py", "/pages/x/%2e%2e/serve.py", "/pages/x/playground/index.html"]
)
def test_nothing_else_of_the_package_is_served(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")


def test_without_pages_a_browser_gets_the_document() -> None:
    with serving("--workers", "1", "--no-pages") as server:
        assert httpx.get(server.url, headers={"Accept": BROWSER}).json()["name"] == "imgsrv"
        assert httpx.get(f"{server.url}/pages/{Files().digest}/common/theme.css").status_code == 404


def test_the_page_needs_no_key_and_what_it_asks_for_does(tmp_path: Path) -> None:
    line, token = make_key("page", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{line}\n")
    with serving("--workers", "1", f"--keys-file={tmp_path / 'keys'}") as server:
        assert httpx.get(server.url, headers={"Accept": BROWSER}).status_code == 200
        assert httpx.get(f"{server.url}/pages/x/common/theme.css").status_code == 200
        assert httpx.get(server.url).status_code == 401
        assert httpx.get(f"{server.url}/operations").status_code == 401
        assert httpx.get(f"{server.url}/operations", headers={"X-API-Key": token}).status_code == 200
