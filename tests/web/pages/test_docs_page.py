"""The page of the API in Chromium: every operation is listed, read and tried, with pictures and with mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers.visits import Visit, needs_chromium, visiting
from pictures import SAMPLES
from playwright.sync_api import Browser, Route, expect
from serving import Server, serving

from imgsrv.web.access.keys import make_key

pytestmark = [pytest.mark.slow, needs_chromium]

COFFEE = str(SAMPLES / "coffee.jpg")

MOST_BYTES = 120_000
"""That the page may transfer, the description of the API included."""


def page_of(server: Server, operation: str = "") -> str:
    return f"{server.url}/docs#{operation}"


def serious(visit: Visit) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(visit.page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


def test_every_path_of_the_description_is_listed_and_can_be_opened(browser: Browser, playground: Server) -> None:
    paths = httpx.get(f"{playground.url}/openapi.json", timeout=60).json()["paths"]
    with visiting(browser, page_of(playground)) as visit:
        links = visit.page.locator("nav a")
        expect(links).to_have_count(len(paths))
        assert {*links.all_text_contents()} == {*paths}
        for path in paths:
            visit.page.evaluate("path => { location.hash = path; }", path)
            expect(visit.page.locator("article h2")).to_have_text(path)
            expect(visit.page.locator("nav a[aria-current]")).to_have_text(path)


def test_a_picture_is_sent_and_its_result_shown(browser: Browser, playground: Server) -> None:
    with visiting(browser, page_of(playground, "/resize")) as visit:
        page = visit.page
        page.get_by_label("file").set_input_files(COFFEE)
        page.get_by_label("width", exact=True).fill("123")
        page.locator("summary").click()
        page.get_by_label("format", exact=True).select_option("webp")
        line = f"curl --data-binary @coffee.jpg '{playground.url}/resize?width=123&format=webp'"
        expect(page.get_by_role("region", name="The command")).to_have_text(line)
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".result p").first).to_have_text(re.compile(r"^200 OK · image/webp · 123 × \d+ · "))
        image = page.get_by_alt_text("The result")
        expect(image).to_be_visible()
        assert image.evaluate("image => image.naturalWidth") == 123
        expect(page.get_by_role("link", name="Save the answer")).to_have_attribute("download", "result.webp")


def test_a_refusal_says_what_to_change(browser: Browser, playground: Server) -> None:
    with visiting(browser, page_of(playground, "/pipeline")) as visit:
        page = visit.page
        page.get_by_label("file").set_input_files(COFFEE)
        page.get_by_label("ops").fill("resize:widht=300")
        page.get_by_role("button", name="Send").press("Enter")
        expect(page.locator(".result")).to_contain_text("did you mean width")
        expect(page.locator(".result")).to_contain_text("unknown_parameter")


def test_text_and_json_answers_are_shown_and_a_get_needs_no_file(browser: Browser, playground: Server) -> None:
    with visiting(browser, page_of(playground, "/info")) as visit:
        page = visit.page
        page.get_by_label("file").set_input_files(COFFEE)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("region", name="The answer")).to_contain_text('"media_type": "image/jpeg"')
        page.evaluate("location.hash = '/metrics'")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("region", name="The answer")).to_contain_text("imgsrv_requests_total")


def test_an_operation_is_found_by_its_name_or_by_what_it_does(browser: Browser, playground: Server) -> None:
    with visiting(browser, page_of(playground)) as visit:
        visit.page.get_by_label("Find an operation").fill("SEPI")
        expect(visit.page.locator("nav a")).to_have_text(["/sepia"])
        expect(visit.page.locator("#count")).to_have_text("1 operation")
        visit.page.locator("nav a").press("Enter")
        expect(visit.page.locator("article h2")).to_have_text("/sepia")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 3840])
@pytest.mark.parametrize("operation", ["/resize", "/batch", "/uploads/{upload}"])
def test_everybody_can_read_it_at_any_width(
    browser: Browser, playground: Server, scheme: str, width: int, operation: str
) -> None:
    size = {"width": width, "height": 900}
    with visiting(browser, page_of(playground, operation), color_scheme=scheme, viewport=size) as visit:
        expect(visit.page.locator("article h2")).to_have_text(operation)
        assert serious(visit) == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert sum(visit.found("shifts")) < 0.1


def test_it_asks_for_a_key_where_the_server_does(browser: Browser, tmp_path: Path) -> None:
    key, token = make_key("shop", None, None, None, operator=False)
    (tmp_path / "keys").write_text(f"{key}\n")
    flags = ("--workers", "1", f"--keys-file={tmp_path / 'keys'}")
    with serving(*flags) as server, visiting(browser, page_of(server, "/flip")) as visit:
        page = visit.page
        expect(page.locator("#why")).to_contain_text("key")
        page.get_by_label("Key").fill(token)
        page.keyboard.press("Enter")
        page.get_by_label("file").set_input_files(COFFEE)
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".result p").first).to_have_text(re.compile("^200 OK"))
        assert token not in page.locator("body").inner_text()


def test_a_server_that_does_not_answer_at_first_is_asked_again(browser: Browser, playground: Server) -> None:
    asked = list[str]()

    def lost_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort()
        else:
            route.continue_()

    with visiting(browser, "about:blank") as visit:
        visit.page.route("**/openapi.json", lost_once)
        visit.page.goto(page_of(playground, "/flip"))
        expect(visit.page.locator("article h2")).to_have_text("/flip")
        expect(visit.page.locator("#ask")).to_be_hidden()
    assert len(asked) == 2


def test_it_transfers_little_and_asks_no_other_server(browser: Browser, playground: Server) -> None:
    context = browser.new_context()
    try:
        page, sizes, asked = context.new_page(), list[int](), list[str]()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
        page.goto(page_of(playground))
        expect(page.locator("article h2")).to_have_text("/resize")
        page.wait_for_load_state("networkidle")
    finally:
        context.close()
    assert [url for url in asked if not url.startswith(playground.url)] == []
    assert 20_000 < sum(sizes) < MOST_BYTES
