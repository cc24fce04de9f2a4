"""One browser and one server for all tests of the page that disturb neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsers.visits import chromium
from playwright.sync_api import Browser
from serving import Server, serving


# While Playwright is there, an event loop runs in this process, and no later test could start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def playground() -> Iterator[Server]:
    with serving("--workers", "1") as server:
        yield server
