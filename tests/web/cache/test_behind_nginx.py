"""deploy/nginx-cache.conf with a real nginx, as docs/caching.md recommends it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pictures import encoded, sample
from servers.nginx import ALONE, PROGRAM, running_nginx
from serving import Server, serving, wait_until

DEPLOYED = (Path(__file__).parents[3] / "deploy/nginx-cache.conf").read_text(encoding="utf-8")
URL = "/resize?width=300&source=file:photo.jpg"
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,"
    "video/*;q=0.8,*/*;q=0.5"
)
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGES = ("https://shop.example", "https://blog.example")
ORIGINS: tuple[dict[str, str], ...] = ({}, {"Origin": PAGES[0]}, {"Origin": PAGES[1]}, {})

pytestmark = pytest.mark.skipif(not PROGRAM, reason="nginx is not installed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/photo.jpg").write_bytes(encoded(sample("coffee.jpg"), "JPEG"))
    return tmp_path


@pytest.fixture
def behind(place: Path) -> Iterator[Server]:
    """A server whose answers hold for a second, behind nginx."""
    deployed = DEPLOYED.replace("listen 80;", f"listen unix:{place}/nginx.sock;")
    deployed = deployed.replace("/run/imgsrv/http.sock", f"{place}/imgsrv.sock")
    deployed = deployed.replace("/var/cache/nginx/imgsrv", f"{place}/kept")
    listening = f"unix:{place}/imgsrv.sock"
    flags = ("--workers=2", "--host", listening, "--trusted-proxies", "unix", f"--source-dir={place}/pictures")
    with (
        serving(*flags, "--cache-ttl-s=1", f"--cors-origins={','.join(PAGES)}") as server,
        running_nginx(place, deployed, (place / "nginx.sock").exists, before=ALONE),
    ):
        yield server


def ask(place: Path, url: str, accept: str = "*/*", **headers: str) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(place / "nginx.sock"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=60) as client:
        return client.get(url, headers={"Accept": accept, **headers})


def statuses(server: Server) -> list[int]:
    """Of the requests that nginx has passed on."""
    return [event["status"] for event in server.named("request")]


def test_equal_requests_reach_imgsrv_once_and_later_as_a_question(place: Path, behind: Server) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: ask(place, URL), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    wait_until(lambda: statuses(behind)[:1] == [200], "the first one is logged")
    assert statuses(behind).count(200) == 1
    # When the answer has become stale, nginx asks whether it still holds, and no engine works.
    wait_until(lambda: ask(place, URL).status_code == 200 and 304 in statuses(behind), "it asks again")
    assert statuses(behind).count(200) == 1


def test_browsers_that_show_the_same_formats_share_an_entry(place: Path, behind: Server) -> None:
    url = f"{URL}&format=auto"
    kinds = [ask(place, url, accept).headers["content-type"] for accept in (CHROME, FIREFOX, SAFARI, "*/*")]
    assert kinds == ["image/avif", "image/avif", "image/avif", "image/jpeg"]
    wait_until(lambda: len(statuses(behind)) >= 2, "both are logged")
    assert statuses(behind).count(200) == 2


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize(("accept", "kind"), [("image/avif,*/*", "image/avif"), ("image/webp,*/*", "image/webp")])
def test_a_browser_that_names_one_format_gets_it(place: Path, accept: str, kind: str) -> None:
    assert ask(place, f"{URL}&format=auto", accept).headers["content-type"] == kind


@pytest.mark.usefixtures("behind")
def test_a_browser_gets_the_page_and_a_program_the_json(place: Path) -> None:
    kinds = [ask(place, "/", accept).headers["content-type"].partition(";")[0] for accept in (PAGE, "*/*", PAGE)]
    assert kinds == ["text/html", "application/json", "text/html"]


@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("accept", ["application/zip", "application/json"])
def test_accept_chooses_the_archive_of_a_batch(place: Path, accept: str) -> None:
    answer = ask(place, "/batch?widths=30,60&format=webp&source=file:photo.jpg", accept)
    assert answer.headers["content-type"].partition(";")[0] == accept


@pytest.mark.usefixtures("behind")
def test_each_page_gets_its_own_headers_of_cors(place: Path) -> None:
    allowed = [ask(place, URL, **headers).headers.get("access-control-allow-origin") for headers in ORIGINS]
    assert allowed == [None, *PAGES, None]


def test_answers_to_keys_go_past_it(place: Path, behind: Server) -> None:
    transport = httpx.HTTPTransport(uds=str(place / "nginx.sock"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=60) as client:
        for _ in range(2):
            assert client.get(URL, headers={"Authorization": "Bearer key"}).status_code == 200
    wait_until(lambda: len(statuses(behind)) == 2, "both reach the server")


def test_errors_are_not_kept(place: Path, behind: Server) -> None:
    for _ in range(2):
        assert ask(place, "/resize?width=300&source=file:missing.jpg").status_code == 404
    wait_until(lambda: len(statuses(behind)) == 2, "both reach the server")
