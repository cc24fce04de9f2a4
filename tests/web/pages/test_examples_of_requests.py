"""The form and the scripts of docs/requests.md, in Chromium, on a page of another origin than the server's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers.local_pages import LocalPage, local_page
from browsers.visits import needs_chromium, visiting
from pictures import SAMPLES
from playwright.sync_api import Browser, expect
from serving import Server, serving

pytestmark = [pytest.mark.slow, needs_chromium]

DOCUMENT = (Path(__file__).parents[3] / "docs" / "requests.md").read_text(encoding="utf-8")

[PRESET] = re.findall(r"--presets='([^']*)'", DOCUMENT)

COFFEE = SAMPLES / "coffee.jpg"

CHOSEN = "document.querySelector('input').files[0]"


def code(language: str, server: Server) -> str:
    """All code of a language, for the address of this server."""
    found = "\n".join(re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL))
    return found.replace("http://127.0.0.1:8000", server.url)


@pytest.fixture(scope="module")
def page() -> Iterator[LocalPage]:
    with local_page() as page:
        yield page


@pytest.fixture(scope="module")
def server(page: LocalPage) -> Iterator[Server]:
    with serving("--workers", "1", f"--cors-origins={page.origin}", f"--presets={PRESET}") as server:
        script = f"<script>{code('js', server)}</script>"
        page.text = f"<!doctype html><link rel=icon href=data:,><body>{code('html', server)}{script}"
        yield server


@pytest.mark.usefixtures("server")
def test_the_form_shows_the_result(browser: Browser, page: LocalPage) -> None:
    with visiting(browser, page.origin) as visit:
        visit.page.locator("[type=file]").set_input_files(COFFEE)
        visit.page.get_by_role("button", name="Make it small").click()
        image = visit.page.locator("img")
        expect(image).to_be_visible()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300


@pytest.mark.usefixtures("server")
def test_the_script_reads_a_picture_and_why_there_is_none(browser: Browser, page: LocalPage) -> None:
    with visiting(browser, page.origin) as visit:
        visit.page.locator("[type=file]").set_input_files(COFFEE)
        size = visit.page.evaluate(
            f"thumb({CHOSEN}).then(createImageBitmap).then(image => [image.width, image.height])"
        )
        assert size == [200, 200]
        reason = visit.page.evaluate("thumb(new Blob(['no picture'])).catch(error => error.message)")
        assert "format" in reason


@pytest.mark.usefixtures("server")
def test_the_script_reads_several_sizes_with_form_data(browser: Browser, page: LocalPage) -> None:
    with visiting(browser, page.origin) as visit:
        visit.page.locator("[type=file]").set_input_files(COFFEE)
        found = visit.page.evaluate(
            f"""sizes({CHOSEN}).then(files => Promise.all(files.map(async file =>
              [file.name, file.type, (await createImageBitmap(file)).width])))"""
        )
    assert found == [["150.webp", "image/webp", 150], ["300.webp", "image/webp", 300]], json.dumps(found)
