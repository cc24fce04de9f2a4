"""The page and a server that is busy, starts anew, is gone, or asks for a key: it says so, and goes on by itself."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from browsers.visits import needs_chromium, visiting
from playwright.sync_api import Browser, Page, expect
from serving import Server, serving, wait_until
from wire import PNG, Wire, metric, post

from imgsrv.web.access.keys import make_key

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), needs_chromium]

DONE = re.compile("→")
LONG = "/pipeline?ops=resize:width=3000,enlarge=true/median:radius=50/median:radius=50/median:radius=50&format=png"


def with_sample(page: Page) -> None:
    page.get_by_role("button", name="photo").click()
    expect(page.locator("#status")).to_have_text(DONE)


def test_a_server_that_is_overloaded_is_waited_for(browser: Browser) -> None:
    with serving("--workers", "1", "--max-queue", "1") as server, visiting(browser, server.url) as visit:
        page = visit.page
        with_sample(page)
        with ExitStack() as stack:
            # Both come from the address of the visitor, whose newest picture is the one to wait.
            greedy = [stack.enter_context(Wire(server)) for _ in range(2)]
            greedy[0].send(post(LONG, PNG))
            wait_until(lambda: metric(server, "imgsrv_jobs_begun_total") == 2, "the engine works", 60)
            greedy[1].send(post("/flip", PNG))
            wait_until(lambda: metric(server, "imgsrv_jobs_waiting") == 1, "the queue is full", 60)
            page.get_by_role("button", name="resize").click()
            expect(page.locator("#status")).to_have_text(re.compile(r"The server is busy.* Trying again in \d+ s\."))
            expect(page.locator("#status")).to_have_attribute("data-kind", "waiting")
        expect(page.locator("#status")).to_have_text(DONE)


def test_a_reload_of_the_server_goes_unnoticed(browser: Browser) -> None:
    with serving("--workers", "1") as server, visiting(browser, server.url) as visit:
        with_sample(visit.page)
        before = server.workers()
        server.signal(signal.SIGHUP)
        quality = visit.page.locator("#output [data-parameter=quality] input[type=number]")
        for value in range(40, 60):
            quality.fill(str(value))
            expect(visit.page.locator("#status")).to_have_text(DONE)
        wait_until(lambda: not set(before) & set(server.workers()), "other workers serve", 150)
        quality.fill("70")
        expect(visit.page.locator("#look")).to_have_attribute("aria-busy", "false")
        expect(visit.page.locator("#status")).to_have_text(DONE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_server_that_is_stopped_and_started_again_is_found_again(browser: Browser) -> None:
    flags = ("--workers", "1", "--port", str(_free_port()))
    with ExitStack() as stack:
        first = stack.enter_context(serving(*flags))
        visit = stack.enter_context(visiting(browser, first.url))
        page = visit.page
        with_sample(page)
        first.stop()
        page.get_by_role("button", name="resize").click()
        expect(page.locator("#status")).to_have_text(re.compile("The server does not answer"))
        stack.enter_context(serving(*flags))
        expect(page.locator("#status")).to_have_text(DONE)
        expect(page.locator("#status")).to_have_attribute("data-kind", "ready")


def test_the_key_is_asked_for_and_kept_in_the_tab_alone(browser: Browser, tmp_path: Path) -> None:
    line, token = make_key("page", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{line}\n")
    with (
        serving("--workers", "1", f"--keys-file={tmp_path / 'keys'}") as server,
        visiting(browser, server.url) as visit,
    ):
        page = visit.page
        expect(page.locator("#key-dialog")).to_be_visible()
        page.fill("#key", "not-the-key")
        page.press("#key", "Enter")
        expect(page.locator("#key-reason")).to_have_text(re.compile("key"))
        expect(page.locator("#key")).to_be_focused()
        page.fill("#key", token)
        page.press("#key", "Enter")
        expect(page.locator("#key-dialog")).to_be_hidden()
        with_sample(page)
        expect(page.locator("#code")).to_contain_text("Authorization: Bearer $IMGSRV_KEY")
        assert token not in page.url
        assert page.evaluate("() => JSON.stringify(localStorage) + document.cookie") == "{}"


def test_answers_to_old_questions_are_dropped_and_one_question_is_open_at_a_time(
    browser: Browser, playground: Server
) -> None:
    with visiting(browser, playground.url) as visit:
        page = visit.page
        with_sample(page)
        open_now, most = set[str](), [0]

        def began(request: object) -> None:
            open_now.add(str(id(request)))
            most[0] = max(most[0], len(open_now))

        page.on("request", began)
        for event in ("requestfinished", "requestfailed"):
            page.on(event, lambda request: open_now.discard(str(id(request))))
        page.get_by_role("button", name="resize").click()
        width = page.locator("[data-parameter=width] input[type=number]")
        for value in range(100, 500, 13):
            width.fill(str(value))
            page.wait_for_timeout(value % 200)
        width.fill("321")
        expect(page.locator("#out-size")).to_have_text("321 × 214")
        expect(page.locator("#code")).to_contain_text("width=321")
        assert most[0] == 1
