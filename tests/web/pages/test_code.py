"""The lines of the page do what they say: each is copied out of it and run, and all make the same picture."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers.visits import Visit, needs_chromium, visiting
from pictures import SAMPLES, opened
from playwright.sync_api import Browser, expect
from serving import Server

pytestmark = [pytest.mark.slow, needs_chromium]

STEPS = "#ops=resize:width=120/text:text=It%2527s%20%2522here%2522%252C%20100%2525,size=20&format=webp&quality=61"
"""Its text has what a shell, a query or a step might read as its own: It's "here", 100%."""

DONE = re.compile("→")


@pytest.fixture(scope="module")
def visit(browser: Browser, playground: Server) -> Iterator[Visit]:
    with visiting(browser, f"{playground.url}/{STEPS}") as visit:
        visit.page.set_input_files("#file", SAMPLES / "coffee.jpg")
        expect(visit.page.locator("#status")).to_have_text(DONE)
        yield visit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path)
    return tmp_path


def code(visit: Visit, tab: str) -> str:
    visit.page.click(f"#tab-{tab}")
    return visit.page.locator("#code").inner_text()


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    result = opened((folder / "result.webp").read_bytes())
    assert (result.format, result.size) == ("WEBP", (120, 80))


@pytest.mark.parametrize("tab", ["curl", "convert"])
def test_a_line_for_a_shell_makes_the_picture(visit: Visit, folder: Path, tab: str) -> None:
    program = {"curl": "curl", "convert": sys.executable}[tab]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    line = code(visit, tab).replace("imgsrv convert", f"{sys.executable} -m imgsrv convert")
    run(["sh", "-c", line], folder)


@pytest.mark.parametrize(
    ("tab", "program", "suffix"),
    [("python", sys.executable, ".py"), ("javascript", "node", ".mjs"), ("php", "php", ".php")],
)
def test_a_program_makes_the_picture(visit: Visit, folder: Path, tab: str, program: str, suffix: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if tab == "python":
        pytest.importorskip("requests")
    file = folder / f"program{suffix}"
    file.write_text(code(visit, tab))
    run([program, str(file)], folder)


def test_the_url_says_the_text_of_the_step(visit: Visit) -> None:
    assert code(visit, "url").endswith("size=20&format=webp&quality=61")
    assert "text=It's%2520%2522here%2522%252C%2520100%2525" in code(visit, "url")


def test_the_picture_element_names_three_widths_in_three_formats(visit: Visit) -> None:
    text = code(visit, "picture")
    found = re.findall(r"(http\S+) (\d+)w", text)
    assert [int(width) for _url, width in found] == [60, 120, 240] * 3
    for url, width in found:
        assert f"resize:width={width}/" in html.unescape(url)
    assert [each for each in re.findall(r"&amp;format=(\w+)", text) if each] == ["avif"] * 3 + ["webp"] * 3 + [
        "jpeg"
    ] * 4


@pytest.mark.parametrize(
    ("steps", "widths"),
    [
        pytest.param("", {"320w", "600w"}, id="no-step"),
        pytest.param("ops=resize:width=400", {"200w", "400w", "600w"}, id="twice-is-too-wide"),
        pytest.param("ops=resize:width=400,enlarge=true", {"200w", "400w", "800w"}, id="enlarged"),
        pytest.param("ops=crop:width=0.5", {"300w"}, id="a-part"),
    ],
)
def test_the_picture_element_names_no_width_that_the_picture_does_not_have(
    browser: Browser, playground: Server, steps: str, widths: set[str]
) -> None:
    with visiting(browser, f"{playground.url}/#{steps}") as visit:
        visit.page.set_input_files("#file", SAMPLES / "coffee.jpg")
        expect(visit.page.locator("#status")).to_have_text(DONE)
        visit.page.click("#tab-picture")
        for width in widths:
            expect(visit.page.locator("#code")).to_contain_text(f" {width}")
        assert {*re.findall(r" (\d+w)", code(visit, "picture"))} == widths


def test_what_is_copied_is_what_is_shown(browser: Browser, playground: Server) -> None:
    permissions = ["clipboard-read", "clipboard-write"]
    with visiting(browser, f"{playground.url}/{STEPS}", permissions=permissions) as visit:
        expect(visit.page.locator("#operation")).to_be_enabled()
        visit.page.get_by_role("button", name="Copy").click()
        expect(visit.page.locator("#status")).to_have_text("Copied.")
        assert visit.page.evaluate("() => navigator.clipboard.readText()") == code(visit, "curl")


def test_the_tabs_are_walked_with_the_arrow_keys(visit: Visit) -> None:
    visit.page.click("#tab-curl")
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#tab-convert")).to_be_focused()
    expect(visit.page.locator("#code")).to_contain_text("imgsrv convert coffee.jpg result.webp")
    visit.page.keyboard.press("End")
    expect(visit.page.locator("#tab-picture")).to_have_attribute("aria-selected", "true")
