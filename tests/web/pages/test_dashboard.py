"""The dashboard in Chromium: it shows what happens, goes on through a reload, and asks for the operator's key."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers.visits import Visit, needs_chromium, visiting
from pictures import encoded, picture
from playwright.sync_api import Browser, expect
from serving import Server, serving

from imgsrv.web.access.keys import make_key
from imgsrv.web.pages.serve import FOLDER, Files

pytestmark = [pytest.mark.slow, needs_chromium]

PAGE = "/dashboard"

MOST_BYTES = 40_000
"""Of all files of the dashboard, before they are compressed."""


def local(server: Server) -> str:
    return server.url + PAGE


def serious(visit: Visit) -> list[str]:
    """What axe finds that keeps somebody from using the page."""
    found = Axe().run(visit.page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


def test_it_shows_workers_rates_and_refusals_as_they_come(browser: Browser, playground: Server) -> None:
    with visiting(browser, local(playground)) as visit:
        expect(visit.page.locator("#state")).to_have_text("serving")
        for pid in playground.workers():
            expect(visit.page.locator("#workers")).to_contain_text(f"{pid}")
        for _ in range(3):
            httpx.post(f"{playground.url}/flip?nothing=1", content=encoded(picture("RG/BY")), timeout=60)
        expect(visit.page.locator("#refusals")).to_contain_text("unknown_parameter")
        latency = visit.page.locator(".tiles .sheet", has=visit.page.get_by_role("heading", name="Latency"))
        expect(latency.locator(".value")).to_have_text(re.compile(r"^[0-9.]+ m?s$"))
        expect(latency.locator("path").first).to_have_attribute("d", re.compile("^M"))
        engines = visit.page.locator(".tiles .sheet", has=visit.page.get_by_role("heading", name="Engines at work"))
        expect(engines.locator(".more")).to_have_text("1 worker ready")
        visit.page.get_by_role("button", name="Pause").press("Enter")
        expect(visit.page.locator("#state")).to_have_text("paused")


def test_no_percentile_is_above_the_slowest_request(browser: Browser, playground: Server) -> None:
    latency = {"bounds_s": [0.5, 1.0], "counts": [0, 2, 0], "slowest_s": 0.6}
    with visiting(browser, local(playground)) as visit:
        found = visit.page.evaluate(
            """async ([latency, script]) => {
              const { quantile } = await import(script);
              return [0.1, 0.5, 0.99].map((share) => quantile({ latency }, null, share));
            }""",
            [latency, f"/pages/{Files().digest}/dashboard/figures.js"],
        )
    assert found == [0.55, 0.6, 0.6]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_everybody_can_read_it_at_any_width(browser: Browser, playground: Server, scheme: str, width: int) -> None:
    size = {"width": width, "height": width * 9 // 16 if width > 360 else 800}
    with visiting(browser, local(playground), color_scheme=scheme, viewport=size) as visit:
        expect(visit.page.locator("#state")).to_have_text("serving")
        assert serious(visit) == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert sum(visit.found("shifts")) < 0.1


def test_it_goes_on_through_a_reload(browser: Browser) -> None:
    with serving("--workers", "1") as server, visiting(browser, local(server)) as visit:
        expect(visit.page.locator("#facts")).to_contain_text("generation 1")
        server.signal(signal.SIGHUP)
        expect(visit.page.locator("#facts")).to_contain_text("generation 2")
        expect(visit.page.locator("#state")).to_have_text("serving")


def test_it_says_that_the_server_is_gone(browser: Browser) -> None:
    with serving("--workers", "1") as server, visiting(browser, local(server)) as visit:
        expect(visit.page.locator("#state")).to_have_text("serving")
        server.stop()
        expect(visit.page.locator("#state")).to_have_text("The server does not answer.")


def test_it_asks_for_the_key_of_the_operator_and_keeps_it_for_the_tab(browser: Browser, tmp_path: Path) -> None:
    (shop, shops), (ops, opses) = (make_key(name, None, None, None, operator=name == "ops") for name in ("shop", "ops"))
    (tmp_path / "keys").write_text(f"{shop}\n{ops}\n")
    flags = ("--workers", "1", f"--keys-file={tmp_path / 'keys'}")
    with serving(*flags) as server, visiting(browser, local(server)) as visit:
        page = visit.page
        expect(page.locator("#why")).to_contain_text("key")
        assert serious(visit) == []
        for key, words in ((shops, "belongs to the operator"), (opses, None)):
            page.get_by_label("Key").fill(key)
            page.keyboard.press("Enter")
            if words:
                expect(page.locator("#why")).to_contain_text(words)
        expect(page.locator("#state")).to_have_text("serving")
        expect(page.locator("#ask")).to_be_hidden()
        page.reload()
        expect(page.locator("#state")).to_have_text("serving")
        assert opses not in page.url


def test_it_is_small() -> None:
    files = [*(FOLDER / "dashboard").iterdir(), *(FOLDER / "common").iterdir()]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
