"""The page and a server that keeps uploads: a picture goes over the line once, and goes when its visitor does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers.visits import Visit, needs_chromium, visiting
from pictures import SAMPLES
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import Server, serving, wait_until

pytestmark = [pytest.mark.slow, needs_chromium]

DONE = re.compile("→")
QUALITY = "#output [data-parameter=quality] input[type=number]"

MUCH_LESS = 5_000
"""Bytes of body that ten previews may send beside the picture."""


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 480 KB, which no encoder makes smaller."""
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    pixels = np.random.default_rng(1).integers(0, 256, (400, 400, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def keeping(folder: Path) -> Iterator[Server]:
    with serving("--workers", "1", f"--uploads-dir={folder}") as server:
        yield server


@pytest.fixture
def visit(browser: Browser, keeping: Server) -> Iterator[Visit]:
    with visiting(browser, keeping.url) as visit:
        yield visit


@pytest.fixture
def page(visit: Visit, noise: Path) -> Page:
    take(visit.page, noise)
    with visit.page.expect_response(lambda answer: "format=jpeg" in answer.url):
        visit.page.select_option("#output select", "jpeg")
    previewed(visit.page)
    return visit.page


def take(page: Page, file: Path) -> None:
    page.set_input_files("#file", file)
    previewed(page)


def previewed(page: Page) -> None:
    expect(page.locator("#look")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text(DONE)


def change(page: Page, quality: int) -> None:
    """Ask for another quality, and wait for the picture."""
    with page.expect_response(lambda answer: f"quality={quality}" in answer.url and answer.status == 200):
        page.fill(QUALITY, str(quality))
    previewed(page)


def asked(server: Server, count: int, path: str = "/pipeline") -> list[dict[str, Any]]:
    """The requests for pictures that the server has answered with 200, at least so many."""

    def found() -> list[dict[str, Any]]:
        return [row for row in server.named("request") if row["path"].startswith(path) and row["status"] < 300]

    wait_until(lambda: len(found()) >= count, "the requests are in the log")
    return found()


def kept_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]


def test_ten_previews_send_the_picture_once(page: Page, keeping: Server, noise: Path) -> None:
    for quality in range(20, 30):
        change(page, quality)
    previews = asked(keeping, 12)
    sent = sum(row["bytes_in"] for row in keeping.named("request"))
    assert {row["method"] for row in previews} == {"GET"}
    assert noise.stat().st_size <= sent < noise.stat().st_size + MUCH_LESS
    # The lines to paste send a picture all the same.
    expect(page.locator("#code")).to_contain_text("--data-binary @noise.png")
    expect(page.locator("#code")).not_to_contain_text("upload")


def test_a_picture_that_the_server_has_forgotten_is_sent_again(page: Page, keeping: Server, folder: Path) -> None:
    for file in kept_in(folder):
        file.unlink()
    change(page, 31)
    change(page, 32)
    assert [row["method"] for row in asked(keeping, 4)[-2:]] == ["POST", "GET"]
    assert len(kept_in(folder)) == 1


def test_a_picture_is_sent_while_the_store_of_uploads_is_out_of_reach(page: Page, keeping: Server) -> None:
    problem = {"status": 503, "code": "uploads_unavailable", "detail": "the store of the uploads does not answer"}
    page.route("**/pipeline?*source=upload:*", lambda route: route.fulfill(status=503, json=problem), times=1)
    change(page, 33)
    change(page, 34)
    assert [row["method"] for row in asked(keeping, 4)[-2:]] == ["POST", "GET"]


def test_an_upload_that_is_refused_leaves_the_page_as_without_uploads(
    browser: Browser, noise: Path, tmp_path: Path
) -> None:
    flags = ("--workers", "1", f"--uploads-dir={tmp_path}", "--uploads-max-size=100KB")
    with serving(*flags) as server, visiting(browser, server.url) as visit:
        take(visit.page, noise)
        visit.page.select_option("#output select", "jpeg")
        change(visit.page, 30)
        assert {row["method"] for row in asked(server, 2)} == {"POST"}
        uploads = [row for row in server.named("request") if row["path"] == "/uploads"]
        assert [row["status"] for row in uploads] == [507]


def test_without_uploads_and_for_a_small_picture_nothing_is_uploaded(
    browser: Browser, playground: Server, keeping: Server, noise: Path
) -> None:
    for server, file in ((playground, noise), (keeping, SAMPLES / "coffee.jpg")):
        with visiting(browser, server.url) as visit:
            take(visit.page, file)
            assert asked(server, 1)[-1]["method"] == "POST"
            assert not [row for row in server.named("request") if row["path"] == "/uploads"]


def test_a_further_file_of_a_step_is_sent_once_too(page: Page, keeping: Server) -> None:
    page.select_option("#operation", "watermark")
    page.click("#add")
    part = "li[data-operation=watermark] [data-parameter=part]"
    expect(page.locator(f"{part} .hint")).to_contain_text("choose it in its step")
    page.set_input_files(f"{part} input[type=file]", SAMPLES / "chelsea.png")
    previewed(page)
    change(page, 40)
    assert len(asked(keeping, 2, "/uploads")) == 2
    assert {row["method"] for row in asked(keeping, 4)} == {"GET"}


def test_a_picture_is_removed_when_another_one_is_chosen(page: Page, folder: Path) -> None:
    assert len(kept_in(folder)) == 1
    page.get_by_role("button", name="photo").click()
    wait_until(lambda: kept_in(folder) == [], "the server has no picture of the visitor")


@pytest.mark.parametrize("is_closed", [False, True], ids=["another-page", "closed-tab"])
def test_a_picture_is_removed_when_the_visitor_leaves(
    page: Page, folder: Path, noise: Path, *, is_closed: bool
) -> None:
    further = page.context.new_page()
    further.goto(page.url)
    take(further, noise)
    assert len(kept_in(folder)) == 2
    if is_closed:
        further.close()
    else:
        further.goto("about:blank")
    wait_until(lambda: len(kept_in(folder)) == 1, "the server has the picture of the other tab alone")
