"""Chromium, driven by Playwright, for tests of the pages: a visit records the complaints of its console and policy."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or ""

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")

DEADLINE_MS = 60_000
"""As long as a machine with much else to do may take for an answer."""

STATUS_LINE = "Failed to load resource: the server responded with a status of"
NO_ANSWER = "net::ERR_"
"""How Chromium reports an answer that is an error, and one that does not come, whatever the page makes of it."""

WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts.push(entry.value);
}).observe({type: 'layout-shift', buffered: true});
"""


@dataclass
class Visit:
    """An open page, and the complaints about it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (STATUS_LINE in message.text or NO_ANSWER in message.text):
            self.complaints.append(message.text)

    def found(self, name: str) -> list[Any]:
        """What `WATCH` has written down."""
        found: list[Any] = self.page.evaluate(f"() => window.{name}")
        return found


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; it ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A visit to the page in a context of its own; at its end there may be no complaint and no violation."""
    expect.set_options(timeout=DEADLINE_MS)
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(DEADLINE_MS)
    context.add_init_script(WATCH)
    try:
        visit = Visit(context.new_page())
        visit.page.on("console", visit.hear)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.goto(url)
        yield visit
        assert visit.complaints == []
        assert visit.found("violations") == []
    finally:
        context.close()
