"""What the page weighs and holds: bytes, layout, memory, and its use without eyes or a pointer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers.visits import needs_chromium, visiting
from playwright.sync_api import Browser, Page, expect
from serving import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), needs_chromium]

DONE = re.compile("→")
MOST_BYTES = 120_000
MOST_GROWTH = 3e6

TO_SEE = "#ops=resize:width=400,fit=cover/text:text=Hello/curves:points=0:0;0.5:0.6;1:1&off=1&format=webp&sample=photo"


def previewed(page: Page) -> None:
    expect(page.locator("#look")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text(DONE)


def test_the_page_with_a_sample_is_transferred_in_120_kilobytes(browser: Browser, playground: Server) -> None:
    addresses, sizes = dict[str, str](), dict[str, int]()

    def came(event: Any) -> None:
        addresses[event["requestId"]] = event["response"]["url"]

    def ended(event: Any) -> None:
        sizes[event["requestId"]] = int(event["encodedDataLength"])

    with visiting(browser, "about:blank") as visit:
        network = visit.page.context.new_cdp_session(visit.page)
        network.send("Network.enable")
        network.on("Network.responseReceived", came)
        network.on("Network.loadingFinished", ended)
        visit.page.goto(f"{playground.url}/#sample=photo")
        previewed(visit.page)
    # Pictures that the server makes are what the visitor has come for, and not the page.
    own = {each: size for each, size in sizes.items() if "/pipeline?" not in addresses[each]}
    assert 50_000 < sum(own.values()) <= MOST_BYTES
    assert {url for url in addresses.values() if not url.startswith((playground.url, "blob:"))} == set()


def test_a_second_visit_transfers_no_file_of_the_page(browser: Browser, playground: Server) -> None:
    def files() -> int:
        return sum(event["path"].startswith("/pages/") for event in playground.named("request"))

    with visiting(browser, playground.url) as visit:
        expect(visit.page.locator("#operation")).to_be_enabled()
        before = files()
        visit.page.goto(f"{playground.url}/?again")
        expect(visit.page.locator("#operation")).to_be_enabled()
        assert before > 0
        assert files() == before


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_nothing_moves_by_itself(browser: Browser, playground: Server, width: int) -> None:
    with visiting(browser, f"{playground.url}/{TO_SEE}", viewport={"width": width, "height": 900}) as visit:
        previewed(visit.page)
        visit.page.get_by_role("button", name="animation").click()
        expect(visit.page.locator("#frame-value")).to_have_text(re.compile("of 24"))
        previewed(visit.page)
        assert sum(visit.found("shifts")) == 0


@pytest.mark.parametrize("width", [360, 800, 1280, 3840])
def test_the_page_is_never_wider_than_the_window(browser: Browser, playground: Server, width: int) -> None:
    with visiting(browser, f"{playground.url}/{TO_SEE}", viewport={"width": width, "height": 900}) as visit:
        previewed(visit.page)
        assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["", TO_SEE], ids=["empty", "at-work"])
def test_axe_finds_nothing_serious(browser: Browser, playground: Server, scheme: str, state: str) -> None:
    with visiting(browser, f"{playground.url}/{state}", color_scheme=scheme) as visit:
        page = visit.page
        if state:
            previewed(page)
            for summary in page.locator("summary:visible").all():
                summary.click()
        else:
            expect(page.locator("#operation")).to_be_enabled()
        assert _faults(page) == []


def test_axe_finds_nothing_serious_in_the_dialog_of_drawing_and_beside_an_error(
    browser: Browser, playground: Server
) -> None:
    with visiting(browser, f"{playground.url}/#ops=crop:width=0&sample=photo") as visit:
        page = visit.page
        expect(page.locator(".field.wrong")).to_have_count(1)
        assert _faults(page) == []
        page.get_by_role("button", name="Draw the part").click()
        expect(page.locator("#drawing .grip").first).to_be_focused()
        assert _faults(page) == []


def _faults(page: Page) -> list[Any]:
    found = Axe().run(page).response["violations"]
    return [
        (row["id"], row["help"], [node["target"] for node in row["nodes"]])
        for row in found
        if row["impact"] in ("serious", "critical")
    ]


def test_200_previews_leave_the_memory_of_the_page_as_it_was(browser: Browser, playground: Server) -> None:
    with visiting(browser, f"{playground.url}/#ops=resize:width=64&format=webp&sample=photo") as visit:
        page = visit.page
        previewed(page)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        box = page.locator("#output [data-parameter=quality] input[type=number]")

        def previews(count: int) -> None:
            for number in range(count):
                with page.expect_response(lambda answer: "pipeline?" in answer.url):
                    box.fill(str(10 + number % 80))
                previewed(page)

        def held() -> tuple[float, float]:
            session.send("HeapProfiler.collectGarbage")
            found = {row["name"]: row["value"] for row in session.send("Performance.getMetrics")["metrics"]}
            return found["JSHeapUsedSize"], found["Nodes"]

        previews(20)
        heap, nodes = held()
        previews(180)
        heap_after, nodes_after = held()
        assert heap_after - heap < MOST_GROWTH
        assert nodes_after - nodes < 100


def test_the_whole_page_is_reached_with_the_tabulator(browser: Browser, playground: Server) -> None:
    with visiting(browser, f"{playground.url}/#ops=resize:width=300&sample=photo") as visit:
        page = visit.page
        previewed(page)
        reached = set[str]()
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()"))
        for wanted in (
            "stage",
            "mode-split",
            "divider",
            "zoom-fit",
            "operation",
            "copy",
            "tab-curl",
            "code-panel",
            "✕",
        ):
            assert wanted in reached
